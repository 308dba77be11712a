"""What can be asked for, and how a command's end becomes an exit code: 0 ok, 1 failed, 2 not asked for properly."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from cosell import backfill, consent, migrate, schema, share, solutions
from cosell import commands as looking
from cosell.commands import UsageError, read_settings_file
from shared.domain.errors import ConnectorError
from shared.health.report import VERSION

_DESCRIPTION = "Looks after an installation of the co-sell connector. Changes nothing unless it says so."
_COMMANDS = (
    looking.add_to,
    solutions.add_to,
    consent.add_to,
    migrate.add_to,
    backfill.add_to,
    share.add_to,
    schema.add_to,
)
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
    for add_to in _COMMANDS:
        add_to(commands, common)
    return parser
