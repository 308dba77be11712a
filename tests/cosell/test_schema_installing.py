"""Installing into an environment: everything once, whatever goes wrong, and nothing of anybody else's is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.control import Fault
from shared.crm.dynamics365.schema.installer import LOCKED_CODE, TRIES
from shared.domain.errors import ConfigurationError, RetryLater
from tests.cosell.environment import PREFIX, WRITES, EmptyEnvironment, declared_schema, empty_environment

REFERRAL_ID = "msft_microsoftpartnercenterreferralidentifier"
HELP = "msft_microsoftpartnercenterhelp"
AUDIT = "msft_microsoftpartnercenterreferralsyncaudit"
SOLUTION = "msft_microsoftpartnercentersolution"
KEY = "msft_ReferralKey"


class KilledError(Exception):
    """What ends a run in the middle."""


@pytest.fixture
def environment() -> Iterator[EmptyEnvironment]:
    with empty_environment() as environment:
        yield environment


@pytest.fixture(scope="module")
def installed_state() -> dict[str, Any]:
    """What an installation that nothing disturbed leaves behind."""
    with empty_environment() as environment:
        environment.install()
        return environment.state()


def new_column(simulator: Any, table: str, name: str, **details: Any) -> None:
    """As another customiser makes it: a copy of a standard column, with another name."""
    source = simulator.schema.tables["opportunity"].columns[details.pop("like", "name")]
    column = type(source)(**{**vars(source), "name": name, "schema_name": name, "is_managed": False, **details})
    simulator.schema.put_column(table, column)


def test_an_empty_environment_gets_everything_once_and_a_second_run_writes_nothing(
    environment: EmptyEnvironment,
) -> None:
    environment.install()
    simulator, tables = environment.simulator, environment.simulator.schema.tables
    assert len(environment.steps) == len(set(environment.steps))
    assert [column.max_length for column in (tables[table].columns[AUDIT] for table in ("opportunity", "lead"))] == [
        10_000,
        10_000,
    ]
    assert tables["opportunity"].keys == {KEY: (REFERRAL_ID,)} == tables["lead"].keys
    assert [name for name, table in tables.items() if table.change_tracking] == ["opportunity", "lead", SOLUTION]
    assert tables[SOLUTION].columns["msft_opportunityid"].navigation == {"opportunity": "msft_OpportunityId"}
    assert simulator.metadata.unpublished == {}
    made = simulator.metadata.components["CosellConnector"]
    assert len(made) == len(set(made))
    assert {"role Co-sell connector", f"column {HELP} of opportunity", f"key {KEY.lower()} of lead"} <= set(made)

    environment.control.forget_calls()
    environment.install()
    assert environment.steps == []
    assert environment.control.count(WRITES) == 0


def test_a_difference_says_what_is_missing_in_its_order_and_writes_nothing(environment: EmptyEnvironment) -> None:
    difference = environment.installer().difference()
    assert environment.control.count(WRITES) == 0
    assert not difference.is_installed
    assert difference.missing[0] == "publisher cosellconnector (prefix msft)"
    assert f"column {REFERRAL_ID} of opportunity (String, 100 characters)" in difference.missing
    environment.install()
    # The number of privileges is that of the whole role at first, and what of it is lacking still in between.
    assert tuple(environment.steps) == difference.missing


@pytest.mark.parametrize("shows_unpublished", [False, True])
def test_killed_before_every_step_and_run_again_it_ends_the_same(
    installed_state: dict[str, Any], shows_unpublished: bool
) -> None:
    """Each run gets one step further than the one before it."""
    begun: set[str] = set()

    def die_at_the_second_new_step(what: str) -> None:
        new.update({what} - begun)
        if len(new) == 2:
            raise KilledError

    with empty_environment(shows_unpublished=shows_unpublished) as environment:
        while True:
            new: set[str] = set()
            try:
                environment.installer().install(die_at_the_second_new_step)
            except KilledError:
                begun |= new
                continue
            break
        assert len(begun) >= 30
        assert environment.state() == installed_state


@pytest.mark.parametrize("shows_unpublished", [False, True])
def test_killed_before_it_hears_the_answer_to_any_step_it_ends_the_same(
    installed_state: dict[str, Any], shows_unpublished: bool
) -> None:
    """Every request is once done by a run that never hears so."""

    def die(_: float) -> None:
        raise KilledError

    heard: list[str] = []
    killed = 0
    with empty_environment(shows_unpublished=shows_unpublished) as environment:
        while True:
            lost_already = "|".join(f"{re.escape(path)}$" for path in heard) or "(?!)"
            path = rf"^(?!.*(?:{lost_already})).*{WRITES}"
            environment.control.forget_faults()
            environment.control.order(Fault(path, "POST|PUT", status=0, after_commit=True))
            try:
                environment.installer(pause=die).install(lambda _: None)
            except KilledError:
                killed += 1
                call = environment.control.calls[-1]
                # Change tracking shows only once it is published, and publishing in nothing at all.
                heard += [call.path] if call.method == "PUT" or call.path.endswith("PublishXml") else []
                continue
            break
        environment.control.forget_faults()
        assert killed >= 30
        environment.install()
        assert environment.steps == []
        assert environment.state() == installed_state


def test_a_run_goes_on_when_every_answer_to_what_it_makes_is_lost(
    environment: EmptyEnvironment, installed_state: dict[str, Any]
) -> None:
    made = r"/(Keys|Attributes|EntityDefinitions|RelationshipDefinitions|publishers|solutions|roles|\$ref)$"
    environment.control.order(Fault(made, "POST", status=0, after_commit=True, times=1000))
    environment.install()
    assert environment.state() == installed_state


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "7"}},
        {
            "status": 400,
            "body": {"error": {"code": LOCKED_CODE, "message": "Cannot start another [EntityCustomization]"}},
        },
    ],
)
def test_a_busy_environment_is_waited_for(
    environment: EmptyEnvironment, installed_state: dict[str, Any], fault: dict[str, Any]
) -> None:
    environment.control.order(Fault(WRITES, **fault, skip=9, times=3))
    environment.control.order(Fault(r"/Keys$", **fault, times=2))
    environment.install()
    assert environment.state() == installed_state
    if "headers" in fault:
        assert environment.pauses.count(7.0) == 5


def test_it_gives_up_in_the_end_and_says_that_it_can_be_run_again(environment: EmptyEnvironment) -> None:
    environment.control.order(Fault(r"/EntityDefinitions$", method="POST", status=503, times=1000))
    with pytest.raises(RetryLater):
        environment.install()
    assert environment.control.count("POST .*/EntityDefinitions$") == TRIES
    environment.control.forget_faults()
    environment.install()


def test_what_somebody_else_has_just_made_is_as_good(
    environment: EmptyEnvironment, installed_state: dict[str, Any]
) -> None:
    refusal = {"error": {"code": "0x80047013", "message": "An attribute with the specified name already exists"}}
    environment.control.order(Fault(r"/Attributes$", "POST", 400, body=refusal, after_commit=True, times=3))
    environment.install()
    assert environment.state() == installed_state


def test_what_does_not_become_visible_is_told_of_and_the_next_run_makes_it(environment: EmptyEnvironment) -> None:
    environment.control.order(Fault(r"/RelationshipDefinitions$", status=204))
    with pytest.raises(ConfigurationError, match="still does not have: lookup msft_opportunityid") as caught:
        environment.install(wait_s=30.0)
    assert "Run the command again" in caught.value.remedy
    assert environment.pauses == [5.0] * 6
    environment.install()
    assert environment.steps[0] == "lookup msft_opportunityid of msft_microsoftpartnercentersolution to opportunity"


def test_what_the_environment_refuses_is_told_with_its_words(environment: EmptyEnvironment) -> None:
    refusal = {"error": {"code": "0x80040220", "message": "Principal user is missing prvCreateEntity privilege"}}
    environment.control.order(Fault(r"/EntityDefinitions$", method="POST", status=403, body=refusal))
    with pytest.raises(ConfigurationError, match="prvCreateEntity") as caught:
        environment.install()
    assert "az login" in caught.value.remedy


def test_columns_of_microsofts_own_solution_are_used_as_they_are(environment: EmptyEnvironment) -> None:
    new_column(environment.simulator, "opportunity", REFERRAL_ID, max_length=50, format="Email", is_managed=True)
    new_column(environment.simulator, "opportunity", AUDIT, like="description", max_length=2_000, is_managed=True)
    before = dict(environment.simulator.schema.tables["opportunity"].columns)
    difference = environment.installer().difference()
    assert difference.reused == (f"column {REFERRAL_ID} of opportunity", f"column {AUDIT} of opportunity")
    assert difference.conflicts == ()
    environment.install()
    after = environment.simulator.schema.tables["opportunity"].columns
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("table", "column", "details", "words"),
    [
        ("opportunity", REFERRAL_ID, {"like": "description"}, "is a Memo, not a String"),
        ("lead", REFERRAL_ID, {"max_length": 35}, "holds 35 characters, and needs at least 36"),
        ("lead", REFERRAL_ID, {"format": "Email"}, "has the format Email, not Text"),
        ("opportunity", HELP, {"like": "salesstage"}, "has no option Workload specific value proposition"),
    ],
)
def test_a_column_that_does_not_fit_is_told_and_never_altered(
    environment: EmptyEnvironment, table: str, column: str, details: dict[str, Any], words: str
) -> None:
    new_column(environment.simulator, table, column, **details)
    before = environment.state()
    with pytest.raises(ConfigurationError, match=f"Column {column} of {table} {words}") as caught:
        environment.install()
    assert "customize.toml" in caught.value.remedy
    assert environment.state() == before
    assert environment.control.count(WRITES) == 0


def test_a_managed_or_foreign_solution_takes_nothing(environment: EmptyEnvironment) -> None:
    simulator = environment.simulator
    values = {"friendlyname": "Fabrikam", "customizationprefix": "fab", "customizationoptionvalueprefix": 12345}
    publisher = simulator.insert("publisher", {"uniquename": "fabrikam", **values})
    own = {"version": "1.0.0.0", "publisherid@odata.bind": f"/publishers({publisher})"}
    simulator.insert("solution", {"uniquename": "Fabrikam", "friendlyname": "Fabrikam", **own})
    (conflict,) = environment.installer(solution="Fabrikam").difference().conflicts
    assert "whose prefix is fab and not msft" in conflict


def test_everything_goes_into_the_solution_that_is_named(environment: EmptyEnvironment) -> None:
    environment.install(solution="ContosoCosell")
    assert list(environment.simulator.metadata.components) == ["ContosoCosell"]
    (solution,) = environment.simulator.rows("solution")
    assert (solution["uniquename"], solution["friendlyname"]) == ("ContosoCosell", "ContosoCosell")


def test_duplicates_stop_the_index_and_without_them_the_next_run_builds_it(environment: EmptyEnvironment) -> None:
    simulator = environment.simulator
    new_column(simulator, "opportunity", REFERRAL_ID, max_length=100)
    rows = [simulator.insert("opportunity", {"name": "Twice", REFERRAL_ID: "r-1"}) for _ in range(2)]
    with pytest.raises(ConfigurationError, match="msft_referralkey of opportunity") as caught:
        environment.install()
    assert "leave it on one of them only" in caught.value.remedy
    simulator.delete("opportunity", rows[0])
    environment.install()
    assert [step for step in environment.steps if "alternate key" in step] == [
        "index of alternate key msft_referralkey of opportunity, which failed, once more"
    ]


def test_an_index_that_takes_too_long_is_told_of_and_is_no_error(environment: EmptyEnvironment) -> None:
    environment.simulator.metadata.index_looks = 1000
    left = environment.installer(wait_s=20.0).install(lambda _: None)
    assert left.missing == ()
    assert left.building == tuple(
        f"index of alternate key msft_referralkey of {table}" for table in ("opportunity", "lead")
    )
    assert not left.is_installed
    assert environment.pauses == [5.0] * 4


def test_a_role_that_lacks_privileges_gets_them_and_keeps_its_others(environment: EmptyEnvironment) -> None:
    environment.install()
    (held,) = environment.simulator.security.granted.values()
    lacking, lowered, *_ = list(held)
    del held[lacking]
    held[lowered] = "Basic"
    held["of another"] = "Local"
    environment.install()
    assert environment.steps[-1] == "2 privileges of role Co-sell connector"
    assert (held[lacking], held[lowered], held["of another"]) == ("Global", "Global", "Local")


def test_without_an_application_user_a_person_is_told_what_to_do(environment: EmptyEnvironment) -> None:
    (told,) = environment.installer(application_id="").difference().by_hand
    assert "Application users" in told
    nobody = "00000000-0000-0000-0000-000000000001"
    (told,) = environment.installer(application_id=nobody).difference().by_hand
    assert f"Make an application user for {nobody}" in told
    environment.install(application_id=nobody)
    assert environment.simulator.security.roles_of == {}


def test_a_privilege_that_the_environment_does_not_have_is_left_out_and_told(environment: EmptyEnvironment) -> None:
    declared = declared_schema()
    role = declared.role.model_copy(update={"tables": {**declared.role.tables, "Nothing": ("Read",)}})
    odd = declared.model_copy(update={"role": role})
    environment.install(declared=odd)
    (told,) = environment.installer(declared=odd).difference().by_hand
    assert "no privilege prvReadNothing" in told


def test_an_environment_without_sales_is_refused(environment: EmptyEnvironment) -> None:
    del environment.simulator.schema.tables["opportunity"]
    with pytest.raises(ConfigurationError, match="does not have Dynamics 365 Sales"):
        environment.install()


def test_everything_made_has_the_prefix(environment: EmptyEnvironment) -> None:
    before = {name: set(table.columns) for name, table in environment.simulator.schema.tables.items()}
    environment.install()
    for name, table in environment.simulator.schema.tables.items():
        custom = set(table.columns) - before.get(name, set())
        if name in before:
            assert all(column.startswith(PREFIX) for column in custom)
        else:
            assert name.startswith(PREFIX)
