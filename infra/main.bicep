// The co-sell connector and all it needs, in one resource group. docs/deploy.md says how to deploy it.
//
// tests/infra checks this file without Azure, and keeps azuredeploy.json, its translation for the portal, equal to it:
//   python -m tests.infra.bicep --write
targetScope = 'resourceGroup'

// Where and what

@description('Name of the environment, like staging or prod. Part of every resource name.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Azure region. One that has Flex Consumption: az functionapp list-flexconsumption-locations')
param location string = resourceGroup().location

@description('Tags for every resource.')
param tags object = {}

@description('Which CRM holds the opportunities.')
@allowed(['dynamics365', 'salesforce'])
param crm string

@description('yes: plan and audit, but write nothing to either side. Set it to no to go live.')
@allowed(['yes', 'no'])
param dryRun string = 'yes'

// Partner Center

@description('Entra tenant of the partner account.')
param partnerCenterTenantId string

@description('Client id of the app registration that calls Partner Center.')
param partnerCenterClientId string

@description('Base address of the referrals API. Empty: Microsoft\'s.')
param partnerCenterReferralsUrl string = ''

@description('Base address of the webhook registration API. Empty: Microsoft\'s.')
param partnerCenterWebhooksUrl string = ''

@description('Hosts from which a webhook\'s signing certificate may come, with commas between. Empty: Microsoft\'s.')
param partnerCenterCertificateHosts string = ''

@description('Hosts from which issuers of that certificate may come, with commas between. Empty: Microsoft\'s.')
param partnerCenterIssuerHosts string = ''

@description('PEM file in the app\'s package with the roots that webhook certificates may chain to. Empty: the system\'s.')
param partnerCenterTrustedRoots string = ''

@description('Calls to Partner Center in a day, at most. Empty: no limit.')
param partnerCenterDailyCallBudget string = ''

// Dynamics 365, where that is the CRM

@description('Address of the Dynamics 365 environment, like https://contoso.crm.dynamics.com')
param dynamics365Url string = ''

@description('Entra tenant of Dynamics 365. Only with dynamics365ClientId.')
param dynamics365TenantId string = ''

@description('Client id of an app registration that calls Dynamics 365. Empty: the managed identity does.')
param dynamics365ClientId string = ''

// Salesforce, where that is the CRM

@description('The org\'s My Domain address, like https://contoso.my.salesforce.com')
param salesforceLoginUrl string = ''

@description('Consumer key of the connected app.')
param salesforceClientId string = ''

@description('User to act as, with the private key in the vault. Empty: sign in with the client secret in the vault.')
param salesforceUsername string = ''

// How deals are synced. Empty is the default that python -m shared.settings shows.

@description('Show the check or cross mark in the opportunity\'s name: yes or no. Empty: yes.')
param displayCheckMark string = ''

@description('Leave leads out on the way to the CRM: yes or no. Empty: yes.')
param syncCosellOpportunitiesOnly string = ''

@description('CRM field of the deal value. Empty: that of the mapping file.')
param dealValueField string = ''

@description('CRM field of the deal\'s currency. Empty: that of the mapping file.')
param dealValueCurrencyField string = ''

@description('Account field of the two-letter country code. Empty: that of the mapping file.')
param customerAccountCountryCodeField string = ''

@description('Stage of an accepted deal. Empty: that of the mapping file.')
param activeStageName string = ''

@description('Stage of a deal that waits for acceptance. Empty: that of the mapping file.')
param onHoldStageName string = ''

@description('File in the app\'s package with your changes to the field mapping. Empty: customize.toml, if it is there.')
param customizeFile string = ''

@description('When to look for changes in the CRM: six fields, UTC. Empty: every 30 seconds.')
param crmPollSchedule string = ''

@description('When to look for changed solutions in the CRM: six fields, UTC. Empty: every 5 minutes.')
param solutionsSchedule string = ''

@description('When to look for what events did not tell of: six fields, UTC. Empty: every 5 minutes.')
param autoHealSchedule string = ''

@description('Hours to go on trying while a service is away. Empty: 72.')
param retryForHours string = ''

@description('Share of the links that one run may close or clear before it stops for a person. Empty: 20.')
param brakePercent string = ''

@description('Calls to the CRM in a day, at most. Empty: no limit.')
param crmDailyCallBudget string = ''

@description('The app\'s own address, for the webhook. Empty: the one that Azure gives it.')
param publicUrl string = ''

@description('Further app settings by name, laid over those of the template. Settings made by hand go with each deployment.')
param otherSettings object = {}

// How it runs

@description('Python version. A new one needs the code deployed again.')
@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.13'

