"""``schema``: the columns, tables and permissions that the connector needs in the CRM."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from cosell.asking import add_asking, agreed, must_be_answerable
from cosell.commands import UsageError
from shared.connector import build_schema
from shared.crm_settings import crm_settings
from shared.domain.crm_schema import CrmSchema, SchemaDifference, SchemaOptions
from shared.domain.errors import ConfigurationError
from shared.health.set_up import mapping_settings
from shared.setting_types import APP_FOLDER

COMMAND_TIMEOUT_S = 3600.0
_DECLARATION = "schema.toml"
_STANDARD_ERROR = 2


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    schema = commands.add_parser(
        "schema", help="the columns, tables and permissions that the connector needs in the CRM"
    )
    verbs = schema.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = _choices()
    show = verbs.add_parser("show", parents=[common, chosen], help="what the connector needs; asks nobody")
    show.set_defaults(run=show_schema)
    diff = verbs.add_parser(
        "diff",
        parents=[common, chosen],
        help="what of it the CRM lacks; exit code 1 if anything is missing or in the way",
        description="Compares the CRM with what the connector needs. Writes nothing.",
    )
    diff.set_defaults(run=show_difference)
    apply = verbs.add_parser(
        "apply",
        parents=[common, chosen],
        help="install what is missing",
        description="Makes what is missing and leaves what is there as it is. May be repeated: a run that was stopped "
        "goes on where it stopped. For Dynamics 365 sign in as an administrator (az login); for Salesforce it prints "
        "the commands of the sf program, and runs them with --run.",
    )
    add_asking(apply, "say what would be made, and make nothing")
    apply.add_argument("--run", dest="runs_program", action="store_true", help="Salesforce: run the sf commands")
    apply.add_argument(
        "--wait",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="Dynamics 365: how long to wait for the indexes of alternate keys (default %(default)g)",
    )
    apply.set_defaults(run=apply_schema)


def _choices() -> argparse.ArgumentParser:
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument(
        "--file", type=Path, metavar="FILE", help="another declaration than the schema.toml of infra/<CRM>"
    )
    chosen.add_argument(
        "--solution", default="", metavar="NAME", help="Dynamics 365: the solution that takes what is made"
    )
    chosen.add_argument(
        "--application-id",
        type=_guid,
        metavar="GUID",
        help="Dynamics 365: client id of the application user that gets the security role "
        "(default: DYNAMICS365_CLIENT_ID)",
    )
    chosen.add_argument("--target-org", default="", metavar="ALIAS", help="Salesforce: alias in the sf program")
    return chosen


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError("it must be a GUID") from None


def show_schema(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    schema = _schema(options, environ)
    lines = schema.declared()
    print(json.dumps({"crm": schema.name, "declared": lines}, indent=2) if options.json else "\n".join(lines))
    return 0


def show_difference(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    schema = _schema(options, environ)
    return _end(options, schema, schema.difference(), written=False)


def apply_schema(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Nothing is written while something is in the way, nor without a yes."""
    must_be_answerable(options)
    schema = _schema(options, environ)
    difference = schema.difference()
    is_dry = options.dry_run or _yes(environ.get("DRY_RUN", ""))
    if difference.commands:
        return _apply_commands(options, schema, difference, is_dry)
    if is_dry or difference.conflicts or not (difference.missing or difference.building):
        return _end(options, schema, difference, written=False, is_dry=is_dry)
    if not options.json:
        print(_text(schema, difference))
    if difference.missing and not agreed(options, f"Make this in {schema.name}?"):
        print("Nothing was written.")
        return 1
    progress = (lambda what: print(f"... {what}", file=sys.stderr, flush=True)) if not options.json else _silent
    return _end(options, schema, schema.install(progress), written=True)


