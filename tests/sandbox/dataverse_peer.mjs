// The Dataverse simulator through the eyes of dynamics-web-api, a client written by others.
// Takes the address of the environment; prints what it saw as one JSON object.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../sandbox/package.json", import.meta.url));
const { DynamicsWebApi } = require("dynamics-web-api");

const api = new DynamicsWebApi({
  serverUrl: process.argv[2],
  dataApi: { version: "9.2" },
  onTokenRefresh: async () => "good",
  propagateErrors: true,
});
const seen = {};

const select = ["name", "estimatedvalue"];
const id = await api.create({ collection: "opportunities", data: { name: "Contoso rollout", estimatedvalue: 1200.5 } });
const row = await api.retrieve({ collection: "opportunities", key: id, select });
seen.retrieved = { name: row.name, estimatedvalue: row.estimatedvalue };
const stale = row["@odata.etag"];
await api.update({ collection: "opportunities", key: id, data: { name: "Contoso rollout 2" }, ifmatch: stale });
try {
  await api.update({ collection: "opportunities", key: id, data: { name: "lost update" }, ifmatch: stale });
} catch (error) {
  seen.stale = { status: error.status, message: error.message };
}

const key = "msft_microsoftpartnercenterreferralidentifier='7f3d0a52'";
const upsert = (name) =>
  api.upsert({ collection: "opportunities", key, data: { name }, returnRepresentation: true, select: ["name"] });
seen.upserted = [await upsert("Fabrikam first"), await upsert("Fabrikam second")].map((found) => found.name);
await api.create({ collection: "opportunities", data: { name: "Adatum" } });

let page = await api.retrieveMultiple({ collection: "opportunities", select: ["name"], maxPageSize: 2 });
seen.pages = [page.value.length];
while (page.oDataNextLink) {
  page = await api.retrieveMultiple({ collection: "opportunities", maxPageSize: 2 }, page.oDataNextLink);
  seen.pages.push(page.value.length);
}

let changes = await api.retrieveMultiple({ collection: "opportunities", select: ["name"], trackChanges: true });
seen.fullRead = changes.value.map((found) => found.name);
await api.deleteRecord({ collection: "opportunities", key: id });
const added = await api.create({ collection: "opportunities", data: { name: "Woodgrove" } });
changes = await api.retrieveMultiple({ collection: "opportunities" }, changes.oDataDeltaLink);
seen.delta = changes.value.map((found) => (found.reason ? [found.reason, found.id === id] : found.name));
changes = await api.retrieveMultiple({ collection: "opportunities" }, changes.oDataDeltaLink);
seen.nothingNew = changes.value;

api.startBatch();
api.create({ collection: "accounts", data: { name: "Northwind" }, contentId: "1" });
api.create({
  collection: "opportunities",
  data: { name: "Northwind deal", "customerid_account@odata.bind": "$1" },
  contentId: "2",
});
api.create({
  collection: "msft_microsoftpartnercentersolutions",
  data: { msft_name: "Contoso CRM", "msft_OpportunityId@odata.bind": "$2" },
});
const made = await api.executeBatch();
const deal = await api.retrieve({
  collection: "opportunities",
  key: made[1],
  select: ["name"],
  expand: [
    { property: "customerid_account", select: ["name"] },
    { property: "msft_opportunity_microsoftpartnercentersolution", select: ["msft_name"] },
  ],
});
seen.batch = [
  deal.customerid_account.name,
  deal.msft_opportunity_microsoftpartnercentersolution.map((solution) => solution.msft_name),
];

api.startBatch();
api.create({ collection: "accounts", data: { name: "Never" } });
api.create({ collection: "accounts", data: { nosuchcolumn: 1 } });
try {
  await api.executeBatch();
} catch (error) {
  seen.failedBatch = error.map((one) => one.status ?? "made");
}

await api.callAction({
  actionName: "WinOpportunity",
  action: {
    Status: 3,
    OpportunityClose: { subject: "won", "opportunityid@odata.bind": `opportunities(${added})` },
  },
});
const won = await api.retrieve({
  collection: "opportunities",
  key: added,
  select: ["statuscode"],
  includeAnnotations: "OData.Community.Display.V1.FormattedValue",
});
seen.won = won.statuscode_Formatted;
console.log(JSON.stringify(seen));