@description('Memory of an instance, MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances for each function, at most. Each handles 12 messages at once, and Dataverse takes 52 calls at once.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 4

@description('Requests that one instance handles at once.')
@minValue(1)
@maxValue(100)
param httpConcurrency int = 16

@description('Instances kept warm for webhooks and pages. They are paid for all day; 0 costs a cold start now and then.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Redundancy of the storage account, which holds links, audit and queues.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('Keep a deleted vault\'s secrets from being purged. Cannot be undone; false for environments that come and go.')
param purgeProtection bool = true

@description('Who puts secrets into the vault: object id of a user, group or service principal. Empty: nobody yet.')
param operatorPrincipalId string = ''

@description('What operatorPrincipalId is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param operatorPrincipalType string = 'User'

// Network

@description('Storage and vault behind private endpoints in a virtual network of their own. Each of the four endpoints costs.')
param virtualNetwork bool = false

@description('Address range of that network.')
param virtualNetworkAddresses string = '10.90.0.0/24'

@description('Part of it for the app\'s instances, at least /27.')
param appSubnetAddresses string = '10.90.0.0/26'

@description('Part of it for the private endpoints, at least /28.')
param endpointSubnetAddresses string = '10.90.0.64/26'

@description('Address, or range in CIDR form, from which people may reach the vault besides. Empty: none.')
param operatorIpAddress string = ''

// Watching it

@description('Address that gets the alerts. Empty: they are shown in the portal only.')
param alertEmail string = ''

@description('Time without a successful look at either side before the alert: hours, or one or two days.')
@allowed(['PT1H', 'PT2H', 'PT3H', 'PT4H', 'PT5H', 'PT6H', 'P1D', 'P2D'])
param silenceAlertAfter string = 'PT3H'

@description('Days to keep logs.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs in a day, at most; -1 is no limit. What is beyond is lost until the next day, alerts with it.')
param logDailyLimitGb int = 1

var suffix = uniqueString(subscription().id, resourceGroup().id, environmentName)
var allTags = union(tags, { 'azd-env-name': environmentName })
var storageName = 'st${suffix}'
var appName = 'cosell-${environmentName}-${suffix}'

// shared/state/queues.py and shared/state name them; a test compares.
var queueNames = [
  'referral-events'
  'referral-events-poison'
  'related-referral-events'
  'related-referral-events-poison'
  'crm-changes'
  'crm-changes-poison'
  'crm-lead-changes'
  'crm-lead-changes-poison'
]
var tableNames = ['audit', 'backfill', 'brake', 'calls', 'cursors', 'links', 'locks', 'runs', 'solutionrows']

// Ids of built-in roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var storageRoles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner: the host's locks and keys, the package
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor: triggers, and the app's own messages
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor: links, audit, cursors, runs
]
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher

var needsDynamics365Secret = crm == 'dynamics365' && !empty(dynamics365ClientId)
var needsSalesforceKey = crm == 'salesforce' && !empty(salesforceUsername)
var needsSalesforceSecret = crm == 'salesforce' && empty(salesforceUsername)

// Sync functions run in threads: enough for the requests and the messages (host.json: 8 + 4) that one instance takes.
var threadCount = max(httpConcurrency, 16)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${appName}'
  location: location
  tags: allTags
}

// Storage: the host's own, and the connector's links, audit, cursors and queues

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: storageName
  location: location
  tags: allTags
  kind: 'StorageV2'
  sku: { name: storageRedundancy }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: virtualNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: virtualNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: storage
  name: 'default'
}

resource packageContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobService
  name: 'app-package'
  properties: { publicAccess: 'None' }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: storage
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [for queueName in queueNames: {
  parent: queueService
  name: queueName
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: storage
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' = [for tableName in tableNames: {
  parent: tableService
  name: tableName
}]

resource storageAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in storageRoles: {
  scope: storage
  name: guid(storage.id, identity.id, role)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

// Vault: the Partner Center token, which the app rotates itself, and the secrets that app settings refer to

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${suffix}'
  location: location
  tags: allTags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    // False is refused; it can only be left out.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: virtualNetwork && empty(operatorIpAddress) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: virtualNetwork ? 'Deny' : 'Allow'
      ipRules: empty(operatorIpAddress) ? [] : [{ value: operatorIpAddress }]
    }
  }
}

// Officer, not User: the refresh token is written back when Entra ID rotates it. The vault holds nothing of others.
resource vaultAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, secretsOfficer)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}

resource operatorAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  scope: vault
  name: guid(vault.id, operatorPrincipalId, secretsOfficer)
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}

resource vaultAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'who-read-what'
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

// Logs

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${appName}'
  location: location
  tags: allTags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    workspaceCapping: { dailyQuotaGb: logDailyLimitGb }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${appName}'
  location: location
  tags: allTags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource insightsAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, identity.id, metricsPublisher)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

