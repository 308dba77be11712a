"""A campaign is fixed by its seed."""

from __future__ import annotations

from sandbox.campaign.cast import customer
from sandbox.campaign.doubles import count_doubles
from sandbox.campaign.faults import HOST_KILLED, TIMED_OUT, plan_faults
from sandbox.campaign.plan import Field, PlannedDeal, Side, make_plan


def test_the_same_seed_makes_the_same_edits_and_faults_and_another_one_others() -> None:
    assert make_plan(3, 30, 200) == make_plan(3, 30, 200)
    assert make_plan(3, 30, 200) != make_plan(4, 30, 200)
    assert plan_faults(3, 80, real_waits=True) == plan_faults(3, 80, real_waits=True)
    assert plan_faults(3, 80, real_waits=True) != plan_faults(4, 80, real_waits=True)


def test_every_deal_comes_before_its_edits_and_all_edits_are_there() -> None:
    plan, there = make_plan(1, 40, 400), set()
    for step in plan.steps:
        if isinstance(step, PlannedDeal):
            there.add(step.number)
        else:
            assert {edit.deal for edit in step} <= there
    assert len(there) == 40
    assert 400 <= plan.edits <= 401


def test_both_sides_edit_every_field_that_travels_both_ways() -> None:
    edits = {
        (edit.side, edit.field) for step in make_plan(1, 40, 1000).steps if isinstance(step, tuple) for edit in step
    }
    for field in (Field.DEAL_VALUE, Field.NOTES, Field.CLOSING_DATE, Field.CURRENCY, Field.STAGE):
        assert {(Side.CRM, field), (Side.PARTNER_CENTER, field)} <= edits


def test_hosts_are_killed_in_every_campaign_with_faults_and_time_outs_are_for_long_ones() -> None:
    assert HOST_KILLED in plan_faults(1, 5, real_waits=False)
    assert plan_faults(1, 0, real_waits=True) == []
    assert TIMED_OUT in plan_faults(1, 120, real_waits=True)
    assert TIMED_OUT not in plan_faults(1, 120, real_waits=False)


def test_what_is_there_twice_is_counted_once_for_each_beyond_the_first() -> None:
    one, other = customer(1), customer(2)
    doubles = count_doubles(
        [
            {"organizationId": "us", "engagementId": "e", "externalReferenceId": "o-1"},
            {"organizationId": "us", "engagementId": "f", "externalReferenceId": "o-1"},
            *({"organizationId": "msft", "engagementId": "e"} for _ in range(3)),
        ],
        {"o-1": "r-1", "o-2": "r-1", "o-3": None, "o-4": None},
        [(one.name, one.postal_code), (one.name, one.postal_code), (other.name, other.postal_code)],
        [("a", one.contact.email), ("b", one.contact.email), ("a", ""), ("a", "")],
    )
    assert doubles == {
        "opportunities of one referral": 1,
        "referrals of one opportunity": 1,
        "accounts of one customer": 1,
        "contacts of one address": 0,
        "invitations of Microsoft to one deal": 2,
    }
