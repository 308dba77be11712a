"""A value stays one value wherever it is written: filters, addresses, pages. For SOQL: tests/crm/salesforce."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import example, given

from sandbox.dataverse.filters import parse_filter as parse_dataverse_filter
from sandbox.partner_center.odata import parse_filter as parse_partner_center_filter
from shared.crm.dynamics365.values import quoted
from shared.domain.errors import Rejected
from shared.domain.values import whole_characters
from shared.history.markup import tag
from shared.partner_center.odata import guid, literal
from tests.fuzz.inputs import BOUNDED, TEXTS


@BOUNDED
@given(TEXTS)
@example("\ud800 half a character")
@example("' or 1 eq 1 or name eq '")
@example("a&$filter=name ne null#x?y=z")
def test_a_value_in_a_filter_of_dynamics_365_is_one_value(text: str) -> None:
    address = f"https://contoso.crm.dynamics.com/api/data/v9.2/accounts?$filter=name eq {quoted(text)}&$top=5"
    asked = parse_qs(urlsplit(address.replace(" ", "%20")).query, keep_blank_values=True, strict_parsing=True)
    assert list(asked) == ["$filter", "$top"]
    (comparison,) = parse_dataverse_filter(asked["$filter"][0]).comparisons
    assert comparison.literal == whole_characters(text)


@BOUNDED
@given(TEXTS)
def test_a_value_in_a_filter_of_partner_center_is_one_value(text: str) -> None:
    (clause,) = parse_partner_center_filter(f"externalReferenceId eq {literal(text)}")
    assert clause.value == text


@BOUNDED
@given(TEXTS)
@example("../../referrals")
@example("7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11/x")
@example("{7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11}")
def test_an_id_in_an_address_is_a_guid_or_refused(text: str) -> None:
    try:
        segment = guid(text, "referral id")
    except Rejected:
        return
    assert unquote(segment) == segment == text.lower()
    assert "/" not in segment


@BOUNDED
@given(TEXTS)
def test_a_value_on_a_page_is_text(text: str) -> None:
    shown = str(tag("p", text, title=text))
    assert shown.count("<") == shown.count(">") == 2
    assert shown.count('"') == 2
    assert shown.startswith('<p title="')
