"""What the ledger accepts as an explanation, and what it calls lost."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.campaign.ledger import SHOWN, Ledger
from sandbox.campaign.plan import Field, Side, Stage
from sandbox.campaign.sellers import Shown
from sandbox.campaign.verdict import Pair, Standing, judge

LABELS = {
    Field.DEAL_VALUE: "Est. revenue",
    Field.CURRENCY: "Currency",
    Field.CLOSING_DATE: "Est. close date",
    Field.NOTES: "Description",
    Field.NAME: "Topic",
}
START = {
    Field.DEAL_VALUE: 100,
    Field.CURRENCY: "USD",
    Field.CLOSING_DATE: "2027-01-01",
    Field.NOTES: "First.",
    Field.NAME: "Northwind",
    Field.VISIBILITY: False,
}
THERE, HERE = Side.PARTNER_CENTER, Side.CRM
CONFLICT = (
    "2026-03-01 10:20 - Est. revenue was changed on both sides (Partner Center: 111; CRM: 222.00); {}'s value was kept."
)
CLOSED = "2026-03-01 10:20 - Est. revenue changed in the CRM, but a closed referral cannot be changed."


def ledger(*edits: tuple[Side, Field, Any], in_step: bool = False) -> Ledger:
    """One deal that arrived in Partner Center, and these edits of it."""
    kept = Ledger()
    for field in SHOWN:
        kept.add(1, THERE, field, START[field])
    for side, field, value in edits:
        kept.add(1, side, field, value, before=START.get(field), across=START.get(field) if in_step else None)
    return kept


def pair(
    there: dict[Field, Any] | None = None,
    here: dict[Field, Any] | None = None,
    *,
    substatus: str = "Accepted",
    stage: str = "active",
    audit: tuple[str, ...] = (),
) -> Pair:
    left, right = {**START, **(there or {})}, {**START, **(here or {})}
    status = {"Accepted": "Active", "Received": "New"}.get(substatus, "Closed")
    referral = {
        "status": status,
        "substatus": substatus,
        "name": left[Field.NAME],
        "consent": {"consentToShareReferralWithMicrosoftSellers": left[Field.VISIBILITY]},
        "customerProfile": {"team": []},
        "details": {
            "dealValue": left[Field.DEAL_VALUE],
            "currency": left[Field.CURRENCY],
            "closingDateTime": f"{left[Field.CLOSING_DATE]}T00:00:00Z",
            "notes": left[Field.NOTES],
        },
    }
    record = Shown("o-1", "r-1", stage, right, "", None, audit)
    return Pair(1, referral, record, frozenset(), None, 0)


def standing(found: Pair, kept: Ledger, field: Field = Field.DEAL_VALUE) -> Standing:
    verdicts = [verdict for verdict in judge(found, kept, LABELS) if verdict.field == field]
    bad = [verdict.standing for verdict in verdicts if verdict.is_bad]
    return bad[0] if bad else verdicts[-1].standing


def agreed(field: Field, value: Any, **more: Any) -> Pair:
    return pair({field: value}, {field: value}, **more)


def test_the_last_edit_of_either_side_is_kept() -> None:
    kept = ledger((THERE, Field.DEAL_VALUE, 111), (HERE, Field.DEAL_VALUE, 222))
    assert standing(agreed(Field.DEAL_VALUE, 222), kept) is Standing.KEPT


def test_an_untouched_field_must_be_as_the_deal_began() -> None:
    assert standing(pair(), ledger()) is Standing.KEPT
    assert standing(agreed(Field.DEAL_VALUE, 5), ledger()) is Standing.LOST


def test_an_edit_that_never_arrived_is_lost() -> None:
    kept = ledger((HERE, Field.DEAL_VALUE, 222))
    assert standing(pair({}, {Field.DEAL_VALUE: 222}), kept) is Standing.LOST
    assert standing(pair(), kept) is Standing.LOST


CROSSED = ((THERE, Field.DEAL_VALUE, 111), (HERE, Field.DEAL_VALUE, 222))


def test_an_earlier_edit_may_win_where_the_audit_names_both() -> None:
    told = (CONFLICT.format("Partner Center"),)
    assert standing(agreed(Field.DEAL_VALUE, 111, audit=told), ledger(*CROSSED)) is Standing.CONFLICT


@pytest.mark.parametrize(
    "audit",
    [
        (),
        (CONFLICT.format("the CRM"),),
        (CONFLICT.format("Partner Center").replace("222.00", "223.00"),),
        (CONFLICT.format("Partner Center").replace("111", "112"),),
        (CONFLICT.format("Partner Center").replace("Est. revenue", "Currency"),),
    ],
)
def test_without_a_line_that_names_both_and_the_winner_it_is_lost(audit: tuple[str, ...]) -> None:
    assert standing(agreed(Field.DEAL_VALUE, 111, audit=audit), ledger(*CROSSED)) is Standing.LOST


def test_who_had_seen_the_other_edit_must_win_whatever_the_audit_says() -> None:
    told = (CONFLICT.format("Partner Center"),)
    assert standing(agreed(Field.DEAL_VALUE, 111, audit=told), ledger(*CROSSED, in_step=True)) is Standing.LOST


def test_an_edit_that_its_own_side_had_replaced_does_not_win() -> None:
    kept = ledger((THERE, Field.DEAL_VALUE, 111), (THERE, Field.DEAL_VALUE, 115), (HERE, Field.DEAL_VALUE, 222))
    assert standing(agreed(Field.DEAL_VALUE, 111, audit=(CONFLICT.format("Partner Center"),)), kept) is Standing.LOST


def test_a_personal_field_is_told_of_without_its_values() -> None:
    kept = ledger((THERE, Field.NOTES, "Theirs."), (HERE, Field.NOTES, "Ours."))
    told = "2026-03-01 10:20 - Description was changed on both sides; Partner Center's value was kept."
    assert standing(agreed(Field.NOTES, "Theirs.", audit=(told,)), kept, Field.NOTES) is Standing.CONFLICT
    assert standing(agreed(Field.NOTES, "First.", audit=(told,)), kept, Field.NOTES) is Standing.LOST


def test_an_edit_waits_only_while_the_record_is_on_hold() -> None:
    kept = ledger((HERE, Field.DEAL_VALUE, 222))
    found = pair({}, {Field.DEAL_VALUE: 222}, substatus="Received", stage="on hold")
    assert standing(found, kept) is Standing.ON_HOLD
    assert standing(pair({}, {Field.DEAL_VALUE: 223}, substatus="Received", stage="on hold"), kept) is Standing.LOST


def test_a_closed_referral_stays_as_it_is_and_the_audit_says_which_field_did_not_travel() -> None:
    kept = ledger((HERE, Field.DEAL_VALUE, 222))
    kept.add(1, THERE, Field.STAGE, Stage.WON)
    closed = {"substatus": "Won", "stage": "won"}
    assert standing(pair({}, {Field.DEAL_VALUE: 222}, audit=(CLOSED,), **closed), kept) is Standing.CLOSED
    assert standing(pair({}, {Field.DEAL_VALUE: 222}, **closed), kept) is Standing.LOST


def test_a_rename_in_the_crm_stays_there() -> None:
    kept = ledger((HERE, Field.NAME, "Ours"))
    assert standing(pair({}, {Field.NAME: "Ours"}), kept, Field.NAME) is Standing.KEPT
    assert standing(pair(), kept, Field.NAME) is Standing.LOST


def test_a_stage_is_kept_final_or_lost() -> None:
    won = ledger((THERE, Field.STAGE, Stage.WON))
    both = ledger((THERE, Field.STAGE, Stage.WON), (HERE, Field.STAGE, Stage.LOST))
    told = (
        "2026-03-01 10:20 - The referral was closed as Won, the record as lost; "
        "both are final and were left as they are.",
    )
    assert standing(pair(substatus="Won", stage="won"), won, Field.STAGE) is Standing.KEPT
    assert standing(pair(substatus="Won", stage="won"), both, Field.STAGE) is Standing.CLOSED
    assert standing(pair(substatus="Won", stage="active"), won, Field.STAGE) is Standing.LOST
    assert standing(pair(substatus="Won", stage="lost", audit=told), both, Field.STAGE) is Standing.CLOSED
    assert standing(pair(substatus="Won", stage="lost"), both, Field.STAGE) is Standing.LOST
    assert standing(pair(), ledger((HERE, Field.STAGE, Stage.WON)), Field.STAGE) is Standing.LOST


def test_who_overruled_an_edit_that_he_had_not_seen_must_be_told() -> None:
    kept = ledger()
    kept.add(1, THERE, Field.DEAL_VALUE, 111, before=100, across=100)
    kept.add(1, HERE, Field.DEAL_VALUE, 222, before=100, across=111)
    told = (CONFLICT.format("the CRM"),)
    assert standing(agreed(Field.DEAL_VALUE, 222, audit=told), kept) is Standing.KEPT
    assert standing(agreed(Field.DEAL_VALUE, 222), kept) is Standing.UNSAID
    assert standing(agreed(Field.DEAL_VALUE, 222, audit=(told[0].replace("111", "112"),)), kept) is Standing.UNSAID


def test_who_replaced_an_edit_that_had_arrived_overruled_nobody() -> None:
    kept = ledger()
    kept.add(1, THERE, Field.DEAL_VALUE, 111, before=100, across=100)
    kept.add(1, HERE, Field.DEAL_VALUE, 222, before=111, across=111)
    assert standing(agreed(Field.DEAL_VALUE, 222), kept) is Standing.KEPT


def test_visibility_must_not_be_lost_on_the_way() -> None:
    kept = ledger((HERE, Field.VISIBILITY, True))
    assert standing(agreed(Field.VISIBILITY, True), kept, Field.VISIBILITY) is Standing.KEPT
    assert standing(pair(), kept, Field.VISIBILITY) is Standing.LOST
