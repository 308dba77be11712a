"""What every command that writes to a tenant does first: it asks, or was told beforehand."""

from __future__ import annotations

import argparse
import sys

from cosell.commands import UsageError


def add_asking(parser: argparse.ArgumentParser, what: str = "say what would be written, and write nothing") -> None:
    """``--dry-run`` and ``--yes``, the same for every command that writes."""
    parser.add_argument("--dry-run", action="store_true", help=what)
    parser.add_argument("--yes", action="store_true", help="write without asking")


def must_be_answerable(options: argparse.Namespace) -> None:
    """To be called before anything is read: with ``--json`` nobody can be asked."""
    if options.json and not (options.yes or options.dry_run):
        raise UsageError("With --json nobody can be asked: add --yes to write, or --dry-run.")


def agreed(options: argparse.Namespace, question: str) -> bool:
    """Whether to write: ``--yes``, or a person's answer to ``question``. ``UsageError`` when nobody is there."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("Nobody is there to be asked: add --yes to write, or --dry-run.")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
