"""Microsoft's side of a deal: when it is news, in which words, and in which columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.base import dump_base, load_base, show_microsofts
from shared.domain.microsofts_side import MicrosoftsSide, is_news, load_microsofts, news_line, view_microsofts
from shared.domain.record import RecordKind
from shared.domain.referral import ReferralStage, parse_referral
from shared.domain.values import Person
from tests.unit.domain.deals import BO, LATER, OPPORTUNITIES, base_of, mapping_of, plan_of, record_of, referral_of

EVE = Person("Eve", "Stone", "+1 425 555 0100", "eve.stone@microsoft.example")
SAM = Person("Sam", "Hill", "", "sam.hill@microsoft.example")
INVITED = MicrosoftsSide(ReferralStage.RECEIVED, team=(BO,))
ACCEPTED = MicrosoftsSide(ReferralStage.ACCEPTED, crm_id="7-3FGH2JKLMN", team=(BO, EVE, SAM))
COLUMNS = {"microsoft_status": "new_microsoftstatus", "microsoft_team": "new_microsoftteam"}
WITH_COLUMNS = mapping_of({"records": {"opportunity": {"columns": COLUMNS}}}).records[RecordKind.OPPORTUNITY]


def document(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7d23e5ca-0000-4000-8000-00000000000a",
        "organizationId": "msft",
        "status": "Active",
        "substatus": "Accepted",
        "updatedDateTime": "2026-03-01T09:00:00Z",
        **changes,
    }


def test_a_referral_of_microsofts_is_seen_as_far_as_sellers_care() -> None:
    team = [{"firstName": "Sam", "lastName": "Hill", "email": "sam.hill@microsoft.example"}]
    seen = view_microsofts(parse_referral(document(team=team, trackingInfo={"microsoftMsxId": "7-1"})))
    assert seen == MicrosoftsSide(ReferralStage.ACCEPTED, None, "7-1", (SAM,))
    assert load_microsofts(seen.dump()) == seen
    assert load_microsofts(None) is None


def test_a_list_of_people_that_cannot_be_read_costs_the_people_and_not_the_answer() -> None:
    assert view_microsofts(parse_referral(document(team="nobody"))) == MicrosoftsSide(ReferralStage.ACCEPTED)


@pytest.mark.parametrize(
    ("now", "known", "expected"),
    [
        (INVITED, None, False),
        (INVITED, INVITED, False),
        (ACCEPTED, None, True),
        (ACCEPTED, INVITED, True),
        (ACCEPTED, ACCEPTED, False),
        (replace(ACCEPTED, team=(EVE,)), ACCEPTED, True),
        (replace(ACCEPTED, crm_id="7-2"), ACCEPTED, True),
        (INVITED, ACCEPTED, True),
    ],
)
def test_what_is_news(now: MicrosoftsSide, known: MicrosoftsSide | None, expected: bool) -> None:
    assert is_news(now, known) is expected


@pytest.mark.parametrize(
    ("now", "known", "line"),
    [
        (ACCEPTED, None, "Microsoft accepted; Microsoft's team: 2 people."),
        (ACCEPTED, INVITED, "Microsoft accepted; Microsoft's team: 2 people."),
        (replace(ACCEPTED, team=(EVE,)), ACCEPTED, "Microsoft accepted; Microsoft's team: 1 person."),
        (replace(ACCEPTED, team=()), ACCEPTED, "Microsoft accepted; Microsoft's team: 0 people."),
        (replace(ACCEPTED, team=(BO,)), None, "Microsoft accepted."),
        (replace(ACCEPTED, crm_id="7-2"), ACCEPTED, ""),
        (ACCEPTED, ACCEPTED, ""),
        (INVITED, None, ""),
        (MicrosoftsSide(ReferralStage.WON), ACCEPTED, "Microsoft closed its side as won; Microsoft's team: 0 people."),
        (MicrosoftsSide(ReferralStage.DECLINED, "Not a customer"), None, "Microsoft declined (Not a customer)."),
        (MicrosoftsSide(ReferralStage.DECLINED, "x" * 200), None, f"Microsoft declined ({'x' * 80})."),
        (MicrosoftsSide(ReferralStage.EXPIRED), INVITED, "Microsoft did not answer in time."),
    ],
)
def test_news_is_told_in_words_that_name_nobody(now: MicrosoftsSide, known: MicrosoftsSide | None, line: str) -> None:
    assert news_line(now, known, (BO,)) == line


@pytest.mark.parametrize("stage", ReferralStage)
def test_every_stage_has_words(stage: ReferralStage) -> None:
    known = ACCEPTED if stage is ReferralStage.RECEIVED else INVITED
    assert news_line(MicrosoftsSide(stage), known, ()).startswith("Microsoft ")


def test_the_answer_is_one_line_of_the_audit_and_then_part_of_the_base() -> None:
    referral = replace(referral_of(), microsofts=ACCEPTED)
    assert plan_of(referral).notes == ("Microsoft accepted; Microsoft's team: 2 people.",)
    assert plan_of(referral, base=base_of(microsofts=ACCEPTED)).is_empty
    base = base_of(microsofts=ACCEPTED)
    assert load_base(dump_base(base, OPPORTUNITIES), OPPORTUNITIES) == base


def test_without_columns_of_its_own_microsofts_side_is_in_no_field() -> None:
    shown = show_microsofts(referral_of(), record_of(), ACCEPTED, OPPORTUNITIES)
    assert shown == (replace(referral_of(), microsofts=ACCEPTED), record_of())
    assert show_microsofts(referral_of(), record_of(), None, WITH_COLUMNS) == (referral_of(), record_of())


def test_columns_that_the_mapping_names_are_filled_from_microsoft_and_never_sent() -> None:
    planned = plan_of(*show_microsofts(referral_of(), record_of(), ACCEPTED, WITH_COLUMNS), mapping=WITH_COLUMNS)
    assert planned.to_crm.values == {
        "new_microsoftstatus": "Accepted",
        "new_microsoftteam": "Eve Stone; Sam Hill",
    }
    settled = base_of(fields={**base_of().fields, **planned.fields}, microsofts=ACCEPTED)
    edited = record_of(at=LATER, microsoft_status="A seller was here", microsoft_team="Eve Stone; Sam Hill")
    again = plan_of(*show_microsofts(referral_of(), edited, ACCEPTED, WITH_COLUMNS), settled, WITH_COLUMNS)
    assert again.to_partner_center == ()


def test_names_of_people_are_personal() -> None:
    rows = {row.name: row for row in WITH_COLUMNS.all_fields}
    assert rows["microsoft_team"].personal
    assert not rows["microsoft_status"].personal
