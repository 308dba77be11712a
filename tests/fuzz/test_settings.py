from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import ConfigurationError
from shared.settings import Settings, load_settings
from tests.fuzz.inputs import BOUNDED, TEXTS

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]
SECRETS = [name for name in NAMES if name.endswith(("SECRET", "TOKEN", "KEY", "Storage"))]
GOOD = {
    "CRM": "dynamics365",
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "PARTNER_CENTER_CLIENT_SECRET": "a-secret-of-contoso",
    "KEY_VAULT_URL": "https://contoso-cosell.vault.azure.net",
    "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
VALUES = st.one_of(TEXTS, st.sampled_from(["yes", "0", "-1", "https://", "https://[", "http://contoso.example", "*"]))


@BOUNDED
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), st.booleans())
def test_any_settings_are_settings_or_one_error_that_names_each_wrong_one(
    given_values: dict[str, str], over_good_ones: bool
) -> None:
    environ = {**(GOOD if over_good_ones else {}), **given_values}
    try:
        settings = load_settings(environ)
    except ConfigurationError as error:
        lines = error.message.splitlines()[1:]
        assert lines
        assert all(line.startswith("- ") and line[2:].split(":")[0] in NAMES for line in lines)
        assert error.remedy
    else:
        assert settings.crm in ("dynamics365", "salesforce")


@BOUNDED
@given(st.sampled_from(SECRETS), st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=12, max_size=30))
def test_no_error_shows_a_secret(name: str, value: str) -> None:
    secret = f"hush-{value}"
    try:
        settings = load_settings({**GOOD, name: secret, "CRM_POLL_SCHEDULE": "never", "RETRY_FOR_HOURS": "soon"})
    except ConfigurationError as error:
        assert secret not in str(error)
        assert secret not in repr(error.__cause__) + repr(error.__context__)
    else:
        assert secret not in repr(settings)


def test_every_secret_is_among_those_tried() -> None:
    assert {"PARTNER_CENTER_CLIENT_SECRET", "SALESFORCE_PRIVATE_KEY", "AzureWebJobsStorage"} <= set(SECRETS)
