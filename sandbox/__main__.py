"""``python -m sandbox``: the product at work on one machine. Runs until Ctrl-C; ``--once`` compares and ends."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from sandbox.azurite import AzuriteNotReady
from sandbox.demo import DOCUMENTS, Demo, read_documents
from sandbox.local_host.process import HostNotReady
from sandbox.narrator import Narrator, TookTooLong
from sandbox.world import World

FOLDER = Path(".sandbox")


def main() -> int:
    options = _options()
    narrator = Narrator()
    try:
        documents = read_documents(options.documents or [DOCUMENTS])
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="once-", dir=FOLDER)) if options.once else FOLDER / "run"
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set() if ended.is_set() else _interrupt(ended))
    signal.signal(signal.SIGTERM, lambda *_: _interrupt(ended))
    world = World(folder, crm=options.crm, port=options.port)
    try:
        _start(world, narrator)
        demo = Demo(world, narrator)
        demo.play(documents)
        agreed = demo.show_agreement()
        if options.once:
            return _ended_well(folder) if agreed else 1
        _show_addresses(world, narrator)
        ended.wait()
    except KeyboardInterrupt:
        return 130 if options.once else 0
    except (TookTooLong, HostNotReady, AzuriteNotReady) as problem:
        narrator.say("wrong", str(problem))
        narrator.say("", f"The app's log is in {folder / 'app.log'}")
        return 1
    finally:
        narrator.say("", "stopping everything that was started")
        world.stop()
    return 0


def _ended_well(folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    return 0


class _Ended(KeyboardInterrupt):
    """Ctrl-C, or a request to end, in the middle of a scene."""


def _interrupt(ended: threading.Event) -> None:
    ended.set()
    raise _Ended


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--once", action="store_true", help="compare both sides, exit 0 if they agree, leave nothing")
    parser.add_argument("--crm", choices=("dynamics365", "salesforce"), default="dynamics365", help="the CRM to play")
    parser.add_argument("--port", type=int, default=0, help="the app's port; a free one unless given")
    parser.add_argument(
        "--documents", type=Path, nargs="+", metavar="PATH", help="JSON files or folders with referrals to play"
    )
    return parser.parse_args()


def _start(world: World, narrator: Narrator) -> None:
    narrator.heading("Starting the outside world and the app")
    world.start()
    narrator.say("storage", "Azurite is up: tables, queues and blobs")
    narrator.say("Partner Center", f"simulator at {world.partner_center_url}")
    narrator.say(world.crm.name, f"simulator at {world.crm_url}")
    host = world.start_app()
    narrator.say("app", f"{len(host.function_names)} functions at {world.app_url}, in a local host with function keys")
    answer = world.register_webhook()
    narrator.say("app", f"webhook registered by webhook_registration for {len(answer['events'])} events")


def _show_addresses(world: World, narrator: Narrator) -> None:
    host = world.host
    key = host.key("run_history") if host else ""
    narrator.heading("Running until Ctrl-C. To look at:")
    for what, where in (
        ("run history", f"{world.app_url}/api/run-history?code={key}"),
        ("Partner Center's referrals", f"{world.partner_center_url}/_control/referrals"),
        (f"{world.crm.name}'s opportunities", f"{world.crm_url}{world.crm.page()}"),
        ("certificate to trust", world.certificates.root_file),
        ("function keys", world.folder / "keys.json"),
        ("the app's log", world.folder / "app.log"),
    ):
        narrator.plain(f"  {what:<30} {where}")


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
