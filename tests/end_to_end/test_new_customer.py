"""Several referrals of one new customer at once: one account, whoever comes first."""

from __future__ import annotations

import pytest

from tests.end_to_end.scene import Scene

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def test_six_referrals_of_a_new_customer_make_one_account(scene: Scene) -> None:
    incoming = [
        scene.incoming(customerProfile__name="Race Ltd", customerProfile__address__postalCode="1") for _ in range(6)
    ]
    scene.settle()
    rows = [scene.record_of(referral_id) for referral_id in incoming]
    accounts = {row["account"] for row in rows}
    assert len(accounts) == 1
    named = [row for row in scene.seller.accounts() if row["customer_name"] == "Race Ltd"]
    assert len(named) == 1
