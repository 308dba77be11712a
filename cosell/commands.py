"""The commands that only look."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.connector import build_connector
from shared.domain.errors import ConnectorError
from shared.domain.mapping import CrmMapping
from shared.health.checking import check_installation
from shared.health.probing import DEADLINE_S
from shared.health.report import report_document, report_text
from shared.health.set_up import mapping_settings
from shared.mapping_files import load_mapping, mapping_table
from shared.settings import Settings, load_settings, settings_table


class UsageError(Exception):
    """The command was not asked for properly; the text says how to."""


def read_settings_file(file: Path) -> dict[str, str]:
    """``Values`` of a ``local.settings.json``. Its text appears in no error: it holds secrets.

    https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}. Name a local.settings.json.") from None
    except ValueError as problem:
        where = f" (line {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise UsageError(f"{file} is not JSON{where}. Mend it, or name a local.settings.json.") from None
    if isinstance(document, dict) and document.get("IsEncrypted") is True:
        raise UsageError(f"{file} is encrypted. Decrypt it with: func settings decrypt")
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise UsageError(f'{file} has no "Values" with texts in them, as a local.settings.json has.')
    return values


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
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
    settings = commands.add_parser(
        "settings", parents=[common], help="every setting: default, whether it is set, what for; no values"
    )
    settings.set_defaults(run=show_settings)
    mapping = commands.add_parser(
        "mapping", parents=[common], help="the field mapping as it is with customize.toml laid over it"
    )
    mapping.set_defaults(run=show_mapping)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("it must be a number of seconds, up to 600")
    return seconds


def show_health(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    report = check_installation(environ, build_connector, options.deadline)
    print(json.dumps(report_document(report), indent=2) if options.json else report_text(report))
    return 1 if report.has_failed else 0


def show_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """The table, and after it what is wrong."""
    problem = _problem(environ)
    if options.json:
        print(json.dumps({"settings": list(_settings(environ)), "wrong": problem}, indent=2))
    else:
        print(settings_table(environ))
        if problem:
            print(f"\n{problem}", file=sys.stderr)
    return 1 if problem else 0


def show_mapping(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Needs CRM and the settings that name fields and stages; the others may be missing."""
    if not environ.get("CRM", "").strip():
        raise UsageError("CRM is not set: which CRM's mapping? Set it in the environment or with --settings.")
    mapping = load_mapping(mapping_settings(environ))
    if options.json:
        print(json.dumps(_mapping_document(mapping), indent=2))
    else:
        stages = "\n".join(f"  {stage}: {name}" for stage, name in mapping.stages.items())
        print(f"{mapping_table(mapping)}\n\nStages\n{stages}")
    return 0


def _problem(environ: Mapping[str, str]) -> str:
    try:
        load_settings(environ)
    except ConnectorError as error:
        return error.message
    return ""


def _settings(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "name": str(field.validation_alias),
            "what_for": field.description,
            "example": (field.examples or [""])[0],
            "required": field.is_required(),
            "is_set": bool(environ.get(str(field.validation_alias), "").strip()),
        }
        for field in Settings.model_fields.values()
    ]


def _mapping_document(mapping: CrmMapping) -> dict[str, Any]:
    return {
        "records": {
            kind.value: {
                "fields": [row.model_dump(mode="json") for row in record.all_fields],
                "constants": dict(record.constants),
                "account": record.account and record.account.model_dump(mode="json"),
            }
            for kind, record in mapping.records.items()
        },
        "stages": dict(mapping.stages),
    }
