"""What of a Dynamics 365 environment the connector needs is there: one ``$batch`` of reads, and what its answers mean.

https://learn.microsoft.com/power-platform/admin/manage-application-users and
https://learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.answers import Response
from shared.crm.dynamics365.batch import Part
from shared.crm.dynamics365.errors import INSTALL_SCHEMA, RULES
from shared.crm.dynamics365.metadata import Schema, SchemaQuery, Table
from shared.crm.dynamics365.paths import resolve, schema_query
from shared.crm.dynamics365.stages import StatusReasons
from shared.crm.dynamics365.tables import Tables
from shared.crm.dynamics365.web_api import SERVICE, WebApi
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.domain.mapping import CrmMapping
from shared.domain.record import RecordKind

SIGN_IN = f"{SERVICE} sign-in"
COLUMNS = f"{SERVICE} columns"
KEY = f"{SERVICE} alternate key"
CURRENCIES = f"{SERVICE} currencies"
STAGES = f"{SERVICE} stages"
TRACKING = f"{SERVICE} change tracking"
SALES_TEAM = f"{SERVICE} sales team"

_APPLICATION_USER = (
    "Check DYNAMICS365_URL and the credentials, and that the app is an application user of that environment with the "
    "connector's security role (Power Platform admin center, Environments, Settings, Application users)."
)
_UNIQUE = "until then records are looked up by referral under a lock"


@dataclass(frozen=True)
class Environment:
    """What the mapping asks of the environment, and what there is. ``keys``: table to alternate key to its status."""

    mapping: CrmMapping
    tables: Tables
    stage_names: Mapping[str, str]
    schema: Schema
    keys: Mapping[str, Mapping[str, str]]

    def records(self) -> Iterator[tuple[RecordKind, str, Table | None]]:
        """Kind of record, the name of its table, and the table, if it is there."""
        for kind in self.mapping.records:
            definition = self.tables.of(kind)
            name = definition.table if definition else kind.value
            yield kind, name, self.schema.tables.get(name)


def diagnose(api: WebApi, mapping: CrmMapping, tables: Tables, stage_names: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every finding, in one call."""
    records = [definition.table for kind in mapping.records if (definition := tables.of(kind))]
    query = schema_query(tables, records)
    try:
        who, *described = api.batch("diagnose", [Part("GET", "WhoAmI", "who_am_i"), *query.parts()], tolerate=(404,))
        environment = Environment(mapping, tables, stage_names, query.parse(described), _keys(query, described))
        user = str(who.json_object().get("UserId", "unknown"))
    except ConnectorError as error:
        return _unreachable(error)
    signed_in = Finding(SIGN_IN, Condition.OK, f"Signed in as user {user}.")
    looks = (columns, alternate_keys, currencies, stages, tracking, sales_team)
    return (signed_in, *(look(environment) for look in looks))


def columns(environment: Environment) -> Finding:
    """Tables, columns and lookups of the mapping."""
    missing: list[str] = []
    for kind, name, table in environment.records():
        definition = environment.tables.of(kind)
        if table is None or definition is None:
            missing.append(f"table {name}")
        else:
            mapping = environment.mapping.records[kind]
            missing += resolve(mapping, definition, environment.tables, environment.schema).missing
    if missing:
        return Finding(COLUMNS, Condition.FAILED, f"Missing: {'; '.join(dict.fromkeys(missing))}.", INSTALL_SCHEMA)
    count = sum(len(record.crm_paths) for record in environment.mapping.records.values())
    return Finding(COLUMNS, Condition.OK, f"All {count} columns and sets of the field mapping are there.")


def alternate_keys(environment: Environment) -> Finding:
    """The key over the referral identifier, which forbids a second record of one referral. Without it: a warning."""
    wrong = []
    for kind, name, _ in environment.records():
        definition = environment.tables.of(kind)
        wanted = definition.alternate_key.lower() if definition else ""
        status = environment.keys.get(name, {}).get(wanted)
        if not wanted:
            wrong.append(f"the mapping names none for {name}")
        elif status is None:
            wrong.append(f"{name} has no key {wanted}")
        elif status != "Active":
            wrong.append(f"the index of key {wanted} of {name} is {status}")
    if not wrong:
        return Finding(KEY, Condition.OK, "The key over the referral identifier is there, and its index is built.")
    remedy = (
        "Install the key (python -m cosell schema apply, from infra/dynamics365); if its index failed, remove rows "
        "with the same referral identifier and run it again: it reactivates the key."
    )
    return Finding(KEY, Condition.WARNING, f"{_sentence(wrong)}; {_UNIQUE}.", remedy)


