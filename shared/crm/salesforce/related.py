"""The rows around a record, of an update: its account, contact role, team and solutions. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.crm.port import Prepared
from shared.crm.salesforce.composite import Part, changing, id_of, inserting, removing
from shared.crm.salesforce.describe import CURRENCY_FIELD
from shared.crm.salesforce.layout import Layout, Row
from shared.crm.salesforce.lookups import details_in, known_contact
from shared.crm.salesforce.places import RelatedField
from shared.crm.salesforce.values import plain_text, to_json
from shared.domain.converters import cut
from shared.domain.errors import Rejected
from shared.domain.record import Record, RecordChange
from shared.domain.sets import by_key
from shared.domain.values import Person, Solution


@dataclass(frozen=True)
class Rows:
    """New rows under the record ``record_id``, whose amounts are in ``currency``. ``details`` as in a look-up."""

    layout: Layout
    record_id: str
    currency: Any
    details: Mapping[str, str]

    def members(self, user_ids: Iterable[str]) -> list[Part]:
        """Members of the record's team, where the org has teams."""
        team = self.layout.objects.team
        sobject = self.layout.sobject.children.get(team.members) if team else None
        if sobject is None:
            return []
        bodies = ({"OpportunityId": self.record_id, "UserId": user_id} for user_id in user_ids)
        return [inserting(sobject, body, "team.create") for body in bodies]


@dataclass
class Sets:
    """What an update of sets means: for the record's own row, and for other rows."""

    body: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)


def draft_sets(layout: Layout, record: Record, change: RecordChange, prepared: Prepared, row: Row) -> Sets:
    """``row`` is the record as it was just read, with its child rows."""
    sets = Sets(parts=_account_fields(layout, change.values, row))
    if "@contacts" in change.values:
        sets.parts += _contact(layout, record, change.values["@contacts"] or (), prepared, row)
    if "@team" in change.values:
        _team(layout, sets, record, change.values["@team"] or (), prepared, row)
    if "@solutions" in change.values:
        sets.parts += _solutions(layout, record, change.values, prepared, row)
    return sets


def _account_fields(layout: Layout, values: Mapping[str, Any], row: Row) -> list[Part]:
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    for path, value in values.items():
        place = layout.places.by_path.get(path)
        if not isinstance(place, RelatedField):
            continue
        related_id = row.get(place.lookup.name)
        if not related_id:
            raise Rejected(
                f"{path} cannot be written: the record has no {place.target.name}",
                field=path,
                code="no_related_row",
                remedy=f"Choose the {place.target.name} on the record.",
                service="Salesforce",
            )
        target = (place.target.name, str(related_id))
        bodies.setdefault(target, {})[place.field.name] = to_json(place.field, value)
    return [changing(name, row_id, body, f"{name.lower()}.update") for (name, row_id), body in bodies.items()]


def _contact(layout: Layout, record: Record, people: Sequence[Person], prepared: Prepared, row: Row) -> list[Part]:
    """The first of ``people`` is the primary contact; former ones keep their role, as other contacts of the deal."""
    contacts = layout.objects.contacts
    if contacts is None:
        return []
    roles = layout.rows(row, contacts.roles)
    role_object = layout.sobject.children[contacts.roles]
    if not people:
        primary = [role for role in roles if role.get("IsPrimary")]
        return [changing(role_object, role["Id"], {"IsPrimary": False}, "contact_role.update") for role in primary]
    lookup = layout.sobject.reference(layout.mapping.account.lookup) if layout.mapping.account else None
    account_id = row.get(lookup.name) if lookup else None
    body = layout.person_body(contacts, layout.target(contacts.object), people[0])
    known = known_contact(people[0], prepared, account_id)
    if known is None:
        parent = {contacts.account: account_id} if account_id else {}
        part = inserting(contacts.object, {**body, **parent}, "contact.create", "contact")
        return [part, _new_role(role_object, record, id_of("contact"))]
    update = changing(contacts.object, known, body, "contact.update")
    role = next((one for one in roles if one.get("ContactId") == known), None)
    if role is None:
        return [update, _new_role(role_object, record, known)]
    return [update, changing(role_object, role["Id"], {"IsPrimary": True}, "contact_role.update")]


