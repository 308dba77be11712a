"""A referral is checked once, at the edge: what is wrong is named, what is unknown is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.record import CrmStage, RecordKind
from shared.domain.referral import Referral, ReferralStage, parse_referral, read_path
from tests.property.test_converters import JSON

GOOD: dict[str, Any] = {
    "id": "7d23e5ca-19dc-4eaa-aac8-5e6b559f0d1d",
    "engagementId": "e-1",
    "organizationId": "o-1",
    "eTag": '"1"',
    "status": "Active",
    "substatus": "Accepted",
    "externalReferenceId": "42",
    "statusReason": "Price",
    "updatedDateTime": "2026-03-01T08:00:00.1234567Z",
    "somethingNew": {"kept": True},
}


def test_a_referral_is_read_and_its_document_kept_whole() -> None:
    referral = parse_referral(GOOD)
    assert referral == Referral(
        document=GOOD,
        id=GOOD["id"],
        engagement_id="e-1",
        organization_id="o-1",
        etag='"1"',
        stage=ReferralStage.ACCEPTED,
        updated_at=datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=UTC),
    )
    assert (referral.external_reference, referral.status_reason) == ("42", "Price")
    assert referral.link == "https://partner.microsoft.com/referrals/v2/inbox?id=7d23e5ca-19dc-4eaa-aac8-5e6b559f0d1d"
    assert not referral.is_microsofts
    assert parse_referral({**GOOD, "organizationId": "msft"}).is_microsofts


@pytest.mark.parametrize("name", ["engagementId", "organizationId", "eTag", "externalReferenceId", "statusReason"])
@pytest.mark.parametrize("blank", [None, "", "absent"])
def test_what_may_be_blank_is_none(name: str, blank: str | None) -> None:
    document = {**GOOD, name: blank} if blank != "absent" else {key: GOOD[key] for key in GOOD if key != name}
    referral = parse_referral(document)
    read = {
        "engagementId": referral.engagement_id,
        "organizationId": referral.organization_id,
        "eTag": referral.etag,
        "externalReferenceId": referral.external_reference,
        "statusReason": referral.status_reason,
    }
    assert [field for field, value in read.items() if value is None] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", None),
        ("id", ""),
        ("id", 5),
        ("engagementId", 5),
        ("organizationId", ["msft"]),
        ("eTag", {"value": "1"}),
        ("externalReferenceId", 42),
        ("statusReason", {"code": 1}),
        ("updatedDateTime", None),
        ("updatedDateTime", ""),
        ("updatedDateTime", "yesterday"),
        ("updatedDateTime", 1772352000),
        ("status", None),
        ("status", "None"),
        ("status", "Paused"),
        ("status", ["New"]),
    ],
)
def test_a_bad_field_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(Rejected) as refusal:
        parse_referral({**GOOD, name: value})
    assert refusal.value.field == name


@pytest.mark.parametrize("name", ["id", "status", "updatedDateTime"])
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    with pytest.raises(Rejected) as refusal:
        parse_referral({key: value for key, value in GOOD.items() if key != name})
    assert refusal.value.field == name


@pytest.mark.parametrize("document", [None, [], "referral", 5])
def test_what_is_no_object_is_no_referral(document: Any) -> None:
    with pytest.raises(Rejected, match="no referral"):
        parse_referral(document)


@settings(max_examples=300, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(sorted(GOOD)), JSON, max_size=4))
def test_no_json_does_worse_than_a_rejection(document: Any, changes: dict[str, Any]) -> None:
    for candidate in (document, {**GOOD, **changes}):
        try:
            referral = parse_referral(candidate)
        except Rejected as refusal:
            refused: Rejected | None = refusal
        else:
            refused = None
            assert referral.kind in RecordKind
        assert refused is None or refused.field


@pytest.mark.parametrize(
    ("status", "substatus", "stage", "crm_stage"),
    [
        ("New", "Pending", ReferralStage.RECEIVED, CrmStage.ON_HOLD),
        ("New", "Received", ReferralStage.RECEIVED, CrmStage.ON_HOLD),
        ("New", None, ReferralStage.RECEIVED, CrmStage.ON_HOLD),
        ("Active", "Accepted", ReferralStage.ACCEPTED, CrmStage.ACTIVE),
        ("Active", "Engaged", ReferralStage.ACCEPTED, CrmStage.ACTIVE),
        ("Closed", "Won", ReferralStage.WON, CrmStage.WON),
        ("Closed", "Lost", ReferralStage.LOST, CrmStage.LOST),
        ("Closed", "Declined", ReferralStage.DECLINED, CrmStage.LOST),
        ("Closed", "Expired", ReferralStage.EXPIRED, CrmStage.LOST),
        ("Closed", "Error", ReferralStage.ERROR, CrmStage.LOST),
    ],
)
def test_status_and_substatus_are_one_stage(
    status: str, substatus: str | None, stage: ReferralStage, crm_stage: CrmStage
) -> None:
    referral = parse_referral({**GOOD, "status": status, "substatus": substatus})
    assert referral.stage is stage
    assert referral.stage.crm_stage is crm_stage


@pytest.mark.parametrize("substatus", [None, "Accepted", "Received", "Withdrawn"])
def test_a_closed_referral_says_how_or_is_refused(substatus: str | None) -> None:
    with pytest.raises(Rejected, match="Closed") as refusal:
        parse_referral({**GOOD, "status": "Closed", "substatus": substatus})
    assert repr(substatus) in refusal.value.message
    assert refusal.value.code == "unknown_stage"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_without_zone_is_utc(text: str, expected: datetime) -> None:
    assert parse_referral({**GOOD, "updatedDateTime": text}).updated_at == expected


LEAD, OPPORTUNITY = RecordKind.LEAD, RecordKind.OPPORTUNITY


@pytest.mark.parametrize(
    ("category", "kinds", "qualifications", "inviters", "expected"),
    [
        ("marketplace lead", ["Independent"], ["Direct"], ["msft", None], LEAD),
        ("qualified lead", ["Independent"], ["SalesQualified", "MarketingQualified"], ["msft"], LEAD),
        ("own deal", ["Independent"], ["SalesQualified", "None", None], ["o-1", None], OPPORTUNITY),
        ("co-sell", ["Shared"], ["SalesQualified", "None"], ["o-1", "o-2", "msft", None], OPPORTUNITY),
    ],
)
def test_microsofts_table_of_deals(
    category: str, kinds: list[str], qualifications: list[Any], inviters: list[Any], expected: RecordKind
) -> None:
    """learn.microsoft.com/partner-center/developer/referrals-api-introduction, "classify"."""
    for kind, qualification, inviter in product(kinds, qualifications, inviters):
        invite = {"invitedBy": {"organizationId": inviter}} if inviter else None
        document = {**GOOD, "type": kind, "qualification": qualification, "inviteContext": invite}
        assert parse_referral(document).kind is expected, (category, kind, qualification, inviter)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"b": {"c": 0}}),
        ("a.b.c", 0),
        ("a.b.c.d", None),
        ("a.x", None),
        ("x.y", None),
    ],
)
def test_a_path_that_leads_nowhere_is_none(path: str, expected: Any) -> None:
    assert read_path({"a": {"b": {"c": 0}}}, path) == expected