// The app

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${appName}'
  location: location
  tags: allTags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: appName
  location: location
  // The service in azure.yaml.
  tags: union(allTags, { 'azd-service-name': 'connector' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: { minTlsVersion: '1.2' }
    // Without it Key Vault references use a system-assigned identity, which this app does not have.
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: virtualNetwork ? '${network.id}/subnets/app' : null
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer.name}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: pythonVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyInstances > 0 ? [{ name: 'http', instanceCount: alwaysReadyInstances }] : []
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
  dependsOn: [storageAccess]
}

// Passwords for publishing; deployment signs in with Entra ID.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noPublishingPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

// All settings that python -m shared.settings lists, and the host's own; a test compares. Empty counts as not set.
// They replace what is there, and the app restarts: so the roles come first.
resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union({
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    // Every log line is kept: the host's exporter keeps five traces a second by itself, and drops the lines of the others.
    OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
    OTEL_TRACES_SAMPLER_ARG: '1'
    PYTHON_THREADPOOL_THREAD_COUNT: string(threadCount)
    // Which identity DefaultAzureCredential uses: for the vault, and for Dynamics 365 without an app registration.
    AZURE_CLIENT_ID: identity.properties.clientId
    AZURE_AUTHORITY_HOST: environment().authentication.loginEndpoint
    KEY_VAULT_URL: vault.properties.vaultUri
    CRM: crm
    DRY_RUN: dryRun
    DISPLAY_CHECK_MARK: displayCheckMark
    SYNC_COSELL_OPPORTUNITIES_ONLY: syncCosellOpportunitiesOnly
    DEAL_VALUE_FIELD: dealValueField
    DEAL_VALUE_CURRENCY_FIELD: dealValueCurrencyField
    CUSTOMER_ACCOUNT_COUNTRY_CODE_FIELD: customerAccountCountryCodeField
    ACTIVE_STAGE_NAME: activeStageName
    ON_HOLD_STAGE_NAME: onHoldStageName
    CUSTOMIZE_FILE: customizeFile
    CRM_POLL_SCHEDULE: crmPollSchedule
    SOLUTIONS_SCHEDULE: solutionsSchedule
    AUTO_HEAL_SCHEDULE: autoHealSchedule
    RETRY_FOR_HOURS: retryForHours
    BRAKE_PERCENT: brakePercent
    CRM_DAILY_CALL_BUDGET: crmDailyCallBudget
    PARTNER_CENTER_DAILY_CALL_BUDGET: partnerCenterDailyCallBudget
    PUBLIC_URL: publicUrl
    PARTNER_CENTER_TENANT_ID: partnerCenterTenantId
    PARTNER_CENTER_CLIENT_ID: partnerCenterClientId
    PARTNER_CENTER_CLIENT_SECRET: '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/partner-center-client-secret)'
    PARTNER_CENTER_REFERRALS_URL: partnerCenterReferralsUrl
    PARTNER_CENTER_WEBHOOKS_URL: partnerCenterWebhooksUrl
    PARTNER_CENTER_CERTIFICATE_HOSTS: partnerCenterCertificateHosts
    PARTNER_CENTER_ISSUER_HOSTS: partnerCenterIssuerHosts
    PARTNER_CENTER_TRUSTED_ROOTS: partnerCenterTrustedRoots
    DYNAMICS365_URL: dynamics365Url
    DYNAMICS365_TENANT_ID: dynamics365TenantId
    DYNAMICS365_CLIENT_ID: dynamics365ClientId
    DYNAMICS365_CLIENT_SECRET: needsDynamics365Secret ? '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/dynamics365-client-secret)' : ''
    SALESFORCE_LOGIN_URL: salesforceLoginUrl
    SALESFORCE_CLIENT_ID: salesforceClientId
    SALESFORCE_USERNAME: salesforceUsername
    SALESFORCE_PRIVATE_KEY: needsSalesforceKey ? '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/salesforce-private-key)' : ''
    SALESFORCE_CLIENT_SECRET: needsSalesforceSecret ? '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/salesforce-client-secret)' : ''
  }, otherSettings)
  dependsOn: [storageAccess, vaultAccess, insightsAccess, queues, tables]
}

// Alerts: each counts the rows of its query, over and over, and tells when there are more than it bears