def _new_role(role_object: str, record: Record, contact_id: str) -> Part:
    body = {"OpportunityId": record.id, "ContactId": contact_id, "IsPrimary": True}
    return inserting(role_object, body, "contact_role.create")


def _team(layout: Layout, sets: Sets, record: Record, team: Sequence[Person], prepared: Prepared, row: Row) -> None:
    """The first user of the team owns the record, the others are its members. Where nobody is a user, all stays."""
    definition = layout.objects.team
    addresses = (person.email.casefold() for person in team)
    wanted = list(dict.fromkeys(prepared.owners[one] for one in addresses if one in prepared.owners))
    if definition is None or not wanted:
        return
    if row.get("OwnerId") != wanted[0]:
        sets.body["OwnerId"] = wanted[0]
    members = layout.sobject.children.get(definition.members)
    if members is None:
        return
    present = {str(one["UserId"]): str(one["Id"]) for one in layout.rows(row, definition.members)}
    rows = Rows(layout, record.id, None, {})
    sets.parts += rows.members(user_id for user_id in wanted[1:] if user_id not in present)
    gone = present.keys() - set(wanted) - {layout.own_user_id}
    sets.parts += [removing(members, present[user_id], "team.delete") for user_id in sorted(gone)]


def _solutions(layout: Layout, record: Record, values: Mapping[str, Any], prepared: Prepared, row: Row) -> list[Part]:
    """Rows are added, changed and removed so that they are ``values["@solutions"]``; others stay untouched.

    Of a row that stays, quantity and price are written. Its name is the catalogue's, which is no deal's to change.
    """
    definition = layout.objects.solutions
    if definition is None:
        return []
    wanted = by_key(values["@solutions"] or ())
    kept: set[str] = set()
    removed: list[Part] = []
    changed: list[Part] = []
    for child, solution in layout.solutions(row):
        if solution.key not in wanted or solution.key in kept:
            removed.append(removing(definition.object, child["Id"], "solution.delete"))
            continue
        kept.add(solution.key)
        target = wanted[solution.key]
        if (solution.quantity, solution.price) != (target.quantity, target.price):
            changed.append(changing(definition.object, child["Id"], _terms(layout, target), "solution.update"))
    currency = layout.currency_in(values) or layout.currency_in(record.values)
    rows = Rows(layout, record.id, currency, details_in(prepared))
    added = add_solutions(rows, (one for key, one in wanted.items() if key not in kept))
    # Additions first: without any solution, Microsoft's package takes the deal out of the sync.
    return [*added, *changed, *removed]


def add_solutions(rows: Rows, solutions: Iterable[Solution]) -> list[Part]:
    """New solution rows, and rows of the catalogue for solutions that it does not have yet."""
    layout = rows.layout
    definition, details = layout.objects.solutions, layout.objects.solution_details
    if definition is None or details is None:
        return []
    catalogue: list[Part] = []
    added: list[Part] = []
    for number, solution in enumerate(solutions):
        detail_id = rows.details.get(solution.key)
        if detail_id is None:
            name = f"detail{number}"
            catalogue.append(inserting(details.object, _detail(layout, solution), "solution_detail.create", name))
            detail_id = id_of(name)
        body = {definition.parent: rows.record_id, definition.detail: detail_id, **_terms(layout, solution)}
        if rows.currency and layout.target(definition.object).has_currency:
            body[CURRENCY_FIELD] = rows.currency
        added.append(inserting(definition.object, body, "solution.create"))
    return [*catalogue, *added]


def _terms(layout: Layout, solution: Solution) -> dict[str, Any]:
    definition = layout.objects.solutions
    if definition is None:
        return {}
    fields = layout.target(definition.object)
    terms = ((definition.quantity, solution.quantity), (definition.price, solution.price))
    return {field.name: to_json(field, value) for name, value in terms if (field := fields.field(name))}


def _detail(layout: Layout, solution: Solution) -> dict[str, Any]:
    details = layout.objects.solution_details
    if details is None:
        return {}
    fields = layout.target(details.object)
    name = fields.field(details.name)
    shown = cut(solution.name or solution.id, name.max_length if name else None)
    return {details.id: plain_text(solution.id.strip()), details.name: plain_text(shown)}
