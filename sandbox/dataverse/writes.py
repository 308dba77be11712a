"""Create, update, upsert and delete, with what the platform does of itself.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import RowAddress, find_row
from sandbox.dataverse.payloads import parse_payload
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.rules import check_keys, check_required, settle_money, settle_name, settle_status
from sandbox.dataverse.schema import Table
from sandbox.dataverse.security import Security
from sandbox.dataverse.values import Reference, Value, new_id, timestamp

_WITH_CLOSED_STATES = frozenset({"opportunity", "lead"})


@dataclass
class Writer:
    """All writes of one caller. ``on_behalf_of``: the real caller, where ``caller_id`` is impersonated.

    Without ``security`` everything is allowed.
    """

    rows: Rows
    caller_id: str
    root: str
    closed_rows_read_only: bool = False
    on_behalf_of: str | None = None
    security: Security | None = None

    def create(self, table: Table, body: Mapping[str, Any], *, row_id: str | None = None) -> Row:
        if not table.creatable:
            message = f"The 'Create' method does not support entities of type '{table.name}'."
            raise errors.DataverseError(400, "0x80040800", message)
        payload = parse_payload(self.rows, table, body, self.root, creating=True)
        self._check("Create", table, None, payload.values)
        for lookup, parent, parent_body in payload.parents:
            payload.values[lookup.name] = Reference(parent.name, self.create(parent, parent_body).id)
        row = self.insert(table, payload.values, row_id=row_id)
        for lookup, child, child_body in payload.children:
            self._create_child(child, child_body, lookup.name, row)
        return row

    def _create_child(self, child: Table, body: Mapping[str, Any], lookup: str, parent: Row) -> None:
        payload = parse_payload(self.rows, child, body, self.root, creating=True)
        self.insert(child, {**payload.values, lookup: Reference(parent.table, parent.id)})

    def insert(self, table: Table, sent: Mapping[str, Value], *, row_id: str | None = None) -> Row:
        """A row with the values ``sent``, which are in the store's own form, and all that follows from them."""
        now = timestamp(self.rows.clock())
        chosen = row_id or sent.get(table.primary_id)
        new_row_id = chosen if isinstance(chosen, str) else new_id()
        if self.rows.find(table.name, new_row_id):
            raise errors.duplicate_id()
        values: dict[str, Value] = {name: column.default for name, column in table.columns.items()}
        if "ownerid" in table.columns:
            values["ownerid"] = Reference("systemuser", self.caller_id)
        values |= {**sent, table.primary_id: new_row_id}
        values |= {"createdon": sent.get("overriddencreatedon") or now, "modifiedon": now}
        values |= self._actors("createdby", "createdonbehalfby") | self._actors("modifiedby", "modifiedonbehalfby")
        return self._put(table, new_row_id, values, sent, None)

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        table = self.rows.schema.tables[row.table]
        sent = parse_payload(self.rows, table, body, self.root, creating=False).values
        self._check("Write", table, row, sent)
        return self.change(row, sent)

    def change(self, row: Row, sent: Mapping[str, Value], *, by_action: bool = False) -> Row:
        """``row`` with the values ``sent``; ``by_action`` lifts the rules that only hold for plain writes."""
        table = self.rows.schema.tables[row.table]
        values = {**row.values, **sent, "modifiedon": timestamp(self.rows.clock())}
        values |= self._actors("modifiedby", "modifiedonbehalfby")
        if by_action:
            return self._put(table, row.id, values, None, row)
        was_closed = table.name in _WITH_CLOSED_STATES and row.values["statecode"] != 0
        reopens = was_closed and sent.get("statecode") == 0
        if was_closed and not reopens and self.closed_rows_read_only:
            raise errors.opportunity_closed() if table.name == "opportunity" else errors.lead_closed()
        if values.get("isrevenuesystemcalculated") and "estimatedvalue" in sent:
            values["estimatedvalue"] = row.values["estimatedvalue"]
        if reopens and table.name == "opportunity":
            values |= {"actualclosedate": None, "actualvalue": None}
            self._cancel_closes(row)
        return self._put(table, row.id, values, sent, row)

    def _put(
        self, table: Table, row_id: str, values: dict[str, Value], sent: Mapping[str, Value] | None, current: Row | None
    ) -> Row:
        if sent is not None:
            settle_status(table, values, sent, current)
        settle_money(self.rows, table, values)
        settle_name(table, values)
        if "ownerid" in table.columns:
            values["owninguser"] = values["ownerid"]
        check_required(table, values)
        check_keys(self.rows, table, row_id, values)
        return self.rows.put(table.name, row_id, values)

    def upsert(self, address: RowAddress, body: Mapping[str, Any]) -> tuple[Row, bool]:
        """The row, and whether it is new. A new row takes key columns from the body first, an old one never."""
        row = find_row(self.rows, address)
        if row is not None:
            return self.update(row, {name: value for name, value in body.items() if name not in address.key}), False
        if address.id is not None:
            return self.create(address.table, body, row_id=address.id), True
        with_key = {address.table.columns[name].property_name: value for name, value in address.key.items()}
        return self.create(address.table, {**with_key, **body}), True

    def delete(self, row: Row) -> None:
        """The row is gone, and so are those that belong to it; other lookups to it are blank."""
        self._check("Delete", self.rows.schema.tables[row.table], row)
        for table, lookup in self.rows.schema.lookups_to(row.table):
            for other in self.rows.of(table.name):
                if other.values.get(lookup.name) != Reference(row.table, row.id):
                    continue
                if lookup.cascade_delete:
                    self.delete(other)
                else:
                    self.rows.put(table.name, other.id, {**other.values, lookup.name: None})
        self.rows.delete(row)

    def _cancel_closes(self, opportunity: Row) -> None:
        """Reopening an opportunity cancels the activity that closed it.

        https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunityclose
        """
        for close in self.rows.of("opportunityclose"):
            if close.reference("opportunityid") == Reference("opportunity", opportunity.id):
                for verb in ("Read", "Write"):
                    self._check(verb, self.rows.schema.tables[close.table], close)
                self.change(close, {"statecode": 2, "statuscode": 3}, by_action=True)

    def _check(self, verb: str, table: Table, row: Row | None, sent: Mapping[str, Value] | None = None) -> None:
        """Raises the 403 where the caller may not do that, or not set the lookups among ``sent``."""
        if self.security:
            self.security.check(self.caller_id, verb, table, row=row)
            self.security.check_links(self.caller_id, table, (sent or {}).items(), row)

    def _actors(self, by: str, on_behalf: str) -> dict[str, Value]:
        """An impersonated user is the author; the real caller is the delegate.

        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/impersonate-another-user-web-api
        """
        real = Reference("systemuser", self.on_behalf_of) if self.on_behalf_of else None
        return {by: Reference("systemuser", self.caller_id), on_behalf: real}