var alerts = [
  {
    name: 'failed-syncs'
    title: 'Deals failed for good'
    todo: 'Open the run history, mend the cause, resubmit.'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    rowsBorne: 0
    query: loadTextContent('queries/failed_syncs.kql')
  }
  {
    name: 'poison'
    title: 'Messages were given up'
    todo: 'The run history says why. What stays in a poison queue is worked off by nobody: look at failed_syncs.'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    rowsBorne: 0
    query: loadTextContent('queries/poison.kql')
  }
  {
    name: 'backlog-age'
    title: 'Deals wait too long'
    todo: 'Normal after a backfill or an outage. Otherwise see the health page for the side that fails.'
    severity: 3
    every: 'PT15M'
    window: 'PT15M'
    rowsBorne: 0
    query: loadTextContent('queries/backlog_age.kql')
  }
  {
    name: 'no-successful-sync'
    title: 'Nothing got through'
    todo: 'See the health page. If it does not answer, the app does not run: look at its functions in the portal.'
    severity: 1
    every: 'PT1H'
    window: silenceAlertAfter
    rowsBorne: 0
    query: loadTextContent('queries/no_successful_sync.kql')
  }
  {
    name: 'webhook-signature-failures'
    title: 'Webhooks without a valid signature'
    todo: 'Many with one code: Microsoft changed its certificates, see PARTNER_CENTER_CERTIFICATE_HOSTS. Otherwise strangers: change the function key.'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    rowsBorne: 5
    query: loadTextContent('queries/webhook_signature_failures.kql')
  }
  {
    name: 'token-failing'
    title: 'A sign-in is refused'
    todo: 'Sign in again (python -m cosell consent), or renew the secret that has expired. Deals wait meanwhile.'
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
    rowsBorne: 0
    query: loadTextContent('queries/token_failing.kql')
  }
  {
    name: 'crm-limit-nearly-used'
    title: 'Daily calls nearly used up'
    todo: 'Only webhooks and sellers\' changes go on beyond 80 %. Raise the limit, or look less often.'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    rowsBorne: 0
    query: loadTextContent('queries/crm_limit_nearly_used.kql')
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: 'ag-${appName}'
  location: 'global'
  tags: allTags
  properties: {
    enabled: true
    groupShortName: 'cosell'
    emailReceivers: [{ name: 'operators', emailAddress: alertEmail, useCommonAlertSchema: true }]
  }
}

resource alertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in alerts: {
  name: '${alert.name}-${appName}'
  location: location
  tags: allTags
  kind: 'LogAlert'
  properties: {
    displayName: 'Co-sell connector ${environmentName}: ${alert.title}'
    description: alert.todo
    severity: alert.severity
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: alert.every
    windowSize: alert.window
    autoMitigate: true
    // A new component has no table of traces yet.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: alert.rowsBorne
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: empty(alertEmail) ? [] : [people.id] }
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // Workbooks are named by an id.
  name: guid(insights.id, 'workbook')
  location: location
  tags: allTags
  kind: 'shared'
  properties: {
    displayName: 'Co-sell connector ${environmentName}'
    category: 'workbook'
    sourceId: insights.id
    serializedData: loadTextContent('workbook.json')
  }
}

// The virtual network, where it is asked for

var privateServices = [
  { name: 'blob', zone: 'privatelink.blob.${environment().suffixes.storage}' }
  { name: 'queue', zone: 'privatelink.queue.${environment().suffixes.storage}' }
  { name: 'table', zone: 'privatelink.table.${environment().suffixes.storage}' }
  { name: 'vault', zone: replace('privatelink${environment().suffixes.keyvaultDns}', '.vault.', '.vaultcore.') }
]

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = if (virtualNetwork) {
  name: 'vnet-${appName}'
  location: location
  tags: allTags
  properties: {
    addressSpace: { addressPrefixes: [virtualNetworkAddresses] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appSubnetAddresses
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointSubnetAddresses
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for service in privateServices: if (virtualNetwork) {
  name: service.zone
  location: 'global'
  tags: allTags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (service, i) in privateServices: if (virtualNetwork) {
  parent: zones[i]
  name: 'link-${suffix}'
  location: 'global'
  tags: allTags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for service in privateServices: if (virtualNetwork) {
  name: 'pe-${service.name}-${appName}'
  location: location
  tags: allTags
  properties: {
    subnet: { id: '${network.id}/subnets/endpoints' }
    privateLinkServiceConnections: [
      {
        name: service.name
        properties: {
          privateLinkServiceId: service.name == 'vault' ? (vault.id) : (storage.id)
          groupIds: [service.name]
        }
      }
    ]
  }
}]

resource endpointNames 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for (service, i) in privateServices: if (virtualNetwork) {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: service.name, properties: { privateDnsZoneId: zones[i].id } }]
  }
}]

// What people need next: docs/deploy.md. Never a secret: outputs are kept in the deployment's history.

@description('Name of the Function App.')
output AZURE_FUNCTION_NAME string = app.name

@description('Address of the app.')
output APP_URL string = 'https://${app.properties.defaultHostName}'

@description('Name of the vault that takes the secrets.')
output KEY_VAULT_NAME string = vault.name

@description('Address of that vault.')
output KEY_VAULT_URL string = vault.properties.vaultUri

@description('Name of the managed identity.')
output IDENTITY_NAME string = identity.name

@description('Client id of the managed identity: the application user of Dynamics 365.')
output IDENTITY_CLIENT_ID string = identity.properties.clientId
