"""What becomes of a deal, told from either side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import NotFound, Rejected
from shared.domain.link import Intent, LinkStatus
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.sync.outcome import Result
from tests.property.world import World

ACCEPTED = {"status": "Active", "substatus": "Accepted"}


def accepted(world: World) -> tuple[str, str]:
    referral_id = world.incoming(**ACCEPTED)
    world.referral_changed(referral_id)
    return referral_id, world.crm.ids()[0]


def column(world: World, name: str) -> str:
    return world.record_mapping.field(name).crm


def test_a_new_referral_is_a_record_on_hold_that_names_it_and_is_named_by_it() -> None:
    world = World()
    referral_id = world.incoming()
    outcome = world.referral_changed(referral_id)
    assert outcome.result is Result.CREATED
    (record_id,) = world.crm.ids()
    record, columns = world.crm.peek(record_id), world.record_mapping.columns
    assert record.stage is CrmStage.ON_HOLD
    assert record.values[columns.referral_id] == referral_id
    assert record.values[columns.sync] is True
    assert record.values[columns.referral_link].endswith(referral_id)
    assert record.values["customerid_account.name"] == "Fabrikam Inc."
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
    assert [line[16:] for line in world.audit(record_id)] == [" - Partner Center Referral to CRM sync success."]


def test_nothing_of_a_record_on_hold_travels_until_it_leaves_that_stage() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"description": "Ours"})
    outcome = world.record_changed(record_id)
    assert outcome.result is Result.WAITING
    assert outcome.message == "Description will travel once the record leaves the on-hold stage."
    assert world.partner_center.calls["patch"] == 1, "the CRM id alone"
    world.crm.edit(record_id, {}, StageChange(CrmStage.ACTIVE))
    assert world.record_changed(record_id).sent == ("Description", "Stage: Accepted")
    document = world.partner_center.peek(referral_id)
    assert (document["status"], document["details"]["notes"]) == ("Active", "Ours")


def test_nothing_of_a_record_that_is_switched_off_travels_not_even_its_id() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"externalReferenceId": None, "details.dealValue": 9})
    world.crm.edit(record_id, {world.record_mapping.columns.sync: False, "description": "Ours"})
    patches = world.partner_center.calls["patch"]
    outcome = world.record_changed(record_id)
    assert outcome.message == "Description will travel once the record is switched to sync."
    world.referral_changed(referral_id)
    assert world.partner_center.calls["patch"] == patches
    assert world.record(record_id, "deal_value") == 9
    world.crm.edit(record_id, {world.record_mapping.columns.sync: True})
    world.record_changed(record_id)
    world.referral_changed(referral_id)
    document = world.partner_center.peek(referral_id)
    assert (document["details"]["notes"], document["externalReferenceId"]) == ("Ours", record_id)


@pytest.mark.parametrize("stage", [CrmStage.ACTIVE, CrmStage.ON_HOLD])
def test_a_record_is_shared_only_when_it_is_switched_on_and_under_way(stage: CrmStage) -> None:
    world = World()
    off = world.opportunity(stage=stage, **{world.record_mapping.columns.sync: False})
    assert "until a seller sets it to Yes" in world.record_changed(off).message
    held = world.opportunity(stage=CrmStage.ON_HOLD)
    assert "once it leaves the on-hold stage" in world.record_changed(held).message
    lost = world.opportunity(stage=CrmStage.LOST)
    assert world.record_changed(lost).result is Result.IGNORED
    assert not world.partner_center.ids()
    assert not world.links.links


def test_everything_that_a_record_lacks_to_be_shared_is_said_at_once() -> None:
    world = World()
    record_id = world.opportunity(
        deal_value=None, customer_country=None, solutions=(), contacts=(), help="General or other"
    )
    with pytest.raises(Rejected, match="cannot be shared yet") as refusal:
        world.record_changed(record_id)
    for label in ("Est. revenue", "Account country or region", "Contact", "Microsoft Partner Center Solutions"):
        assert label in str(refusal.value)
    assert not world.partner_center.ids()
    world.crm.edit(record_id, world.crm.peek(world.opportunity(help="General or other")).values)
    assert world.record_changed(record_id).result is Result.CREATED


def test_sharing_with_help_asks_microsoft_in_and_shows_all_of_it_on_the_record() -> None:
    world = World()
    record_id = world.opportunity(help="Quotes or licensing")
    outcome = world.record_changed(record_id)
    ours, microsofts = map(world.partner_center.peek, world.partner_center.ids())
    assert (ours["type"], ours["externalReferenceId"]) == ("Shared", record_id)
    assert microsofts["engagementId"] == ours["engagementId"]
    assert microsofts["inviteContext"] == {"assistanceRequestCode": "QuotesOrLicensing"}
    assert outcome.link is not None
    assert outcome.link.microsoft_referral_id == microsofts["id"]
    assert outcome.link.status is LinkStatus.SYNCED
    assert world.record(record_id, "visibility") is True, "help makes a deal visible"
    assert world.record(record_id, "name") == "✔ Northwind: data platform"
    assert world.crm.peek(record_id).values[world.record_mapping.columns.referral_id] == ours["id"]
    told = "CRM to Partner Center Referral sync success (How can Microsoft help?)."
    assert [line.partition(" - ")[2] for line in world.audit(record_id)] == [told]
    writes = world.writes()
    world.settle()
    assert world.writes() == writes


def test_help_chosen_later_invites_microsoft_once() -> None:
    world = World()
    record_id = world.opportunity()
    world.record_changed(record_id)
    world.crm.edit(record_id, {column(world, "help"): "General or other"})
    assert world.record_changed(record_id).sent == ("How can Microsoft help?",)
    world.crm.edit(record_id, {column(world, "help"): "Quotes or licensing"})
    world.record_changed(record_id)
    world.settle()
    assert len(world.partner_center.ids()) == 2


def test_a_microsoft_that_is_in_the_deal_already_is_not_invited() -> None:
    world = World()
    record_id = world.opportunity()
    engagement = world.partner_center.peek(str(world.record_changed(record_id).link.referral_id))  # type: ignore[union-attr]
    theirs = world.incoming(engagementId=engagement["engagementId"], organizationId="msft")
    world.crm.edit(record_id, {column(world, "help"): "General or other"})
    outcome = world.record_changed(record_id)
    assert world.partner_center.calls["create"] == 1
    assert outcome.link is not None
    assert outcome.link.microsoft_referral_id == theirs


@pytest.mark.parametrize("stage", [CrmStage.ON_HOLD, CrmStage.LOST])
def test_help_is_not_asked_for_a_deal_that_is_not_under_way(stage: CrmStage) -> None:
    world = World()
    _, record_id = accepted(world)
    link = next(iter(world.links.links.values()))
    world.links.links[link.id] = replace(link, microsoft_referral_id=None)
    world.crm.edit(record_id, {column(world, "help"): "General or other"}, StageChange(stage))
    world.record_changed(record_id)
    assert world.partner_center.calls["create"] == 0


def test_microsofts_own_side_is_not_a_deal_of_its_own() -> None:
    world = World()
    theirs = world.incoming(organizationId="msft")
    assert world.referral_changed(theirs).result is Result.IGNORED
    assert not world.crm.ids()


@pytest.mark.parametrize("substatus", ["Lost", "Declined", "Expired", "Error"])
def test_a_deal_that_ended_before_it_reached_the_crm_stays_out(substatus: str) -> None:
    world = World()
    outcome = world.referral_changed(world.incoming(status="Closed", substatus=substatus))
    assert outcome.message == f"Closed as {substatus} before it ever reached the CRM."
    assert not world.crm.ids()


def test_a_deal_that_was_won_elsewhere_is_a_won_record_and_never_patched() -> None:
    world = World()
    world.referral_changed(world.incoming(status="Closed", substatus="Won"))
    (record_id,) = world.crm.ids()
    assert world.crm.peek(record_id).stage is CrmStage.WON
    assert world.partner_center.calls["patch"] == 0
    assert next(iter(world.links.links.values())).status is LinkStatus.CLOSED


@pytest.mark.parametrize(("cosell_only", "said"), [(True, "keeps leads out"), (False, "no rows for a lead")])
def test_a_lead_is_taken_in_only_where_settings_and_mapping_want_it(cosell_only: bool, said: str) -> None:
    world = World(cosell_only=cosell_only)
    opportunities = {RecordKind.OPPORTUNITY: world.record_mapping}
    world.sides = replace(world.sides, crm_mapping=world.mapping.model_copy(update={"records": opportunities}))
    outcome = world.referral_changed(world.incoming(type="Independent", qualification="Direct"))
    assert outcome.result is Result.IGNORED
    assert said in outcome.message


def test_a_referral_that_names_an_id_the_crm_does_not_have_is_left_alone() -> None:
    world = World()
    referral_id = world.incoming(externalReferenceId="0042")
    for _ in range(2):
        outcome = world.referral_changed(referral_id)
        assert outcome.result is Result.IGNORED
        assert "'0042', which the CRM does not have" in outcome.message
    assert world.writes() == 0


def test_a_referral_that_names_a_record_of_the_crm_is_linked_to_it() -> None:
    world = World()
    record_id = world.opportunity()
    referral_id = world.incoming(**ACCEPTED, externalReferenceId=record_id)
    world.referral_changed(referral_id)
    assert world.crm.ids() == (record_id,)
    world.settle()
    assert world.crm.peek(record_id).values[world.record_mapping.columns.referral_id] == referral_id
    assert world.record(record_id, "notes") == world.partner_center.peek(referral_id)["details"]["notes"]


def test_a_record_that_names_its_referral_is_linked_to_it() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.links.links.clear()
    world.crm.edit(record_id, {"description": "Ours"})
    assert world.record_changed(record_id).result is Result.SYNCED
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Ours"
    assert world.partner_center.ids() == (referral_id,)


def test_a_copy_of_a_record_does_not_take_over_the_deal_of_the_first() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    copy = world.crm.add({**world.crm.peek(record_id).values, "description": "Another deal"})
    outcome = world.record_changed(copy)
    assert outcome.result is Result.IGNORED
    assert record_id in outcome.message
    assert "clear" in outcome.message.lower()
    world.settle()
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "First call on Monday."
    assert world.record(copy, "notes") == "Another deal"
    assert world.record(record_id, "notes") == "First call on Monday."


def test_a_record_that_was_deleted_leaves_the_referral_as_it_is() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.crm.delete(record_id)
    before = world.partner_center.peek(referral_id)
    outcome = world.record_changed(record_id)
    assert outcome.result is Result.IGNORED
    assert "deleted in the CRM" in outcome.message
    assert world.partner_center.peek(referral_id) == before
    with pytest.raises(NotFound):
        world.record_changed("00000000-0000-4000-8000-00000000ffff")


@pytest.mark.parametrize(("several", "result"), [("hold", None), ("oldest", "first"), ("create", "new")])
def test_several_accounts_that_match_go_by_the_policy(several: str, result: str | None) -> None:
    world = World(overlay={"records": {"opportunity": {"account": {"several": several}}}})
    names = {
        world.crm.add_account(name="Fabrikam Inc.", address1_postalcode="LS1 4AP", nick=nick): nick
        for nick in ("first", "second")
    }
    referral_id = world.incoming()
    if result is None:
        with pytest.raises(Rejected, match="2 accounts match") as refusal:
            world.referral_changed(referral_id)
        assert all(account in str(refusal.value) for account in names)
        assert not world.crm.ids()
        return
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"customerid_account.name": "Seen"})
    seen = [
        account.values.get("nick", "new")
        for account in world.crm._accounts.values()
        if account.values["name"] == "Seen"
    ]
    assert seen == [result]


def test_one_account_that_matches_is_used_whatever_the_policy() -> None:
    for several in ("hold", "oldest", "create"):
        world = World(overlay={"records": {"opportunity": {"account": {"several": several}}}})
        world.crm.add_account(name="fabrikam inc.", address1_postalcode="LS1 4AP")
        world.referral_changed(world.incoming())
        assert world.record(world.crm.ids()[0], "customer_name") == "fabrikam inc."


@pytest.mark.parametrize("marks", [True, False])
def test_the_mark_before_the_name_is_a_setting(marks: bool) -> None:
    world = World(display_check_mark=marks)
    world.referral_changed(world.incoming())
    record_id = world.opportunity()
    world.record_changed(record_id)
    world.settle()
    names = [world.record(one, "name") for one in world.crm.ids()]
    bare = ["Fabrikam: supply chain on Azure", "Northwind: data platform"]
    assert names == ([f"✔ {name}" for name in bare] if marks else bare)


def test_a_dry_run_says_what_it_would_do_and_writes_nothing() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    begun = world.opportunity()
    world.links.links["begun"] = replace(
        next(iter(world.links.links.values())),
        id="begun", referral_id=None, record_id=begun, base=None, intent=Intent("create_referral", world.now, begun),
    )  # fmt: skip
    world.sides = replace(world.sides, dry_run=True)
    world.partner_center.edit(referral_id, {"details.dealValue": 1})
    world.crm.edit(record_id, {"description": "Ours"})
    writes, bases = world.writes(), {link.id: link.base for link in world.links.links.values()}
    messages = [
        world.referral_changed(referral_id).message,
        world.record_changed(record_id).message,
        world.referral_changed(world.incoming()).message,
        world.record_changed(world.opportunity()).message,
        world.record_changed(begun).message,
    ]
    assert messages == [
        "Dry run: would write to the CRM: Est. revenue.",
        "Dry run: would write to Partner Center: Description.",
        "Dry run: would create the record in the CRM.",
        "Dry run: would create a referral in Partner Center.",
        "Dry run: would create a referral in Partner Center.",
    ]
    assert world.writes() == writes
    assert {link.id: link.base for link in world.links.links.values()} == bases


def test_a_dry_run_says_that_there_is_nothing_to_do() -> None:
    world = World()
    _, record_id = accepted(world)
    world.sides = replace(world.sides, dry_run=True)
    assert world.record_changed(record_id).message == "Dry run: nothing to write."


class _SlowReads:
    """The first read of a side is answered, and only then something happens there before the answer is used."""

    def __init__(self, real: Any, meanwhile: Callable[[], object]) -> None:
        self._real = real
        self._meanwhile: Callable[[], object] | None = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get(self, *names: Any) -> Any:
        answer = self._real.get(*names)
        happening, self._meanwhile = self._meanwhile, None
        if happening:
            happening()
        return answer


def test_a_referral_read_before_another_worker_took_it_in_does_not_undo_what_came_after() -> None:
    world = World()
    referral_id = world.incoming(**ACCEPTED)
    calm = world.sides

    def others() -> None:
        world.sides = calm
        world.referral_changed(referral_id)
        world.partner_center.edit(referral_id, {"details.notes": "Newer", "externalReferenceId": None})
        world.referral_changed(referral_id)

    world.sides = replace(calm, referrals=_SlowReads(world.partner_center, others))
    world.referral_changed(referral_id)
    world.settle()
    (record_id,) = world.crm.ids()
    assert world.record(record_id, "notes") == "Newer"
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Newer"


def test_a_record_read_before_another_worker_shared_it_does_not_undo_what_came_after() -> None:
    world = World()
    record_id = world.opportunity()
    calm = world.sides

    def others() -> None:
        world.sides = calm
        world.record_changed(record_id)
        world.crm.edit(record_id, {"description": "Newer"})
        world.record_changed(record_id)

    world.sides = replace(calm, crm=_SlowReads(world.crm, others))
    world.record_changed(record_id)
    world.settle()
    (referral_id,) = world.partner_center.ids()
    assert world.record(record_id, "notes") == "Newer"
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Newer"


def test_a_conflict_is_told_on_the_record_with_both_values_and_the_winner() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.crm.edit(record_id, {"estimatedvalue": Decimal(1)})
    world.partner_center.edit(referral_id, {"details.dealValue": 2, "details.notes": "Theirs"})
    world.crm.edit(record_id, {"description": "Ours"})
    world.referral_changed(referral_id)
    world.settle()
    told = "\n".join(world.audit(record_id))
    assert "Est. revenue was changed on both sides (Partner Center: 2; CRM: 1.00)" in told
    assert "Description was changed on both sides; the CRM's value was kept." in told
    assert "Theirs" not in told


def test_an_edit_that_waits_is_not_overwritten_unseen() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"description": "Ours", "estimatedvalue": Decimal(7)})
    world.record_changed(record_id)
    world.partner_center.edit(referral_id, {"details.notes": "Theirs, and newer"})
    outcome = world.referral_changed(referral_id)
    assert [conflict.field for conflict in outcome.conflicts] == ["notes"]
    assert world.record(record_id, "deal_value") == 7
    assert any("Description was changed on both sides" in line for line in world.audit(record_id))


def test_a_record_that_was_lost_while_switched_off_is_not_reopened_by_its_acceptance() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {world.record_mapping.columns.sync: False}, StageChange(CrmStage.LOST))
    world.record_changed(record_id)
    world.partner_center.edit(referral_id, ACCEPTED)
    world.referral_changed(referral_id)
    assert world.crm.peek(record_id).stage is CrmStage.LOST


def test_a_held_conflict_waits_for_a_person_and_is_told_once() -> None:
    world = World(overlay={"records": {"opportunity": {"fields": [{"name": "deal_value", "conflict": "hold"}]}}})
    referral_id, record_id = accepted(world)
    world.crm.edit(record_id, {"estimatedvalue": None})
    world.partner_center.edit(referral_id, {"details.dealValue": 2})
    for _ in range(2):
        world.record_changed(record_id)
        world.referral_changed(referral_id)
    told = [line for line in world.audit(record_id) if "waits" in line]
    assert len(told) == 1
    assert next(iter(world.links.links.values())).status is LinkStatus.WAITING
    assert (world.record(record_id, "deal_value"), world.partner_center.peek(referral_id)["details"]["dealValue"]) == (
        None,
        2,
    )
    world.crm.edit(record_id, {"estimatedvalue": Decimal(2)})
    world.record_changed(record_id)
    assert next(iter(world.links.links.values())).status is LinkStatus.SYNCED


def test_a_conflict_held_since_the_two_first_met_is_not_forgotten() -> None:
    world = World(overlay={"records": {"opportunity": {"fields": [{"name": "notes", "conflict": "hold"}]}}})
    record_id = world.opportunity()
    referral_id = world.incoming(**ACCEPTED, externalReferenceId=record_id)
    world.settle()
    assert next(iter(world.links.links.values())).status is LinkStatus.WAITING
    world.crm.edit(record_id, {"description": "First call on Monday."})
    world.record_changed(record_id)
    assert next(iter(world.links.links.values())).status is LinkStatus.SYNCED
    world.crm.edit(record_id, {"description": "Second call"})
    world.record_changed(record_id)
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Second call"


def test_a_field_that_the_partner_adds_to_the_mapping_travels_for_deals_of_before() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    row = {
        "name": "campaign", "label": "Campaign", "partner_center": "campaignId", "crm": "campaign", "converter": "text",
    }  # fmt: skip
    grown = World(overlay={"records": {"opportunity": {"fields": [row]}}})
    grown.partner_center, grown.links = world.partner_center, world.links
    values = world.crm.peek(record_id).values
    copy = grown.crm.add({**values, "campaign": "Spring"})
    (link,) = world.links.links.values()
    world.links.links[link.id] = replace(link, record_id=copy)
    grown.sides = replace(grown.sides, referrals=world.partner_center, links=world.links)
    grown.record_changed(copy)
    assert world.partner_center.peek(referral_id)["campaignId"] == "Spring"


def test_a_field_whose_column_the_partner_changes_does_not_blank_the_referral() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    moved = World(overlay={"records": {"opportunity": {"fields": [{"name": "deal_value", "crm": "new_dealvalue"}]}}})
    copy = moved.crm.add(
        {path: value for path, value in world.crm.peek(record_id).values.items() if path != "estimatedvalue"}
    )
    (link,) = world.links.links.values()
    world.links.links[link.id] = replace(link, record_id=copy)
    moved.sides = replace(moved.sides, referrals=world.partner_center, links=world.links)
    moved.record_changed(copy)
    assert world.partner_center.peek(referral_id)["details"]["dealValue"] == 50000
    assert moved.record(copy, "deal_value") == 50000