def _apply_commands(options: argparse.Namespace, schema: CrmSchema, difference: SchemaDifference, is_dry: bool) -> int:
    """The first command is the program's own dry run, the second saves."""
    if not options.runs_program:
        return _end(options, schema, difference, written=False, is_dry=is_dry)
    chosen = difference.commands[:1] if is_dry else difference.commands
    if shutil.which(chosen[0][0]) is None:
        raise ConfigurationError(
            f"The program {chosen[0][0]} is not installed",
            code="no_program",
            remedy="Install it: npm install --global @salesforce/cli. Or run the commands elsewhere.",
        )
    if not options.json:
        print(_text(schema, difference))
    if not is_dry and not agreed(options, f"Deploy this to {schema.name}?"):
        print("Nothing was written.")
        return 1
    for command in chosen:
        _run(command, difference.folder)
    if is_dry or difference.unseen:
        said = "A dry run: nothing was saved." if is_dry else "Deployed, and not looked at afterwards."
        print(
            json.dumps({"crm": schema.name, "written": not is_dry, "ran": chosen}, indent=2) if options.json else said
        )
        return 0
    return _end(options, schema, schema.difference(), written=True)


def _run(command: tuple[str, ...], folder: str) -> None:
    """What the program says goes to where our own progress goes."""
    program = shutil.which(command[0]) or command[0]
    try:
        done = subprocess.run(  # noqa: S603 - the program and its arguments are ours
            [program, *command[1:]], cwd=folder, stdout=_STANDARD_ERROR, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ConfigurationError(
            f"{command[0]} could not be run to its end ({type(problem).__name__})",
            code="program_failed",
            remedy=f"Run it by hand: {shlex.join(command)}",
        ) from None
    if done.returncode:
        raise ConfigurationError(
            f"{shlex.join(command)} ended with {done.returncode}",
            code="program_failed",
            remedy="It says above what is wrong. Mend that, and run this again.",
        )


def _silent(_: str) -> None:
    return


def _yes(text: str) -> bool:
    return text.strip().lower() in ("yes", "true", "1")


def _schema(options: argparse.Namespace, environ: Mapping[str, str]) -> CrmSchema:
    """Settings that are missing are told only where the CRM is asked."""
    if not environ.get("CRM", "").strip():
        raise UsageError("CRM is not set: which CRM's schema? Set it in the environment or with --settings.")
    unset = None
    try:
        settings = crm_settings(environ)
    except ConfigurationError as error:
        unset, settings = error, mapping_settings(environ)
    folder = APP_FOLDER / "infra" / str(settings.crm)
    file = options.file or folder / _DECLARATION
    chosen = SchemaOptions(
        folder=str(folder),
        declaration=_read(file) if options.file or file.is_file() else "",
        source=file.name,
        solution=options.solution,
        application_id=options.application_id or "",
        target=options.target_org,
        wait_s=getattr(options, "wait", 0.0),
        unset=unset,
    )
    return build_schema(settings, chosen)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(
            f"{file} cannot be read ({type(problem).__name__}). Name a declaration like schema.toml."
        ) from None


def _end(
    options: argparse.Namespace, schema: CrmSchema, difference: SchemaDifference, *, written: bool, is_dry: bool = False
) -> int:
    if options.json:
        document = {"crm": schema.name, "written": written, "installed": difference.is_installed, **asdict(difference)}
        print(json.dumps(document, indent=2))
    else:
        print(_text(schema, difference))
        if is_dry:
            print("A dry run: nothing was written.")
    return 0 if difference.is_installed or (is_dry and not difference.conflicts) else 1


def _text(schema: CrmSchema, difference: SchemaDifference) -> str:
    return "\n".join(_said(schema, difference))


def _said(schema: CrmSchema, difference: SchemaDifference) -> Iterator[str]:
    if difference.unseen:
        yield f"{schema.name} was not looked at. {difference.unseen}"
    parts = (
        ("In the way, and never altered by this command:", difference.conflicts),
        ("There already, with a solution of its own, and used as it is:", difference.reused),
        ("Missing:", difference.missing),
        ("Made, and not ready yet:", difference.building),
    )
    for heading, lines in parts:
        if lines:
            yield heading
            yield from (f"  {line}" for line in lines)
    if difference.is_installed:
        yield f"{schema.name} has everything that the connector needs."
    if difference.commands:
        yield f"To install it, in {difference.folder} (first without saving, then for good):"
        yield from (f"  {shlex.join(command)}" for command in difference.commands)
    if difference.by_hand:
        yield "By hand:"
        yield from (f"  {line}" for line in difference.by_hand)
