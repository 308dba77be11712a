"""Customising the environment by requests: tables, columns, relationships, alternate keys, publishing.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-metadata
https://learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from sandbox.dataverse import errors
from sandbox.dataverse.delta import ChangeTracking
from sandbox.dataverse.messages import Answer, Request
from sandbox.dataverse.metadata import find_table, read_metadata, table_json
from sandbox.dataverse.metadata_bodies import check_properties, check_type, column_of, label, refused, schema_name
from sandbox.dataverse.rows import Rows
from sandbox.dataverse.schema import Column, KeyIndex, Table, new_table, stable_id

_DEFAULT_PREFIX = "new"
_KEY_TYPES = frozenset({"Decimal", "Integer", "String", "DateTime", "DateOnly", "Lookup", "Picklist"})
_MOST_KEYS, _MOST_KEY_COLUMNS, _MOST_KEY_BYTES = 10, 16, 900
_TABLE_PROPERTIES = frozenset(
    {
        "SchemaName", "DisplayName", "DisplayCollectionName", "Description", "OwnershipType", "IsActivity",
        "HasNotes", "HasActivities", "ChangeTrackingEnabled", "Attributes",
    }
)  # fmt: skip
_RELATIONSHIP_PROPERTIES = frozenset(
    {
        "SchemaName", "ReferencedEntity", "ReferencedAttribute", "ReferencingEntity", "CascadeConfiguration", "Lookup",
        "AssociatedMenuConfiguration", "ReferencedEntityNavigationPropertyName",
        "ReferencingEntityNavigationPropertyName",
    }
)  # fmt: skip
_CASCADES = {
    "Delete": {"Cascade", "RemoveLink", "Restrict"},
    "Merge": {"Cascade", "NoCascade"},
    **{what: {"Cascade", "Active", "UserOwned", "NoCascade"} for what in ("Assign", "Share", "Unshare", "Reparent")},
}


@dataclass
class Metadata:
    """``index_looks``: how often the keys of a table are looked at until a new index is built. ``components`` are what
    went into each solution. ``on_new_table`` is told of tables that were made.

    What a PUT changes is seen once it is published; ``shows_unpublished``: at once, which no page excludes.
    """

    rows: Rows
    tracking: ChangeTracking
    on_new_table: Callable[[Table], None]
    index_looks: int = 2
    shows_unpublished: bool = False
    components: dict[str, list[str]] = field(default_factory=dict)
    unpublished: dict[str, Table] = field(default_factory=dict)

    def answer(self, request: Request, segments: list[str]) -> Answer:
        """A request on ``EntityDefinitions`` or ``RelationshipDefinitions``."""
        first, rest = segments[0], segments[1:]
        if request.method == "GET":
            if first.startswith("EntityDefinitions(") and "Keys" in request.url + request.query:
                self._look_at_keys(find_table(self.rows.schema, first))
            return read_metadata(self.rows.schema, request, segments)
        if request.method == "PATCH":
            raise errors.not_allowed(request.method)
        if request.method == "PUT" and first.startswith("EntityDefinitions(") and not rest:
            return self._replace_table(request, find_table(self.rows.schema, first))
        makers: Mapping[tuple[str, ...], Callable[[Request, Table], Answer]] = {
            ("Attributes",): self._make_column,
            ("Keys",): self._make_key,
        }
        if request.method == "POST" and segments == ["EntityDefinitions"]:
            return self._make_table(request)
        if request.method == "POST" and segments == ["RelationshipDefinitions"]:
            return self._make_relationship(request)
        if request.method == "POST" and first.startswith("EntityDefinitions(") and tuple(rest) in makers:
            return makers[tuple(rest)](request, find_table(self.rows.schema, first))
        raise errors.not_allowed(request.method)

    def publish(self, request: Request) -> Answer:
        """``PublishXml``: what was changed of the tables that the XML names is in force."""
        try:
            root = ElementTree.fromstring(str(request.json().get("ParameterXml")))
        except ElementTree.ParseError:
            raise refused("The ParameterXml is not valid XML.") from None
        names = [str(one.text) for one in root.findall("./entities/entity")]
        if root.tag != "importexportxml" or not all(name in self.rows.schema.tables for name in names):
            raise refused("The ParameterXml names an entity that does not exist.")
        return self._put_in_force(names)

    def publish_all(self, _: Request) -> Answer:
        return self._put_in_force(list(self.unpublished))

    def _put_in_force(self, names: list[str]) -> Answer:
        for name in names:
            if self.unpublished.pop(name, None):
                self.rows.schema.change_tracking(name, enabled=True)
                self.tracking.expire_tokens(name)
        return Answer(204)

    def reactivate(self, request: Request) -> Answer:
        """``ReactivateEntityKey``: the index of a key that failed is built once more."""
        body = request.json()
        table = self.rows.schema.tables.get(str(body.get("EntityLogicalName")))
        for name, index in (table.unbuilt_keys if table else {}).items():
            if table and name.lower() == body.get("EntityKeyLogicalName") and index.status == "Failed":
                self._put_key(table, name, replace(index, status="Pending", looks=self.index_looks))
                return Answer(204)
        raise refused("Only a key whose index creation has failed can be reactivated.", "0x8006088f")

    def _make_table(self, request: Request) -> Answer:
        body, prefix = request.json(), self._prefix(request)
        check_type(body, "EntityMetadata")
        needed = {"SchemaName", "DisplayName", "DisplayCollectionName", "OwnershipType", "HasNotes", "HasActivities"}
        check_properties(body, _TABLE_PROPERTIES, needed | {"Attributes"}, "EntityMetadata")
        name = schema_name(body, prefix)
        if name.lower() in self.rows.schema.tables:
            raise refused(f"An entity with the specified name {name} already exists. Specify a unique name.")
        if body["OwnershipType"] not in {"UserOwned", "OrganizationOwned"}:
            raise refused(f"The ownership type '{body['OwnershipType']}' is not valid for a custom entity.")
        primary = [one for one in body["Attributes"] if one.get("IsPrimaryName") is True]
        if len(primary) != 1 or len(body["Attributes"]) != 1:
            raise refused("The entity needs exactly one attribute, whose IsPrimaryName is true.")
        column = column_of(primary[0], prefix)
        if column.type != "String" or column.format != "Text":
            raise refused("The primary name attribute must be a String in the format Text.")
        table = new_table(
            schema_name=name,
            label=label(body, "DisplayName"),
            label_plural=label(body, "DisplayCollectionName"),
            primary=column,
            is_owned=body["OwnershipType"] == "UserOwned",
            change_tracking=bool(body.get("ChangeTrackingEnabled")),
        )
        self.rows.schema.tables[table.name] = table
        self.rows.add_table(table.name)
        self.on_new_table(table)
        return self._made(request, f"EntityDefinitions({table.metadata_id})", f"table {table.name}")

    def _make_column(self, request: Request, table: Table) -> Answer:
        column = column_of(request.json(), self._prefix(request))
        if column.type == "Lookup":
            raise refused("Attributes of the type Lookup are created with their relationship.")
        self._add_column(table, column)
        path = f"EntityDefinitions({table.metadata_id})/Attributes({stable_id('column', table.name, column.name)})"
        return self._made(request, path, f"column {column.name} of {table.name}")

    def _add_column(self, table: Table, column: Column) -> None:
        if column.name in table.columns:
            message = f"An attribute with the specified name {column.name} already exists for entity {table.name}."
            raise refused(message, "0x80047013")
        self.rows.schema.put_column(table.name, column)
        # A change of metadata expires the tokens.
        self.tracking.expire_tokens(table.name)

    def _make_relationship(self, request: Request) -> Answer:
        body, prefix, tables = request.json(), self._prefix(request), self.rows.schema.tables
        check_type(body, "OneToManyRelationshipMetadata")
        needed = {"SchemaName", "ReferencedEntity", "ReferencingEntity", "Lookup"}
        check_properties(body, _RELATIONSHIP_PROPERTIES, needed, "OneToManyRelationshipMetadata")
        name, (parent, child) = schema_name(body, prefix), (body["ReferencedEntity"], body["ReferencingEntity"])
        for end in (parent, child):
            if end not in tables:
                raise refused(f"The entity with a name = '{end}' was not found in the MetadataCache.", "0x80041102")
        if self.rows.schema.collection(parent, name):
            raise refused(f"A relationship with the specified name {name} already exists. Specify a unique name.")
        cascade = body.get("CascadeConfiguration") or {}
        if any(value not in _CASCADES.get(what, ()) for what, value in cascade.items()):
            raise refused("The CascadeConfiguration has a value that is not valid.")
        lookup = column_of(body["Lookup"], prefix)
        single = body.get("ReferencingEntityNavigationPropertyName") or lookup.schema_name
        collection = body.get("ReferencedEntityNavigationPropertyName") or name
        made = replace(
            lookup,
            navigation={parent: single},
            collection={parent: collection},
            cascade_delete=cascade.get("Delete") == "Cascade",
        )
        if lookup.type != "Lookup":
            raise refused("The Lookup of a relationship must be a LookupAttributeMetadata.")
        self._add_column(tables[child], made)
        path = f"RelationshipDefinitions({stable_id('relationship', name)})"
        return self._made(request, path, f"relationship {name}")

    def _make_key(self, request: Request, table: Table) -> Answer:
        body = request.json()
        check_properties(body, {"SchemaName", "KeyAttributes", "DisplayName"}, {"SchemaName", "KeyAttributes"}, "Key")
        name, members = schema_name(body, self._prefix(request)), tuple(body["KeyAttributes"])
        label(body, "DisplayName")
        keys = {one.lower() for one in (*table.keys, *table.unbuilt_keys)}
        if name.lower() in keys:
            message = f"A key with the specified name {name} already exists for entity {table.name}."
            raise refused(message, "0x80060893")
        columns = [table.columns.get(member) for member in members]
        if not members or None in columns or any(column and column.type not in _KEY_TYPES for column in columns):
            raise refused("A key can only be made of existing attributes of the supported types.", "0x8006088f")
        size = sum(2 * (column.max_length or 8) for column in columns if column)
        if len(members) > _MOST_KEY_COLUMNS or size > _MOST_KEY_BYTES or len(keys) >= _MOST_KEYS:
            raise refused("The key is too large, or the entity has the maximum number of keys.", "0x8006088f")
        self._put_key(table, name, KeyIndex(members, "Pending", self.index_looks))
        path = f"EntityDefinitions({table.metadata_id})/Keys({stable_id('key', table.name, name)})"
        return self._made(request, path, f"key {name.lower()} of {table.name}")

    def _put_key(self, table: Table, name: str, index: KeyIndex) -> None:
        self.rows.schema.put_keys(table.name, table.keys, {**table.unbuilt_keys, name: index})

    def _look_at_keys(self, table: Table) -> None:
        """An index that is looked at often enough is built, or fails where rows have the same values."""
        built, unbuilt = dict(table.keys), dict(table.unbuilt_keys)
        for name, index in table.unbuilt_keys.items():
            if index.status == "Failed":
                continue
            unbuilt[name] = replace(index, status="In Progress", looks=index.looks - 1)
            if index.looks <= 0 and self._has_duplicates(table, index.columns):
                unbuilt[name] = replace(index, status="Failed")
            elif index.looks <= 0:
                built[name] = index.columns
                del unbuilt[name]
        self.rows.schema.put_keys(table.name, built, unbuilt)

    def _has_duplicates(self, table: Table, columns: tuple[str, ...]) -> bool:
        values = ([row.values.get(column) for column in columns] for row in self.rows.of(table.name))
        seen = Counter(str(one).casefold() for one in values if None not in one)
        return any(count > 1 for count in seen.values())

    def _replace_table(self, request: Request, table: Table) -> Answer:
        """Replaces the definition: what the body leaves out is lost, and so are labels in languages other than its own
        unless they are merged. Nobody wants either, so both are refused here."""
        body, shown = request.json(), table_json(table)
        check_type(body, "EntityMetadata")
        if request.headers.get("MSCRM.MergeLabels") != "true":
            raise refused("Without MSCRM.MergeLabels: true, labels in other languages would be lost.")
        for name, value in shown.items():
            if name != "ChangeTrackingEnabled" and body.get(name) != value:
                raise refused(
                    f"A PUT replaces the whole definition, and {name} of {table.name} would change or be lost."
                )
        wanted = body.get("ChangeTrackingEnabled")
        if table.change_tracking and wanted is not True:
            raise refused(f"Change tracking of {table.name} cannot be disabled once it is enabled.")
        if wanted is True and not table.change_tracking:
            self.unpublished[table.name] = table
            if self.shows_unpublished:
                self.rows.schema.change_tracking(table.name, enabled=True)
        self._prefix(request)
        return Answer(204)

    def _prefix(self, request: Request) -> str:
        """The prefix of the publisher whose solution the request names."""
        solution = request.headers.get("MSCRM.SolutionUniqueName")
        if solution is None:
            return _DEFAULT_PREFIX
        for row in self.rows.of("solution"):
            if row.values["uniquename"] == solution:
                if row.values["ismanaged"]:
                    raise refused(f"The solution {solution} is managed: components cannot be added to it.")
                publisher = self.rows.follow(row.reference("publisherid"))
                return str(publisher.values["customizationprefix"]) if publisher else _DEFAULT_PREFIX
        raise refused(f"The solution {solution} was not found.", "0x80040217")

    def _made(self, request: Request, path: str, what: str) -> Answer:
        self.note(request, what)
        return Answer(204, headers={"OData-EntityId": request.root + path})

    def note(self, request: Request, what: str) -> None:
        """``what`` goes into the solution that the request names."""
        solution = request.headers.get("MSCRM.SolutionUniqueName")
        if solution is not None:
            self.components.setdefault(solution, []).append(what)
