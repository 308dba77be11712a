"""What can be asked for, and how a command's end becomes an exit code: 0 ok, 1 failed, 2 not asked for properly."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from cosell.commands import UsageError, read_settings_file, show_health, show_mapping, show_settings
from cosell.solutions import import_solutions
from shared.domain.errors import ConnectorError
from shared.health.probing import DEADLINE_S
from shared.health.report import VERSION

_DESCRIPTION = "Looks after an installation of the co-sell connector. Changes nothing unless it says so."
_EPILOGUE = """
exit codes: 0 all right, 1 something failed or is wrong, 2 the command was not understood

settings come from the environment; with --settings, those in the file win, as in:
  python -m cosell health --settings local.settings.json
"""


def main(arguments: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Does what ``arguments`` ask for and returns the exit code. Settings from a file are put into ``environ``, where
    the libraries that send requests look for theirs."""
    options = _parser().parse_args(arguments)
    try:
        if options.settings:
            environ.update(read_settings_file(options.settings))
        code: int = options.run(options, environ)
        return code
    except UsageError as error:
        return _told(options.json, "usage", str(error), "", 2)
    except ConnectorError as error:
        return _told(options.json, error.code, error.message, error.remedy, 1)
    except KeyboardInterrupt:
        return _told(options.json, "interrupted", "Stopped before the end.", "", 1)


def _told(as_json: bool, code: str, message: str, remedy: str, exit_code: int) -> int:
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message, "remedy": remedy}}, indent=2))
    else:
        print("\n".join(filter(None, (message, remedy))), file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with JSON, for programs")
    common.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a local.settings.json, whose Values are the app settings",
    )
    parser = argparse.ArgumentParser(
        prog="python -m cosell",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"co-sell connector {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_health(commands, common)
    settings = commands.add_parser(
        "settings", parents=[common], help="every setting: default, whether it is set, what for; no values"
    )
    settings.set_defaults(run=show_settings)
    mapping = commands.add_parser(
        "mapping", parents=[common], help="the field mapping as it is with customize.toml laid over it"
    )
    mapping.set_defaults(run=show_mapping)
    _add_solutions(commands, common)
    return parser


def _add_health(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    health = commands.add_parser(
        "health",
        parents=[common],
        help="what of the installation works and what does not; exit code 1 if anything has failed",
        description="Asks Partner Center, the CRM and storage, and says of each what is wrong and what to do.",
    )
    health.add_argument(
        "--deadline",
        type=_seconds,
        default=DEADLINE_S,
        metavar="SECONDS",
        help="how long to wait for each service (default %(default)g)",
    )
    health.set_defaults(run=show_health)


def _add_solutions(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
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
    imported.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    imported.add_argument("--yes", action="store_true", help="write without asking")
    imported.add_argument(
        "--skip-bad", action="store_true", help="leave bad rows out; without it, one of them stops the import"
    )
    imported.set_defaults(run=import_solutions)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("it must be a number of seconds, up to 600")
    return seconds
