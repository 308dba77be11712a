"""What of an org the connector needs is there: one composite request of reads, and what its answers mean.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from shared.crm.port import ApiUsage
from shared.crm.salesforce.auth import SERVICE
from shared.crm.salesforce.describe import Schema, SchemaQuery
from shared.crm.salesforce.errors import INSTALL_SCHEMA
from shared.crm.salesforce.objects import LeadObject, Objects
from shared.crm.salesforce.places import OrgCurrency, resolve
from shared.crm.salesforce.rest_api import RestApi
from shared.crm.salesforce.stages import LeadStatuses, OpportunityStages
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.domain.mapping import CrmMapping
from shared.domain.record import RecordKind

SIGN_IN = f"{SERVICE} sign-in"
FIELDS = f"{SERVICE} fields"
KEY = f"{SERVICE} unique referral identifier"
CURRENCIES = f"{SERVICE} currencies"
STAGES = f"{SERVICE} stages"
CALLS = f"{SERVICE} API calls"

_NEARLY_USED_UP_PERCENT = 80
_APPROVE = (
    "Check the SALESFORCE_ settings, and that the connected app is approved for the connector's user, who needs the "
    "permission set of infra/salesforce."
)


@dataclass(frozen=True)
class Org:
    """What the mapping asks of the org, and what there is."""

    mapping: CrmMapping
    kinds: Collection[RecordKind]
    objects: Objects
    stage_names: Mapping[str, str]
    schema: Schema
    usage: ApiUsage | None

    def missing(self) -> Iterator[str]:
        for kind, record in self.mapping.records.items():
            definition = self.objects.of(kind) if kind in self.kinds else None
            if definition and definition.object not in self.schema.objects:
                yield f"object {definition.object}"
            elif definition:
                yield from resolve(record, definition, self.objects.around(kind, record), self.schema).missing


def schema_query(mapping: CrmMapping, objects: Objects, kinds: Collection[RecordKind]) -> SchemaQuery:
    names = (
        name
        for kind, record in mapping.records.items()
        if kind in kinds
        for name in objects.around(kind, record).names(kind)
    )
    return SchemaQuery(tuple(dict.fromkeys(names)))


def diagnose(
    api: RestApi,
    mapping: CrmMapping,
    objects: Objects,
    stage_names: Mapping[str, str],
    kinds: Collection[RecordKind],
    usage: Callable[[], ApiUsage | None],
) -> tuple[Finding, ...]:
    """Every finding, in one call."""
    query = schema_query(mapping, objects, kinds)
    try:
        schema = query.parse(api.composite("diagnose", query.parts(), all_or_none=False))
    except ConnectorError as error:
        return _unreachable(error)
    org = Org(mapping, kinds, objects, stage_names, schema, usage())
    signed_in = Finding(SIGN_IN, Condition.OK, "Signed in, and the API answers.")
    return (signed_in, *(look(org) for look in (fields, unique_identifier, currencies, stages, calls)))


def fields(org: Org) -> Finding:
    """Objects, fields and child rows of the mapping, as far as the connector's user may see them."""
    if missing := list(dict.fromkeys(org.missing())):
        return Finding(FIELDS, Condition.FAILED, f"Missing: {'; '.join(missing)}.", INSTALL_SCHEMA)
    count = sum(len(record.crm_paths) for kind, record in org.mapping.records.items() if kind in org.kinds)
    return Finding(FIELDS, Condition.OK, f"All {count} fields and sets of the field mapping are there.")


def unique_identifier(org: Org) -> Finding:
    """A unique referral identifier forbids a second record of one referral. Microsoft's package does not make it so."""
    wrong = []
    for kind, record in org.mapping.records.items():
        definition = org.objects.of(kind) if kind in org.kinds else None
        found = org.schema.objects.get(definition.object) if definition else None
        field = found.field(record.columns.referral_id) if found else None
        if found and field and not field.unique:
            wrong.append(f"{field.name} of {found.name}")
    if not wrong:
        return Finding(KEY, Condition.OK, "The org itself forbids a second record of one referral.")
    return Finding(
        KEY,
        Condition.WARNING,
        f"Not unique: {', '.join(wrong)}; until then records are looked up by referral under a lock.",
        "Tick 'Do not allow duplicate values' for the field in Setup, Object Manager.",
    )


def currencies(org: Org) -> Finding:
    record = org.mapping.records.get(RecordKind.OPPORTUNITY)
    definition = org.objects.of(RecordKind.OPPORTUNITY)
    active = sorted(org.schema.currencies)
    if not active and record and definition and definition.object in org.schema.objects:
        places = resolve(record, definition, org.objects.around(RecordKind.OPPORTUNITY, record), org.schema).by_path
        active = [place.code for place in places.values() if isinstance(place, OrgCurrency)]
    if not active:
        remedy = 'Write [adapter.org] currency = "..." into customize.toml, as in Setup, Company Information.'
        return Finding(CURRENCIES, Condition.FAILED, "The org has one currency, and does not say which.", remedy)
    return Finding(CURRENCIES, Condition.OK, f"Deals can be in {', '.join(active)}; one in another waits for a person.")


def stages(org: Org) -> Finding:
    """Stages of opportunities, and statuses of leads, that the mapping and the settings name."""
    missing = list(OpportunityStages(org.stage_names, org.schema.stages).missing())
    lead = org.objects.lead
    if isinstance(lead, LeadObject) and RecordKind.LEAD in org.kinds and RecordKind.LEAD in org.mapping.records:
        missing += LeadStatuses(lead.statuses, org.schema.statuses).missing()
    if missing:
        remedy = "Set ACTIVE_STAGE_NAME and ON_HOLD_STAGE_NAME, or [stages] in customize.toml, to existing ones."
        return Finding(STAGES, Condition.FAILED, f"Missing: {'; '.join(missing)}.", remedy)
    names = ", ".join(f"{stage.replace('_', ' ')}: {name}" for stage, name in org.stage_names.items())
    return Finding(STAGES, Condition.OK, f"The stages are there ({names}).")


def calls(org: Org) -> Finding:
    """How much of the org's daily allowance is used up, by whomever."""
    usage = org.usage
    if usage is None:
        return Finding(CALLS, Condition.UNKNOWN, "Salesforce did not say how many API calls the org has used.")
    said = f"{usage.used:,} of {usage.most:,} API calls of the last 24 hours are used ({usage.percent} %)."
    if usage.percent < _NEARLY_USED_UP_PERCENT:
        return Finding(CALLS, Condition.OK, said)
    remedy = "Find out in Setup, System Overview, who uses them; CRM_DAILY_CALL_BUDGET limits the connector's part."
    return Finding(CALLS, Condition.WARNING, said, remedy)


def _unreachable(error: ConnectorError) -> tuple[Finding, ...]:
    remedy = f"{error.remedy} {_APPROVE}".strip() if error.status in (400, 401, 403) else error.remedy
    unseen = "Not looked at, because Salesforce could not be asked."
    return (
        Finding(SIGN_IN, Condition.FAILED, error.message, remedy or _APPROVE),
        *(Finding(name, Condition.UNKNOWN, unseen) for name in (FIELDS, KEY, CURRENCIES, STAGES, CALLS)),
    )
