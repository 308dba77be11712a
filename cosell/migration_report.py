"""What a migration found and did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.adopt import Difference, Ending
from shared.domain.values import Person, Solution
from shared.sync.adopt import Adopted, Candidate, Survey

MOST_SHOWN = 50
"""Deals of one kind in the text; ``--json`` has them all."""
_VALUE_CHARACTERS = 40
_ENDINGS: Mapping[Ending, str] = {
    Ending.PARTNER_CENTER: "Partner Center's goes to the CRM",
    Ending.CRM: "the CRM's goes to Partner Center",
    Ending.BOTH: "both are put together",
    Ending.WAITS: "waits for a person, or for the record to be active and synced",
    Ending.STAYS: "stays as it is",
}
_ENDINGS_OF_SETS = {
    **_ENDINGS,
    Ending.PARTNER_CENTER: "what Partner Center has is added in the CRM",
    Ending.CRM: "what the CRM has is added in Partner Center",
}


def flows_that_write(crm: str) -> tuple[str, ...]:
    """Microsoft's flows that write to Partner Center, parents first, as they are to be turned off.

    https://learn.microsoft.com/partner-center/referrals/connector-dynamics and connector-salesforce
    """
    return (
        f"{crm} Opportunity to Partner Center",
        f"{crm} Microsoft Solutions to Partner Center",
        f"{crm} Leads to Partner Center",
        "Auto-heal of Microsoft Partner Center synchronization details",
        f"{crm} to Partner Center",
        f"Create Co-sell Referral - {crm} to Partner Center",
    )


def flows_that_listen(crm: str) -> tuple[str, ...]:
    """Those that the webhook starts: idle, and to be turned off, once it was taken over."""
    return (
        f"Partner Center to {crm}",
        f"Partner Center Microsoft Co-sell Referral Updates to {crm}",
        f"Partner Center to {crm} - Helper",
        f"[Customize] Create or Get Details from {crm}",
        "Partner Center Webhook Registration",
    )


def report_text(found: Survey, crm: str) -> str:
    """What there is to take over: counts, then every deal in which something differs or is in doubt."""
    differing = [one for one in found.candidates if one.link is not None and one.differences]
    unusable = [one for one in found.candidates if one.link is None]
    agreeing = len(found.candidates) - len(differing) - len(unusable)
    lines = [
        f"Deals linked between Partner Center and {crm}:",
        f"  {agreeing:>6,} agree on both sides",
        f"  {len(differing):>6,} differ in some field",
        f"  {len(unusable):>6,} cannot be taken over yet",
        f"  {found.known:>6,} were taken over before, or synced by this app already",
    ]
    lines += _section("What differs, and what the first sync does about it", [_differing(one) for one in differing])
    lines += _section("Cannot be taken over yet; mend it and run this again", [_unusable(one) for one in unusable])
    lines += _section(
        "In doubt: left alone, nothing is created for them",
        [
            f"  {'referral ' + ', '.join(one.referral_ids)}{_records(one.record_ids)}\n    {one.what}. {one.remedy}"
            for one in found.unpaired
        ],
    )
    if found.alone:
        lines.append(f"\nReferrals without a record: {found.alone:,}. Auto-heal, webhooks or `backfill` take them in.")
    if found.unshared:
        ids = ", ".join(record.id for record in found.unshared[:MOST_SHOWN])
        lines.append(
            f"\nOpportunities that are switched to sync and name no referral: {len(found.unshared):,}. The app shares "
            f"them at its first look at the CRM; if one must not be shared, switch it off first: {ids}"
        )
    return "\n".join(lines)


def deals(count: int) -> str:
    return f"{count:,} deal{'' if count == 1 else 's'}"


def done_text(done: Adopted) -> str:
    lines = [f"{deals(done.adopted)} taken over; neither side was written to."]
    if done.busy:
        lines.append(f"{done.busy:,} were being synced just then. Run this again to see what became of them.")
    return "\n".join([*lines, *done.refused])


def flows_text(names: Sequence[str], when: str) -> str:
    return "\n".join([when, *(f"  {number}. {name}" for number, name in enumerate(names, start=1))])


def report_document(found: Survey, crm: str) -> dict[str, Any]:
    """Everything that was found; personal values are left out."""
    kinds = Counter("differ" if one.differences else "agree" for one in found.candidates if one.link is not None)
    unusable = [one for one in found.candidates if one.link is None]
    return {
        "crm": crm,
        "agree": kinds["agree"],
        "differ": kinds["differ"],
        "known": found.known,
        "without_record": found.alone,
        "differences": [
            {**_deal(one), "fields": [_field(difference) for difference in one.differences]}
            for one in found.candidates
            if one.link is not None and one.differences
        ],
        "problems": [{**_deal(one), "problem": one.problem} for one in unusable],
        "in_doubt": [
            {
                "doubt": one.doubt.value,
                "referrals": list(one.referral_ids),
                "records": list(one.record_ids),
                "what": one.what,
                "remedy": one.remedy,
            }
            for one in found.unpaired
        ],
        "to_be_shared": [record.id for record in found.unshared],
    }


def _section(heading: str, deals: Sequence[str]) -> list[str]:
    if not deals:
        return []
    more = len(deals) - MOST_SHOWN
    return [
        f"\n{heading}:",
        *deals[:MOST_SHOWN],
        *([f"  ... and {more:,} more: --json has them all."] if more > 0 else []),
    ]


def _differing(one: Candidate) -> str:
    rows = [f"    {difference.label}: {_both(difference)} -> {_ending(difference)}" for difference in one.differences]
    return "\n".join([_head(one), *rows])


def _ending(difference: Difference) -> str:
    is_set = isinstance(difference.partner_center, tuple)
    return (_ENDINGS_OF_SETS if is_set else _ENDINGS)[difference.ending]


def _unusable(one: Candidate) -> str:
    return f"{_head(one)}\n    {one.problem}"


def _head(one: Candidate) -> str:
    return f"  {one.name[:80]} ({one.record.kind.value} {one.record.id}, referral {one.referral.id})"


def _records(ids: Sequence[str]) -> str:
    return f", record {', '.join(ids)}" if ids else ""


def _both(difference: Difference) -> str:
    if difference.is_personal:
        return "different on both sides (not shown)"
    values = (_shown(difference.partner_center), _shown(difference.crm))
    return "Partner Center {}, CRM {}".format(*(_short(value) for value in values))


def _short(value: str | None) -> str:
    if value is None:
        return "blank"
    return value if len(value) <= _VALUE_CHARACTERS else f"{value[: _VALUE_CHARACTERS - 3]}..."


def _shown(value: Any) -> str | None:
    if isinstance(value, tuple):
        names = (
            one.id if isinstance(one, Solution) else "a person" for one in value if isinstance(one, Solution | Person)
        )
        return ", ".join(names) or None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)


def _deal(one: Candidate) -> dict[str, str]:
    return {
        "name": one.name,
        "kind": one.record.kind.value,
        "record": one.record.id,
        "referral": one.referral.id,
    }


def _field(difference: Difference) -> dict[str, Any]:
    values = (
        {}
        if difference.is_personal
        else {
            "partner_center": _shown(difference.partner_center),
            "crm": _shown(difference.crm),
        }
    )
    return {"field": difference.field, "label": difference.label, **values, "ending": difference.ending.value}
