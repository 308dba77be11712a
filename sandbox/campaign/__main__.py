"""``python -m sandbox.campaign``: many deals, edits and faults at once, and proof that nothing got lost or doubled.

Exit codes: 0 everything is where it belongs, 1 something is not, 2 wrong options, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from sandbox.campaign.campaign import Campaign, Options
from sandbox.campaign.table import complaints, table

FOLDER = Path(".sandbox")
CRM_NAMES = {"dynamics365": "Dynamics 365", "salesforce": "Salesforce"}
REAL_WAITS_FROM_MINUTES = 10


def main() -> int:
    chosen = _options()
    # A shell that starts it in the background has it ignore Ctrl-C.
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.default_int_handler)
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="campaign-", dir=FOLDER))
    began_s = time.monotonic()

    def tell(text: str) -> None:
        seconds = int(time.monotonic() - began_s)
        print(f"{seconds // 60:3}:{seconds % 60:02}  {text}", flush=True)

    try:
        result = Campaign(chosen, folder, tell).run()
    except KeyboardInterrupt:
        print("ended before its time; everything it started is stopped", flush=True)
        return 130
    print(f"\nCampaign with seed {chosen.seed} on {CRM_NAMES[chosen.crm]}\n{table(result, CRM_NAMES[chosen.crm])}")
    for line in complaints(result):
        print(f"✗ {line}")
    print("Nothing lost, nothing doubled, everything explained." if result.is_clean else f"Logs: {folder}")
    if result.is_clean:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if result.is_clean else 1


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m sandbox.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same edits and faults")
    parser.add_argument("--deals", type=int, default=50)
    parser.add_argument("--edits", type=int, help="on both sides together; ten per deal unless given")
    parser.add_argument("--faults", type=int, help="one for ten edits unless given")
    parser.add_argument("--minutes", type=float, default=2.0, help="the time over which edits are spread")
    parser.add_argument("--crm", choices=tuple(CRM_NAMES), default="dynamics365")
    parser.add_argument("--hosts", type=int, default=2)
    given = parser.parse_args()
    edits = given.deals * 10 if given.edits is None else given.edits
    if min(given.deals, given.hosts) < 1 or edits < 0 or given.minutes <= 0 or (given.faults or 0) < 0:
        parser.error("deals, hosts and minutes must be more than 0; edits and faults at least 0")
    real_waits = given.minutes >= REAL_WAITS_FROM_MINUTES
    return Options(
        seed=given.seed,
        deals=given.deals,
        edits=edits,
        faults=edits // 10 if given.faults is None else given.faults,
        minutes=given.minutes,
        crm=given.crm,
        hosts=given.hosts,
        real_waits=real_waits,
        settle_s=25 * 60 if real_waits else 10 * 60,
    )


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
