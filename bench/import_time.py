"""What a cold start pays: ``import function_app`` against ``import azure.functions`` alone, measured in one run.

``python bench/import_time.py`` prints both medians and their ratio. The budget is a ratio of 1.5.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
GROUND, APP = "azure.functions", "function_app"
BUDGET = 1.5
TIMED = "import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9, help="fresh processes per module")
    rounds = options.parse_args().rounds
    for module in (GROUND, APP):
        import_seconds(module)  # writes the bytecode, and warms the disk's cache
    # By turns, so that a machine that slows down meanwhile slows both.
    pairs = [(import_seconds(GROUND), import_seconds(APP)) for _ in range(rounds)]
    ground_s, app_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"import {GROUND}: {ground_s * 1000:.0f} ms (median of {rounds})")
    print(f"import {APP}: {app_s * 1000:.0f} ms (median of {rounds})")
    print(f"{app_s / ground_s:.2f} times {GROUND} alone; the budget is {BUDGET}")


def import_seconds(module: str) -> float:
    """In a fresh process, where nothing is imported yet."""
    # In Azure; on a developer's machine the app looks at its settings while it is loaded.
    environment = {**os.environ, "AZURE_FUNCTIONS_ENVIRONMENT": "Production"}
    command = [sys.executable, "-c", TIMED.format(module=module)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
