"""What the campaign finds in logs, and that it does not repeat it."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from sandbox.azurite import ACCOUNT_KEY
from sandbox.campaign.cast import customer
from sandbox.campaign.leaks import find_leaks, keys_in
from sandbox.crms import SECRET
from sandbox.entra import EntraSimulator

KEYS = '{"master": "mmmmmmmmmmmmmmmm", "functions": {"resubmit": {"default": "ffffffffffffffff"}}}'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        ACCOUNT_KEY,
        "code=ffffffffffffffff",
        "mmmmmmmmmmmmmmmm",
        "Bearer " + jwt.encode({"aud": "x"}, "k" * 32),
        "refresh " + EntraSimulator({"app": SECRET}).add_refresh_token("app"),
        customer(7).contact.last_name.upper(),
        customer(7).contact.email,
        customer(7).contact.phone,
        customer(7).street,
    ],
    ids=[
        "secret",
        "account-key",
        "function-key",
        "master-key",
        "access-token",
        "refresh-token",  # random: as an id it would differ from process to process
        "last-name",
        "e-mail",
        "phone",
        "street",
    ],
)
def test_secrets_and_people_are_found_and_told_by_line_only(text: str, tmp_path: Path) -> None:
    keys, log = tmp_path / "keys.json", tmp_path / "host.log"
    keys.write_text(KEYS, encoding="utf-8")
    log.write_text(f"all is well\nreferral 1: {text}\n", encoding="utf-8")
    assert find_leaks([log], keys_in(keys)) == ["host.log:2"]


def test_what_a_log_may_tell_is_no_leak(tmp_path: Path) -> None:
    keys, log = tmp_path / "keys.json", tmp_path / "host.log"
    keys.write_text(KEYS, encoding="utf-8")
    log.write_text('sync: referral 5e718be8-02b4: CRM sync success (Amount). {"calls":[]}\n', encoding="utf-8")
    assert find_leaks([log], keys_in(keys)) == []
