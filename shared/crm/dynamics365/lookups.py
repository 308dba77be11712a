"""What has to be known before a write: is the record there, which account, contact and owner fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.answers import Response
from shared.crm.dynamics365.batch import Part
from shared.crm.dynamics365.layout import Layout
from shared.crm.dynamics365.values import moment, quoted
from shared.crm.port import AccountCandidate, ContactCandidate, Prepared
from shared.domain.errors import Rejected
from shared.domain.record import NewRecord
from shared.domain.values import Person

_MAX_CANDIDATES = 50


def by_referral(layout: Layout, referral_id: str) -> str:
    """The path that finds the record of a referral, whether or not the environment has an alternate key.

    A filter, because a key that is not found would be an error and end the whole batch.
    """
    column = layout.mapping.columns.referral_id
    return f"{layout.table.entity_set}?$filter={column} eq {quoted(referral_id)}&{layout.query}".replace(" ", "%20")


def only_row(answer: Response, layout: Layout, referral_id: str) -> Mapping[str, Any] | None:
    """The one row of a look-up by referral. Two of them are a ``Rejected``: a person must choose."""
    rows = rows_of(answer)
    if len(rows) > 1:
        ids = ", ".join(str(row[layout.table.primary_id]) for row in rows[:5])
        raise Rejected(
            f"{len(rows)} records of Dynamics 365 name the referral {referral_id}: {ids}",
            field=layout.mapping.columns.referral_id,
            code="duplicate_records",
            remedy="Clear the referral identifier on all but one of them.",
            service="Dynamics 365",
        )
    return rows[0] if rows else None


def rows_of(answer: Response) -> Sequence[Mapping[str, Any]]:
    rows = answer.json_object().get("value")
    if not isinstance(rows, list):
        raise answer.unreadable("JSON of another shape than documented")
    return rows


class PreparingQuery:
    """One batch of reads before a create: ``parts`` to send, ``parse`` the answers in the same order."""

    def __init__(self, layout: Layout, new: NewRecord) -> None:
        self._layout = layout
        self._new = new
        self._contacts = contact_part(layout, new.values.get("@contacts") or ())
        self._owners = owner_part(layout, new.values.get("@team") or ())
        self._accounts = account_part(layout, new.account.match) if new.account else None

    def parts(self) -> list[Part]:
        existing = Part("GET", by_referral(self._layout, self._new.referral_id), f"{self._layout.kind}.find")
        return [existing, *(part for part in (self._accounts, self._contacts, self._owners) if part)]

    def parse(self, answers: Sequence[Response]) -> Prepared:
        existing, *others = answers
        row = only_row(existing, self._layout, self._new.referral_id)
        rest = iter(others)
        return Prepared(
            existing=self._layout.record(row) if row else None,
            accounts=accounts(self._layout, next(rest)) if self._accounts else (),
            contacts=contacts(self._layout, next(rest)) if self._contacts else (),
            owners=owners(self._layout, next(rest)) if self._owners else {},
        )


def account_part(layout: Layout, match: Mapping[str, Any]) -> Part | None:
    """Active accounts equal in every column; Dataverse compares text without case. Oldest first."""
    if not any(match.values()):
        return None
    conditions = [_equals(column, value) for column, value in match.items()]
    return _query(
        layout.account_table.entity_set,
        "account.find",
        ["statecode eq 0", *conditions],
        f"$select={layout.account_table.primary_id},name,createdon",
        f"$orderby=createdon asc&$top={_MAX_CANDIDATES}",
    )


def contact_part(layout: Layout, people: Sequence[Person]) -> Part | None:
    """Active contacts with the e-mail address of the first of ``people``: the only one a record has room for."""
    table = layout.tables.contacts
    if table is None or not people or not people[0].email:
        return None
    contacts = layout.schema.tables[table.table]
    parent = _parent_property(layout)
    return _query(
        contacts.entity_set,
        "contact.find",
        ["statecode eq 0", _equals(table.email, people[0].email)],
        f"$select={','.join((contacts.primary_id, table.email, *([parent] if parent else [])))}",
        f"$top={_MAX_CANDIDATES}",
    )


def owner_part(layout: Layout, team: Sequence[Person]) -> Part | None:
    """Enabled users among ``team``."""
    table = layout.tables.team
    addresses = [person.email for person in team if person.email]
    if table is None or not addresses:
        return None
    users = layout.schema.tables[table.table]
    return _query(
        users.entity_set,
        "user.find",
        ["isdisabled eq false", f"({' or '.join(_equals(table.email, address) for address in addresses)})"],
        f"$select={users.primary_id},{table.email}",
        f"$top={_MAX_CANDIDATES}",
    )


def accounts(layout: Layout, answer: Response) -> tuple[AccountCandidate, ...]:
    primary_id = layout.account_table.primary_id
    return tuple(
        AccountCandidate(str(row[primary_id]).lower(), row.get("name") or "", moment(row["createdon"]))
        for row in rows_of(answer)
    )


def contacts(layout: Layout, answer: Response) -> tuple[ContactCandidate, ...]:
    table = layout.tables.contacts
    if table is None:
        return ()
    primary_id = layout.schema.tables[table.table].primary_id
    parent = _parent_property(layout)
    return tuple(
        ContactCandidate(str(row[primary_id]).lower(), row.get(table.email) or "", row.get(parent))
        for row in rows_of(answer)
    )


def _parent_property(layout: Layout) -> str:
    """The property that holds the id of a contact's account; blank where contacts have none."""
    table = layout.tables.contacts
    lookup = layout.schema.tables[table.table].lookup(table.parent) if table else None
    return lookup.id_property if lookup else ""


def owners(layout: Layout, answer: Response) -> dict[str, str]:
    table = layout.tables.team
    if table is None:
        return {}
    primary_id = layout.schema.tables[table.table].primary_id
    return {str(row[table.email]).casefold(): str(row[primary_id]).lower() for row in rows_of(answer)}


def _equals(column: str, value: Any) -> str:
    if value is None or value == "":
        return f"({column} eq null or {column} eq '')"
    return f"{column} eq {quoted(str(value))}"


def _query(entity_set: str, operation: str, conditions: Sequence[str], *options: str) -> Part:
    query = "&".join((f"$filter={' and '.join(conditions)}", *options))
    return Part("GET", f"{entity_set}?{query}".replace(" ", "%20"), operation)
