"""Insert, update, upsert, delete and undelete, with what the org does of itself.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_basic_info.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.automation import Automation
from sandbox.salesforce.payloads import matching, parse_body
from sandbox.salesforce.presenting import url_of
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.rules import (
    OrgRules,
    check_row,
    settle_address,
    settle_amount,
    settle_currency,
    settle_name,
    settle_stage,
)
from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.values import Value, from_json


class SeveralMatches(errors.SalesforceError):
    """An external id that more than one row has: the answer is 300 with their addresses, and nothing is written."""

    def __init__(self, rows: list[Row], field: str, version: str) -> None:
        ids = ", ".join(row.id for row in rows)
        message = f"{field}: more than one record found for external id field: [{ids}]"
        super().__init__(300, "DUPLICATE_EXTERNAL_ID", message, [])
        self.urls = [url_of(row, version) for row in rows]

    def body(self) -> list[Any]:
        return self.urls


@dataclass
class Writer:
    """All writes of one user. ``through_api`` false: a person in the user interface, whom no field is hidden from.

    ``insist`` saves in spite of duplicate rules that allow it.
    """

    rows: Rows
    rules: OrgRules
    automation: Automation
    user_id: str
    version: str = ""
    through_api: bool = True
    insist: bool = False

    def create(self, sobject: SObject, body: Mapping[str, Any]) -> Row:
        if self.through_api and not sobject.create:
            raise errors.operation_not_allowed(sobject.name, "insert")
        sent = parse_body(self.rows, sobject, body, creating=True, all_fields=not self.through_api)
        same = self.automation.same_team_member(sobject, sent)
        return self._change(sobject, same, sent) if same else self.insert(sobject, sent)

    def insert(self, sobject: SObject, sent: Mapping[str, Value]) -> Row:
        """A row with the values ``sent``, which are in the store's own form, and all that follows from them."""
        whole = self.rows.schema.objects[sobject.name]
        values: dict[str, Value] = {name: field.default for name, field in whole.fields.items()}
        if whole.owner:
            values["OwnerId"] = self.user_id
        row_id = self.rows.mint.next(whole.prefix)
        # A null that is sent does not undo a default that the row cannot be without.
        values |= {name: value for name, value in sent.items() if value is not None}
        values |= {"Id": row_id, "CreatedDate": self.rows.stamp, "CreatedById": self.user_id}
        self.automation.default_values(whole, values)
        return self._save(whole, row_id, values, sent, None)

    def update(self, sobject: SObject, row: Row, body: Mapping[str, Any]) -> Row:
        if self.through_api and not sobject.update:
            raise errors.operation_not_allowed(sobject.name, "update")
        sent = parse_body(self.rows, sobject, body, creating=False, all_fields=not self.through_api)
        return self._change(sobject, row, sent)

    def _change(self, sobject: SObject, row: Row, sent: Mapping[str, Value]) -> Row:
        whole = self.rows.schema.objects[sobject.name]
        if row.values.get("IsConverted") and sobject.name == "Lead":
            raise errors.lead_converted()
        values = {**row.values, **sent}
        for name, field in whole.fields.items():
            # A checkbox is never null.
            if field.type == "boolean" and values[name] is None:
                values[name] = False
        return self._save(whole, row.id, values, sent, row)

    def _save(
        self, sobject: SObject, row_id: str, values: dict[str, Value], sent: Mapping[str, Value], before: Row | None
    ) -> Row:
        parents = [values[name] for name, field in sobject.fields.items() if field.cascade]
        self.rules.check_lock(row_id, *parents)
        values |= {"LastModifiedDate": self.rows.stamp, "LastModifiedById": self.user_id}
        settle_name(sobject, values)
        for prefix in sobject.country:
            settle_address(sobject, prefix, values, sent)
        check_row(self.rows, sobject, row_id, values, sent)
        settle_currency(self.rows, sobject, values, sent, before)
        if sobject.name == "Opportunity":
            settle_stage(self.rows, values, sent, before)
            settle_amount(values, before)
        self.rules.check_validations(self.rows, sobject, Row(sobject.name, row_id, values))
        row = self.rows.put(sobject.name, row_id, values)
        if before is None:
            self.rules.check_duplicates(self.rows, row, self.version, insist=self.insist)
        self.automation.after_save(self, row, before)
        return self.rows.find(sobject.name, row_id) or row

    def upsert(self, sobject: SObject, field: Field, value: str, body: Mapping[str, Any]) -> tuple[Row, bool]:
        """The row, and whether it is new.

        https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
        """
        repeated = next((name for name in body if name.casefold() == field.name.casefold()), None)
        if repeated is not None:
            raise errors.external_id_in_body(repeated)
        found = matching(self.rows, sobject, field, value)
        if len(found) > 1:
            raise SeveralMatches(found, field.name, self.version)
        if found:
            return self.update(sobject, found[0], body), False
        from_json(field, value)
        return self.create(sobject, {**body, field.name: value}), True

    def delete(self, sobject: SObject, row: Row) -> None:
        """The row is gone, and so are those that belong to it; other references to it are blank."""
        if self.through_api and not sobject.delete:
            raise errors.operation_not_allowed(sobject.name, "delete")
        self.rules.check_lock(row.id)
        self._delete(sobject, row, self.rows.next_deletion())

    def _delete(self, sobject: SObject, row: Row, deletion: int) -> None:
        for child, reference in self.rows.schema.references_to(sobject.name):
            for other in self.rows.of(child.name):
                if other.values.get(reference.name) != row.id:
                    continue
                if reference.cascade:
                    self._delete(child, other, deletion)
                else:
                    self.rows.derive(other, {reference.name: None})
        self.rows.delete(sobject, row, deletion)
        self.automation.after_delete(self, row)

    def undelete(self, row: Row) -> None:
        for back in self.rows.undelete(row):
            self.automation.after_save(self, back, None)

    def existing(self, sobject: SObject, row_id: str) -> Row:
        """The row to write; deleted and never there are told apart."""
        row = self.rows.find(sobject.name, row_id)
        if row is None:
            raise errors.row_to_write_not_found()
        if row.is_deleted:
            raise errors.row_deleted()
        return row
