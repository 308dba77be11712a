"""``share``: chosen opportunities are switched to sync, many at a time."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cosell.asking import add_asking, agreed, must_be_answerable
from cosell.commands import UsageError
from cosell.progress import Progress
from cosell.spending import spending
from shared.connector import Connector, build_connector
from shared.settings import load_settings
from shared.share_list import Wish, read_share_list
from shared.sync.choose import Chosen, Standing, look_at, switch_to_sync

_DESCRIPTION = """
Sets Sync with Partner Center to Yes on the opportunities that a file or --ids names, and help and visibility as the
file says. The running app then shares them like any other. First each is checked as the app would do it: what it lacks
is listed by line, and it is left out. May be repeated: what is shared already is passed over.
Columns: Opportunity Id*, How can Microsoft help?, Referral visibility.
"""
_HEADINGS = {
    Standing.READY: "to be switched to sync",
    Standing.SWITCHED: "switched to sync",
    Standing.CHOSEN: "switched to sync already",
    Standing.SHARED: "shared already",
    Standing.LACKING: "lack something",
    Standing.NOT_NOW: "cannot be shared as they stand",
    Standing.UNKNOWN: "not found",
    Standing.CHANGED: "changed meanwhile",
}


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    share = commands.add_parser(
        "share", parents=[common], help="share chosen opportunities, many at a time", description=_DESCRIPTION
    )
    share.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a .csv (UTF-8) or .xlsx file")
    share.add_argument("--ids", nargs="+", default=[], metavar="ID", help="the opportunities themselves")
    add_asking(share)
    share.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Exit code 1 if an opportunity is not shared, nor will be, and somebody has to look after it."""
    must_be_answerable(options)
    wishes = _wishes(options)
    settings = load_settings(environ)
    connector = build_connector(settings)
    with spending(connector.budget):
        chosen = _look(connector, wishes)
        ready = sum(1 for one in chosen if one.standing is Standing.READY)
        if not options.json:
            print(_text(chosen, wishes))
        is_dry = options.dry_run or settings.dry_run
        if is_dry and not options.json:
            print("A dry run: nothing was written.")
        if ready and not is_dry:
            if not agreed(options, f"Switch {ready:,} opportunities in {connector.crm.name} to sync?"):
                print("Nothing was written.")
                return 1
            chosen = _write(connector, chosen, ready)
            if not options.json:
                print(_done_text(chosen))
    if options.json:
        print(json.dumps({"opportunities": [_document(one) for one in chosen]}, indent=2))
    return 0 if all(one.standing.is_good for one in chosen) else 1


def _wishes(options: argparse.Namespace) -> tuple[Wish, ...]:
    if bool(options.file) == bool(options.ids):
        raise UsageError("Name a file, or the opportunities with --ids.")
    if options.file:
        return read_share_list(options.file)
    ids = [part.strip() for one in options.ids for part in one.split(",")]
    return tuple(Wish(0, one) for one in dict.fromkeys(filter(None, ids)))


def _look(connector: Connector, wishes: Sequence[Wish]) -> list[Chosen]:
    progress, chosen = Progress(), []
    for number, wish in enumerate(wishes, start=1):
        chosen.append(look_at(connector.sides, wish.id, wish.help, wish.visible, time.sleep))
        progress(f"{number:,} of {len(wishes):,} opportunities checked")
    return chosen


def _write(connector: Connector, chosen: Sequence[Chosen], ready: int) -> list[Chosen]:
    progress, written, after = Progress(), 0, []
    for one in chosen:
        after.append(switch_to_sync(connector.sides, one))
        written += after[-1].standing is Standing.SWITCHED
        progress(f"{written:,} of {ready:,} opportunities switched to sync")
    return after


def _text(chosen: Sequence[Chosen], wishes: Sequence[Wish]) -> str:
    lines = [f"{count:,} {_HEADINGS[standing]}" for standing, count in Counter(one.standing for one in chosen).items()]
    for one, wish in zip(chosen, wishes, strict=True):
        if not one.standing.is_good:
            where = f"line {wish.line}, " if wish.line else ""
            lines.append(f"  {where}{one.id} {one.name[:60]}".rstrip() + f"\n    {one.why}")
    return "\n".join(lines) or "No opportunity is named."


def _done_text(chosen: Sequence[Chosen]) -> str:
    switched = sum(1 for one in chosen if one.standing is Standing.SWITCHED)
    lines = [f"{switched:,} switched to sync; the app shares them at its next look at the CRM."]
    lines += [f"  {one.id}: {one.why}" for one in chosen if one.standing is Standing.CHANGED]
    return "\n".join(lines)


def _document(one: Chosen) -> dict[str, str]:
    return {"id": one.id, "name": one.name, "standing": one.standing.value, "why": one.why}
