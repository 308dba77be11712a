"""What has to be known before a write: is the record there, which account, contact, users and solutions fit. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.answers import Response
from shared.crm.port import AccountCandidate, ContactCandidate, Prepared
from shared.crm.salesforce import soql
from shared.crm.salesforce.composite import Part
from shared.crm.salesforce.describe import records
from shared.crm.salesforce.layout import Layout, Row
from shared.crm.salesforce.places import actual_field
from shared.crm.salesforce.values import moment, plain_text
from shared.domain.converters import cut
from shared.domain.errors import Rejected
from shared.domain.record import NewRecord
from shared.domain.values import Person, Solution

_MAX_CANDIDATES = 50
_MAX_ASKED = 100


@dataclass(frozen=True)
class PreparedHere(Prepared):
    """``details``: solution identifier in lower case to the id of its row of *Microsoft Solution Details*."""

    details: Mapping[str, str] = field(default_factory=dict)


NOTHING = PreparedHere(existing=None, accounts=())


def details_in(prepared: Prepared) -> Mapping[str, str]:
    return prepared.details if isinstance(prepared, PreparedHere) else {}


@dataclass(frozen=True)
class LookUp:
    """One composite request of reads: ``parts`` to send, ``parse`` the answers in the same order.

    ``own`` is the query for the record itself. At most five queries go into one request.
    """

    layout: Layout
    own: Part
    people: Sequence[Person] = ()
    team: Sequence[Person] = ()
    solutions: Sequence[Solution] = ()
    match: Mapping[str, Any] = field(default_factory=dict)

    def _asked(self) -> dict[str, Part | None]:
        return {
            "accounts": account_part(self.layout, self.match),
            "contacts": contact_part(self.layout, self.people),
            "owners": user_part(self.layout, self.team),
            "details": detail_part(self.layout, self.solutions),
        }

    def parts(self) -> list[Part]:
        return [self.own, *(part for part in self._asked().values() if part)]

    def parse(self, answers: Sequence[Response]) -> tuple[list[dict[str, Any]], PreparedHere]:
        """The rows of the record itself, and what was found for it."""
        own, *others = answers
        rest = iter(others)
        found = {name: records(next(rest)) for name, part in self._asked().items() if part}
        layout = self.layout
        return records(own), PreparedHere(
            existing=None,
            accounts=_accounts(found.get("accounts", ())),
            contacts=_contacts(layout, found.get("contacts", ())),
            owners=_owners(layout, found.get("owners", ())),
            details=_details(layout, found.get("details", ())),
        )


def look_up_for(layout: Layout, new: NewRecord) -> LookUp:
    values = new.values
    return LookUp(
        layout,
        by_referral(layout, new.referral_id),
        values.get("@contacts") or (),
        values.get("@team") or (),
        values.get("@solutions") or (),
        new.account.match if new.account else {},
    )


def by_referral(layout: Layout, referral_id: str) -> Part:
    condition = soql.equals(layout.mapping.columns.referral_id, plain_text(referral_id))
    query = layout.query.where(condition, order=("CreatedDate", "Id"), limit=_MAX_CANDIDATES)
    return Part("GET", soql.path_of(query), f"{layout.kind}.find")


def by_id(layout: Layout, record_id: str) -> Part:
    return Part("GET", soql.path_of(layout.query.where(soql.equals("Id", record_id))), f"{layout.kind}.get")


def by_reference(layout: Layout, reference: str) -> Part:
    """The record that another part of the same request makes."""
    return Part("GET", soql.path_of(layout.query.where(soql.equals_reference("Id", reference))), f"{layout.kind}.get")


def only_row(rows: Sequence[dict[str, Any]], layout: Layout, referral_id: str) -> dict[str, Any] | None:
    """The one row of a look-up by referral. Two of them are a ``Rejected``: a person must choose."""
    if len(rows) > 1:
        ids = ", ".join(str(row["Id"]) for row in rows[:5])
        raise Rejected(
            f"{len(rows)} records of Salesforce name the referral {referral_id}: {ids}",
            field=layout.mapping.columns.referral_id,
            code="duplicate_records",
            remedy="Clear the referral identifier on all but one of them.",
            service="Salesforce",
        )
    return rows[0] if rows else None


def account_part(layout: Layout, match: Mapping[str, Any]) -> Part | None:
    """Accounts equal in every field; Salesforce compares text without case. Oldest first."""
    if not any(match.values()):
        return None
    account = layout.target(layout.objects.account.object)
    conditions = []
    for column, value in match.items():
        found = actual_field(account, column)
        text = None if value is None else plain_text(cut(str(value), found.max_length if found else None)).strip()
        conditions.append(soql.equals(found.name if found else column, text))
    return _query(account.name, ("Id", "Name", "CreatedDate"), soql.both(*conditions), "account.find")


def contact_part(layout: Layout, people: Sequence[Person]) -> Part | None:
    """Contacts with the e-mail address of the first of ``people``: the only one that is a record's contact."""
    contacts = layout.objects.contacts
    if contacts is None or not people or not people[0].email:
        return None
    columns = ("Id", contacts.email, contacts.account, "CreatedDate")
    return _query(contacts.object, columns, soql.equals(contacts.email, people[0].email), "contact.find")


