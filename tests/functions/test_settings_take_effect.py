"""Each setting of the app, changed, changes what it does: real clients and storage, the services of the sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import Event, PartnerCenterSimulator
from sandbox.serving import Server
from sandbox.world import PARTNER_CENTER_CLIENT, SECRET, World
from shared.connector import Connector, build_connector
from shared.domain.errors import ConnectorError, Forged, NotFound, Rejected, RetryLater
from shared.domain.link import Link
from shared.domain.record import RecordKind
from shared.partner_center.tokens import KeyVaultTokenStore
from shared.registering import PATH, show
from shared.settings import load_settings
from shared.state.envelope import Envelope
from shared.state.queues import REFERRAL_EVENTS
from shared.sync.outcome import Outcome
from shared.sync.ticks import tick
from shared.sync.work import work_off
from tests.end_to_end.scene import new_document

AppMaker = Callable[..., Connector]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, storage: str) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), certificates=certificates, storage=storage) as world:
        yield world


@pytest.fixture
def app(world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> AppMaker:
    """An app with the settings of the sandbox; what is given by name is changed, and ``None`` is not set at all."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))

    def make(**changes: str | None) -> Connector:
        settings = {**world.settings(), **changes}
        return build_connector(load_settings({name: value for name, value in settings.items() if value is not None}))

    return make


@pytest.fixture(scope="module")
def elsewhere(certificates: Certificates) -> Iterator[tuple[PartnerCenterSimulator, EntraSimulator, str, str]]:
    """Another Partner Center, and the Entra it trusts: both simulators, and both addresses."""
    entra = EntraSimulator({PARTNER_CENTER_CLIENT: SECRET})
    partner_center = PartnerCenterSimulator(entra, certificates)
    with ExitStack() as running:
        tls = certificates.server_context()
        addresses = [running.enter_context(Server(one.build, tls=tls)).url for one in (partner_center, entra)]
        yield partner_center, entra, addresses[0], addresses[1]


def test_addresses_of_partner_center_and_entra_are_those_that_are_asked(
    world: World, app: AppMaker, elsewhere: tuple[PartnerCenterSimulator, EntraSimulator, str, str], tmp_path: Path
) -> None:
    other, entra, url, authority = elsewhere
    here = str(world.partner_center.people.add_referral(new_document())["id"])
    there = str(other.people.add_referral(new_document())["id"])
    moved = app(
        PARTNER_CENTER_REFERRALS_URL=f"{url}/v1.0/engagements",
        PARTNER_CENTER_WEBHOOKS_URL=f"{url}/webhooks/v1",
        AZURE_AUTHORITY_HOST=authority,
        PARTNER_CENTER_REFRESH_TOKEN=entra.add_refresh_token(PARTNER_CENTER_CLIENT),
        PARTNER_CENTER_TOKEN_FILE=str(tmp_path / "token"),
    )
    for connector, theirs, not_theirs in ((app(), here, there), (moved, there, here)):
        assert connector.referrals.get(theirs)["id"] == theirs
        with pytest.raises(NotFound):
            connector.referrals.get(not_theirs)
    moved.registration.register("https://contoso.test/api/events", ["referral-created"], overwrite=False)
    assert moved.registration.get() is not None
    assert app().registration.get() is None


def test_the_public_address_is_what_a_registration_is_compared_with(world: World, app: AppMaker) -> None:
    connector = app(PUBLIC_URL="https://contoso.test")
    connector.registration.register(f"https://contoso.test{PATH}?code=a-key", ["referral-created"], overwrite=False)
    try:
        for address, points_here in (("https://contoso.test", True), ("https://fabrikam.test", False)):
            connector = app(PUBLIC_URL=address)
            assert show(connector.registration, connector.settings.public_url)["points_here"] is points_here
    finally:
        world.partner_center.webhooks.registration = None


def test_webhooks_are_believed_by_host_and_root_of_their_certificate(world: World, app: AppMaker) -> None:
    body = Event("referral-updated", "https://contoso.test/referrals/1", "referral", "2026-03-01T08:00:00Z").body()
    headers = world.partner_center.signer.headers(
        body, f"{world.partner_center_url}/cert/pcnotifications-dispatch.microsoft.com.cer"
    )
    app().verifier.verify(headers, body)
    for change in (
        {"PARTNER_CENTER_CERTIFICATE_HOSTS": "certificates.contoso.test"},
        {"PARTNER_CENTER_TRUSTED_ROOTS": str(world.certificates.root_file)},
        {"PARTNER_CENTER_TRUSTED_ROOTS": None},
    ):
        with pytest.raises(Forged):
            app(**change).verifier.verify(headers, body)


