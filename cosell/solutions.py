"""``solutions``: the list that sellers pick from."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosell.asking import add_asking, agreed, must_be_answerable
from shared.connector import build_connector
from shared.crm.port import CrmPort, SavedDetails
from shared.settings import load_settings
from shared.solution_catalogue import BadRow, Catalogue, read_catalogue

PROGRESS_EVERY_S = 2.0


@dataclass(frozen=True)
class Import:
    """What is to happen: ``planned`` was counted without writing, ``bad`` are rows left out or in the way."""

    catalogue: Catalogue
    planned: SavedDetails
    bad: tuple[BadRow, ...]

    @property
    def writes(self) -> int:
        return self.planned.created + self.planned.updated


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    solutions = commands.add_parser("solutions", help="the list of solutions that sellers pick from in the CRM")
    verbs = solutions.add_subparsers(title="commands", metavar="COMMAND", required=True)
    imported = verbs.add_parser(
        "import",
        parents=[common],
        help="fill Microsoft Solution Details from a file",
        description="Creates the rows that the CRM does not have and updates those that differ; rows that are not in "
        "the file stay. May be repeated. Columns: Solution Identifier*, Solution Name*, Type, Publisher Name.",
    )
    imported.add_argument("file", type=Path, metavar="FILE", help="a .csv (UTF-8) or .xlsx file")
    add_asking(imported)
    imported.add_argument(
        "--skip-bad", action="store_true", help="leave bad rows out; without it, one of them stops the import"
    )
    imported.set_defaults(run=import_solutions)


def import_solutions(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Nothing is written while a row is bad, unless bad rows are to be skipped, nor without a yes."""
    catalogue = read_catalogue(options.file)
    if catalogue.bad and not options.skip_bad:
        return _refuse(options, catalogue.bad)
    must_be_answerable(options)
    settings = load_settings(environ)
    crm = build_connector(settings).crm
    work = _plan(crm, catalogue)
    if work.bad and not options.skip_bad:
        return _refuse(options, work.bad)
    is_dry = options.dry_run or settings.dry_run
    if not options.json:
        _say(_plan_text(work, crm.name, is_dry))
    may_write = not is_dry and work.writes > 0
    if may_write and not agreed(options, "Write them?"):
        _say("Nothing was written.")
        return 1
    saved = _save(crm, work, Progress(work.writes)) if may_write else work.planned
    if options.json:
        print(json.dumps(_document(saved, work.bad, written=may_write), indent=2))
    elif may_write:
        _say(f"{saved.created:,} created, {saved.updated:,} updated, {saved.unchanged:,} unchanged.")
    return 0


class Progress:
    """Says how far the writing is, at most every ``PROGRESS_EVERY_S``."""

    def __init__(
        self, total: int, say: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._say = say or (lambda text: print(text, file=sys.stderr))
        self._clock = clock
        self._said_at = clock()

    def __call__(self, written: int) -> None:
        if self._clock() - self._said_at >= PROGRESS_EVERY_S:
            self._said_at = self._clock()
            self._say(f"{written:,} of {self._total:,} rows written")


def _plan(crm: CrmPort, catalogue: Catalogue) -> Import:
    planned = crm.save_solution_details([row.detail for row in catalogue.rows], dry_run=True)
    refused = (
        BadRow(row.line, f"{crm.name} cannot hold it: {planned.refused[row.detail.key]}")
        for row in catalogue.rows
        if row.detail.key in planned.refused
    )
    return Import(catalogue, planned, tuple(sorted((*catalogue.bad, *refused), key=lambda row: row.line)))


def _save(crm: CrmPort, work: Import, progress: Callable[[int], None]) -> SavedDetails:
    return crm.save_solution_details([row.detail for row in work.catalogue.rows], progress=progress)


def _refuse(options: argparse.Namespace, bad: Sequence[BadRow]) -> int:
    if options.json:
        print(json.dumps(_document(SavedDetails(0, 0, 0), bad, written=False), indent=2))
        return 1
    for row in bad:
        print(f"{options.file.name} line {row.line}: {row.reason}", file=sys.stderr)
    print("Nothing was written. Mend these rows, or add --skip-bad to leave them out.", file=sys.stderr)
    return 1


def _plan_text(work: Import, crm_name: str, is_dry: bool) -> str:
    lines = [f"Left out, line {row.line}: {row.reason}" for row in work.bad]
    planned = work.planned
    counts = f"{planned.created:,} to create, {planned.updated:,} to update, {planned.unchanged:,} unchanged"
    lines.append(f"Microsoft Solution Details in {crm_name}: {counts}.")
    if is_dry:
        lines.append("A dry run: nothing was written.")
    elif work.writes == 0:
        lines.append("Everything is there already.")
    return "\n".join(lines)


def _document(saved: SavedDetails, bad: Sequence[BadRow], *, written: bool) -> dict[str, object]:
    return {
        "written": written,
        "created": saved.created,
        "updated": saved.updated,
        "unchanged": saved.unchanged,
        "bad_rows": [{"line": row.line, "reason": row.reason} for row in bad],
    }


def _say(text: str) -> None:
    print(text)