def user_part(layout: Layout, team: Sequence[Person]) -> Part | None:
    """Active users among ``team``, without those of portals and of Salesforce itself."""
    users = layout.objects.team
    addresses = list(dict.fromkeys(person.email for person in team if person.email))[:_MAX_ASKED]
    if users is None or not addresses:
        return None
    conditions = [soql.equals("IsActive", True), soql.one_of(users.email, addresses)]
    if layout.target(users.object).field("UserType"):
        conditions.append(soql.equals("UserType", "Standard"))
    return _query(users.object, ("Id", users.email, "CreatedDate"), soql.both(*conditions), "user.find")


def detail_part(layout: Layout, solutions: Sequence[Solution]) -> Part | None:
    """Rows of *Microsoft Solution Details* with the identifiers of ``solutions``."""
    details = layout.objects.solution_details if layout.objects.solutions else None
    identifiers = list(dict.fromkeys(one.id.strip() for one in solutions if one.key))[:_MAX_ASKED]
    if details is None or not identifiers:
        return None
    condition = soql.one_of(details.id, identifiers)
    return _query(details.object, ("Id", details.id, "CreatedDate"), condition, "solution_detail.find", _MAX_ASKED * 2)


def _query(source: str, columns: Sequence[str], condition: str, operation: str, limit: int = _MAX_CANDIDATES) -> Part:
    query = soql.select(source, columns, where=condition, order=("CreatedDate", "Id"), limit=limit)
    return Part("GET", soql.path_of(query), operation)


def _accounts(rows: Sequence[Row]) -> tuple[AccountCandidate, ...]:
    return tuple(AccountCandidate(str(row["Id"]), row.get("Name") or "", moment(row["CreatedDate"])) for row in rows)


def _contacts(layout: Layout, rows: Sequence[Row]) -> tuple[ContactCandidate, ...]:
    contacts = layout.objects.contacts
    if contacts is None:
        return ()
    return tuple(
        ContactCandidate(str(row["Id"]), row.get(contacts.email) or "", row.get(contacts.account)) for row in rows
    )


def _owners(layout: Layout, rows: Sequence[Row]) -> dict[str, str]:
    """The oldest user of an address counts; the connector's own user is nobody's colleague."""
    users, found = layout.objects.team, dict[str, str]()
    for row in rows if users else ():
        if users and str(row["Id"]) != layout.own_user_id:
            found.setdefault(str(row[users.email]).casefold(), str(row["Id"]))
    return found


def _details(layout: Layout, rows: Sequence[Row]) -> dict[str, str]:
    details, found = layout.objects.solution_details, dict[str, str]()
    for row in rows if details else ():
        if details:
            found.setdefault(str(row[details.id]).strip().casefold(), str(row["Id"]))
    return found


def known_contact(person: Person, prepared: Prepared, account_id: str | None) -> str | None:
    """The id of the contact of that account with the person's e-mail address."""
    wanted = person.email.casefold()
    fitting = (
        one.id
        for one in prepared.contacts
        if account_id and wanted and one.email.casefold() == wanted and one.account_id == account_id
    )
    return next(fitting, None)