@pytest.mark.parametrize(
    "wrong",
    [
        "PARTNER_CENTER_TENANT_ID",
        "PARTNER_CENTER_CLIENT_ID",
        "PARTNER_CENTER_CLIENT_SECRET",
        "PARTNER_CENTER_REFRESH_TOKEN",
    ],
)
def test_the_sign_in_is_that_of_the_settings(app: AppMaker, tmp_path: Path, wrong: str) -> None:
    connector = app(PARTNER_CENTER_TOKEN_FILE=str(tmp_path / "token"), **{wrong: str(uuid.uuid4())})
    with pytest.raises(RetryLater) as waiting:
        connector.referrals.get(str(uuid.uuid4()))
    assert waiting.value.message.startswith("Entra ID ")
    with pytest.raises(NotFound):
        app().referrals.get(str(uuid.uuid4()))


NOBODY = "https://localhost:1"


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("DYNAMICS365_TENANT_ID", str(uuid.UUID(int=1))),
        ("DYNAMICS365_CLIENT_ID", str(uuid.UUID(int=2))),
        ("DYNAMICS365_CLIENT_SECRET", "another"),
        ("DYNAMICS365_URL", NOBODY),
    ],
)
def test_the_crm_and_the_sign_in_to_it_are_those_of_the_settings(app: AppMaker, wrong: str, value: str) -> None:
    assert app().crm.name == "Dynamics 365"
    with pytest.raises(NotFound):
        app().crm.get(RecordKind.OPPORTUNITY, str(uuid.uuid4()))
    with pytest.raises(ConnectorError) as refused:
        app(**{wrong: value}).crm.get(RecordKind.OPPORTUNITY, str(uuid.uuid4()))
    assert not isinstance(refused.value, NotFound)


def test_the_refresh_token_is_kept_in_the_file_or_in_the_vault(app: AppMaker, tmp_path: Path) -> None:
    for name in ("one", "another"):
        file = tmp_path / name
        with pytest.raises(NotFound):
            app(PARTNER_CENTER_TOKEN_FILE=str(file)).referrals.get(str(uuid.uuid4()))
        assert file.stat().st_mode & 0o777 == 0o600
    vault = "https://contoso-cosell.vault.azure.net"
    for changes in ({"KEY_VAULT_URL": vault}, {"KEY_VAULT_URL": vault, "PARTNER_CENTER_TOKEN_FILE": None}):
        assert isinstance(app(**changes).token_store, KeyVaultTokenStore)


@pytest.mark.parametrize(("hours", "given_up"), [("1", True), ("3", False)])
def test_work_that_fails_is_given_up_after_the_hours_that_are_set(
    app: AppMaker, storage: str, hours: str, given_up: bool
) -> None:
    connector = app(RETRY_FOR_HOURS=hours)
    subject = str(uuid.uuid4())
    first_seen = datetime.now(UTC) - timedelta(hours=2)

    def work(_: Envelope) -> Outcome:
        raise RetryLater("Partner Center is away")

    with QueueServiceClient.from_connection_string(storage) as queues:
        poison = queues.get_queue_client(f"{REFERRAL_EVENTS}-poison")
        body = Envelope("referral", subject, first_seen, str(uuid.uuid4())).dump()
        work_off(connector.desk, "partner_center_to_crm_helper", REFERRAL_EVENTS, body, work)
        (run,) = [run for run in connector.runs.recent(100, 1) if run.subject_id == subject]
        assert run.status.value == ("failed" if given_up else "retrying")
        if given_up:
            assert "Given up after 1 hours" in run.message
            assert poison.get_queue_properties().approximate_message_count
            poison.delete_queue()


@pytest.mark.parametrize(
    ("setting", "service"),
    [("PARTNER_CENTER_DAILY_CALL_BUDGET", "Partner Center"), ("CRM_DAILY_CALL_BUDGET", "Dynamics 365")],
)
def test_what_can_wait_does_once_a_budget_is_nearly_spent(app: AppMaker, setting: str, service: str) -> None:
    for budget, can_go_on in ((None, True), ("100000000", True), ("1000", False)):
        connector = app(**{setting: budget})
        connector.budget.add({service: 800})
        looks: list[str] = []

        def look(looks: list[str] = looks) -> int:
            looks.append("looked")
            return 0

        tick(connector.desk, "auto_heal", setting, look, can_wait=True)
        assert bool(looks) is can_go_on
        tick(connector.desk, "crm_to_partner_center", setting, look)
        assert looks, "sellers' changes go on"
    (run,) = [run for run in connector.runs.recent(100, 1) if run.subject_id == setting]
    assert run.message == f"Today's call budget of {service} is nearly spent; this waits."


def test_the_brake_is_at_the_share_that_is_set(app: AppMaker) -> None:
    connector = app(BRAKE_PERCENT="20")
    ids = [f"r-{uuid.uuid4()}" for _ in range(20)]
    for link_id in ids:
        with connector.links.lock(link_id, new=Link(link_id, RecordKind.OPPORTUNITY, updated_at=datetime.now(UTC))):
            pass
    for link_id in ids[:10]:
        connector.sides.brake.check(link_id)
    with pytest.raises(Rejected, match="BRAKE_PERCENT is 20"):
        connector.sides.brake.check(ids[10])
    app(BRAKE_PERCENT="90").sides.brake.check(ids[10])
