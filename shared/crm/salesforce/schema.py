"""What of the fields and objects an org lacks, and the commands of Salesforce's own program that install them.

Metadata are deployed by the ``sf`` program, which knows how to convert and roll back:
https://developer.salesforce.com/docs/atlas.en-us.sfdx_cli_reference.meta/sfdx_cli_reference/cli_reference_project_commands_unified.htm
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from shared.crm.salesforce.auth import SERVICE
from shared.crm.salesforce.describe import Schema
from shared.crm.salesforce.diagnosis import Org, schema_query
from shared.crm.salesforce.objects import Objects, read_objects
from shared.crm.salesforce.rest_api import RestApi
from shared.domain.crm_schema import SchemaDifference
from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.domain.record import RecordKind

EVERYTHING = ("--source-dir", "force-app")
BESIDE_PACKAGE = ("--manifest", "manifest/beside-microsofts-package.xml")
DEFAULT_TARGET = "cosell"
_CUSTOM = "__c"


class SalesforceSchema:
    """The fields and objects of one org. ``api`` is ``None`` where the settings do not reach it, and ``unseen`` says
    why. ``target`` is the alias under which the ``sf`` program is signed in."""

    name = SERVICE

    def __init__(
        self,
        api: RestApi | None,
        mapping: CrmMapping,
        folder: str,
        *,
        target: str = "",
        unseen: str = "",
        kinds: Collection[RecordKind] = tuple(RecordKind),
    ) -> None:
        self._api = api
        self._mapping = mapping
        self._objects = read_objects(mapping)
        self._folder = folder
        self._target = target or DEFAULT_TARGET
        self._unseen = unseen
        self._kinds = kinds

    def declared(self) -> tuple[str, ...]:
        lines = []
        for kind, record in self._mapping.records.items():
            definition = self._objects.of(kind)
            paths = (*record.crm_paths, *record.columns.model_dump().values())
            custom = dict.fromkeys(path for path in paths if isinstance(path, str) and path.endswith(_CUSTOM))
            lines += [f"field {path} of {definition.object if definition else kind}" for path in custom]
        for part in (self._objects.solutions, self._objects.solution_details):
            lines += [f"object {part.object}"] if part else []
        return (*lines, "permission set Co_sell_Connector", "permission set Co_sell_Seller")

    def difference(self) -> SchemaDifference:
        if self._api is None:
            return self._with_commands(EVERYTHING, unseen=self._unseen)
        query = schema_query(self._mapping, self._objects, self._kinds)
        schema = query.parse(self._api.composite("schema.read", query.parts(), all_or_none=False))
        org = Org(self._mapping, self._kinds, self._objects, {}, schema, None)
        missing = (*dict.fromkeys(org.missing()), *self._not_unique(schema))
        if not missing:
            return SchemaDifference(by_hand=self._by_hand())
        what = BESIDE_PACKAGE if self._has_package(schema, self._objects) else EVERYTHING
        return self._with_commands(what, missing=missing)

    def install(self, progress: Callable[[str], None]) -> SchemaDifference:
        raise ConfigurationError(
            "Salesforce takes fields and objects from its own program alone",
            code="run_commands",
            remedy="Run the commands that were printed, or add --run.",
            service=SERVICE,
        )

    def _not_unique(self, schema: Schema) -> Iterator[str]:
        for kind, record in self._mapping.records.items():
            definition = self._objects.of(kind) if kind in self._kinds else None
            found = schema.objects.get(definition.object) if definition else None
            field = found.field(record.columns.referral_id) if found else None
            if found and field and not field.unique:
                yield f"uniqueness of {field.name} of {found.name}"

    def _has_package(self, schema: Schema, objects: Objects) -> bool:
        """Microsoft's package: its table of solutions is there. What it brings must not be deployed over it."""
        return bool(objects.solutions and objects.solutions.object in schema.objects)

    def _with_commands(
        self, what: tuple[str, str], *, missing: tuple[str, ...] = (), unseen: str = ""
    ) -> SchemaDifference:
        deploy = ("sf", "project", "deploy", "start", "--target-org", self._target, *what)
        return SchemaDifference(
            missing=missing,
            by_hand=self._by_hand(),
            commands=((*deploy, "--dry-run"), deploy),
            folder=self._folder,
            unseen=unseen,
        )

    def _by_hand(self) -> tuple[str, ...]:
        assign = f"sf org assign permset --target-org {self._target} --name"
        return (
            f"Give the integration user its permissions: {assign} Co_sell_Connector --on-behalf-of <its user name>",
            f"Give each seller theirs: {assign} Co_sell_Seller --on-behalf-of <user name>",
        )
