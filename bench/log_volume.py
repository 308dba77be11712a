"""How much the app logs: bytes per new deal, per edit and per look of a timer, measured on the sandbox.

``python -m bench.log_volume`` prints them, and what Application Insights would take in for 1,000 and 100,000 deals a
month. Measured are the app's own lines and the number of invocations; two figures are assumed, because only a workspace
in Azure can tell them: what is billed of a row beside its message, and of the host's own rows for an invocation. Check
them there with ``union traces, requests | summarize avg(_BilledSize), count() by itemType``.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.world import World
from shared.telemetry import Event
from tests.end_to_end.scene import NO_TIMERS, Scene

ROW_BYTES = 900
"""Assumed, of each row: time, ids of operation and resource, role, category and other columns beside the message."""
INVOCATION_BYTES = 1_100 + 2 * (ROW_BYTES + 100)
"""Assumed, of each invocation: the host's row in ``requests`` and its two lines, Executing and Executed."""
TICKS_A_MONTH = {"crm_to_partner_center": 86_400, "microsoft_solutions_to_partner_center": 8_640, "auto_heal": 8_640}
"""With the default schedules, in 30 days."""
EDITS = 6
"""Of each deal in its month, half of them on either side."""
_EVENT_LINE = re.compile(rf"^\S+ \S+ [A-Z]+ [\w.]+: ((?:{'|'.join(Event)}): .*)$", re.MULTILINE)
_EXECUTED = re.compile(r"Executed '(\w+)' \(")


@dataclass(frozen=True)
class Volume:
    """What something once done leaves in the log, on average."""

    lines: float
    message_bytes: float
    invocations: float

    @property
    def billed_bytes(self) -> float:
        return self.message_bytes + self.lines * ROW_BYTES + self.invocations * INVOCATION_BYTES


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--deals", type=int, default=10, help="how many are measured")
    deals = options.parse_args().deals
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), settings=NO_TIMERS) as world:
        world.start_app()
        world.register_webhook()
        scene = Scene(world)
        measured = measure(scene, deals)
        for timer in TICKS_A_MONTH:  # their first looks find what was before them
            scene.run_timer(timer)
        scene.wait_quiet()
        ticks = {timer: volume_of(scene, lambda timer=timer: scene.run_timer(timer), 1) for timer in TICKS_A_MONTH}
        scene.close()
    show(measured, ticks)


def measure(scene: Scene, deals: int) -> dict[str, Volume]:
    """Each of ``deals`` comes in, is edited in Partner Center, and in the CRM."""
    referral_ids: list[str] = []

    def come_in() -> None:
        referral_ids.extend(scene.incoming(status="Active", substatus="Accepted") for _ in range(deals))
        scene.wait_quiet()

    def edit_referrals() -> None:
        for referral_id in referral_ids:
            scene.edit_referral(referral_id, details__notes="They want to start small.")
        scene.wait_quiet()

    def edit_records() -> None:
        for referral_id in referral_ids:
            scene.edit_crm(scene.record_of(referral_id)["id"], deal_value=4711)
        scene.run_timer("crm_to_partner_center")
        scene.wait_quiet()

    return {
        "a new deal": volume_of(scene, come_in, deals),
        "an edit in Partner Center": volume_of(scene, edit_referrals, deals),
        "an edit in the CRM": volume_of(scene, edit_records, deals),
    }


def volume_of(scene: Scene, act: Callable[[], None], times: int) -> Volume:
    """Of one of the ``times`` that ``act`` stands for."""
    assert scene.world.host is not None
    before = len(scene.world.host.log)
    act()
    text = scene.world.host.log[before:]
    messages = _EVENT_LINE.findall(text)
    return Volume(
        lines=len(messages) / times,
        message_bytes=sum(len(message.encode()) for message in messages) / times,
        invocations=Counter(_EXECUTED.findall(text)).total() / times,
    )


def show(measured: dict[str, Volume], ticks: dict[str, Volume]) -> None:
    print(f"{'':40} {'lines':>6} {'bytes':>7} {'invocations':>12} {'billed bytes':>13}")
    for what, volume in {**measured, **{f"a look of {timer}": one for timer, one in ticks.items()}}.items():
        print(
            f"{what:40.40} {volume.lines:6.1f} {volume.message_bytes:7.0f} {volume.invocations:12.1f} "
            f"{volume.billed_bytes:13.0f}"
        )
    at_rest = sum(TICKS_A_MONTH[timer] * volume.billed_bytes for timer, volume in ticks.items())
    new, *edits = (volume.billed_bytes for volume in measured.values())
    deal = new + EDITS * sum(edits) / len(edits)
    print(f"\nGB a month, with {EDITS} edits of each deal:")
    for deals in (0, 1_000, 100_000):
        print(f"{deals:>9,} deals: {(at_rest + deals * deal) / 1e9:6.2f}")


if __name__ == "__main__":
    main()