def currencies(environment: Environment) -> Finding:
    active = sorted(currency.iso_code for currency in environment.schema.currencies if currency.is_active)
    if not active:
        remedy = "Add the currencies of your deals in the Power Platform admin center."
        return Finding(CURRENCIES, Condition.FAILED, "There is no active currency.", remedy)
    return Finding(CURRENCIES, Condition.OK, f"Deals can be in {', '.join(active)}; one in another waits for a person.")


def stages(environment: Environment) -> Finding:
    """Status reasons of opportunities that the stages are named after."""
    found = [table for kind, _, table in environment.records() if kind is RecordKind.OPPORTUNITY and table]
    status = found[0].columns.get("statuscode") if found else None
    if status is None:
        return Finding(STAGES, Condition.UNKNOWN, "Opportunities have no status reason to look at.", INSTALL_SCHEMA)
    missing = list(StatusReasons(environment.stage_names, status).missing())
    if missing:
        remedy = "Set ACTIVE_STAGE_NAME and ON_HOLD_STAGE_NAME, or [stages] in customize.toml, to existing ones."
        return Finding(STAGES, Condition.FAILED, f"Missing: {'; '.join(missing)}.", remedy)
    names = ", ".join(f"{stage.replace('_', ' ')}: {name}" for stage, name in environment.stage_names.items())
    return Finding(STAGES, Condition.OK, f"The status reasons are there ({names}).")


def tracking(environment: Environment) -> Finding:
    """Without it no change in the CRM is ever seen."""
    names = [name for _, name, _ in environment.records()]
    names += [environment.tables.solutions.table] if environment.tables.solutions else []
    found = {name: environment.schema.tables.get(name) for name in dict.fromkeys(names)}
    off = [name for name, table in found.items() if table is not None and not table.tracks_changes]
    if off:
        return Finding(TRACKING, Condition.FAILED, f"Off for {', '.join(off)}.", RULES["0x80072491"].remedy)
    return Finding(TRACKING, Condition.OK, f"On for {', '.join(name for name, table in found.items() if table)}.")


def sales_team(environment: Environment) -> Finding:
    """The role in which people of a referral's team join the sales team. Without it: a warning."""
    table = environment.tables.sales_team
    if table is None:
        return Finding(SALES_TEAM, Condition.OK, "Not mapped: of a referral's team the CRM has the owner only.")
    if table.new_role.casefold() not in environment.schema.roles:
        remedy = (
            "Create the connection role with the category Sales Team, or set new_role under [adapter.sales_team] in "
            "customize.toml to one that is there."
        )
        what = f"There is no active connection role {table.new_role!r} of the category Sales Team"
        return Finding(SALES_TEAM, Condition.WARNING, f"{what}; of a referral's team only the owner comes in.", remedy)
    return Finding(SALES_TEAM, Condition.OK, f"People of a referral's team join the sales team as {table.new_role}.")


def _unreachable(error: ConnectorError) -> tuple[Finding, ...]:
    remedy = f"{error.remedy} {_APPLICATION_USER}".strip() if error.status in (401, 403) else error.remedy
    unseen = "Not looked at, because Dynamics 365 could not be asked."
    others = (COLUMNS, KEY, CURRENCIES, STAGES, TRACKING, SALES_TEAM)
    return (
        Finding(SIGN_IN, Condition.FAILED, error.message, remedy or _APPLICATION_USER),
        *(Finding(name, Condition.UNKNOWN, unseen) for name in others),
    )


def _keys(query: SchemaQuery, answers: Sequence[Response]) -> dict[str, dict[str, str]]:
    """The status of every alternate key by table and, in lower case, by either of its names."""
    found: dict[str, dict[str, str]] = {}
    for part, answer in zip(query.parts(), answers, strict=True):
        table, _, facet = part.operation.rpartition(".")
        if facet == "definition" and answer.status == 200:
            found[table] = {
                str(key.get(name)).lower(): str(key.get("EntityKeyIndexStatus"))
                for key in answer.json_object().get("Keys") or ()
                for name in ("LogicalName", "SchemaName")
            }
    return found


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]
