"""``python -m sandbox.local_host --app .``: serves a function app on this machine.

Prints one line, ``ready http://localhost:<port> <function> <function> ...``, once it serves; its log goes to stderr.
Exit codes: 0 stopped, 1 refused to start (the reason is the last line of stderr), 2 wrong options, 3 stopped with work
still under way after the time to drain.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sandbox.local_host.configuration import StartRefused
from sandbox.local_host.host import DRAIN_TIMEOUT_S, Host
from sandbox.local_host.queues import HIDDEN_S
from sandbox.local_host.storage import HOST_STORAGE

REFUSED, NOT_DRAINED = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    # The worker library logs each failed call with its traceback, and so does this host, with the function's name.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
    app_dir = options.app.resolve()
    options.keys_file = options.keys_file and options.keys_file.resolve()
    try:
        _load_settings(app_dir, options.settings, options.storage)
        sys.path.insert(0, str(app_dir))
        os.chdir(app_dir)  # as the worker does
        asyncio.run(_serve(app_dir, options))
    except StartRefused as refusal:
        _leave(REFUSED, f"the local host cannot start: {refusal}")
    return 0


async def _serve(app_dir: Path, options: argparse.Namespace) -> None:
    host = Host(
        app_dir,
        os.environ,
        port=options.port,
        keys_file=options.keys_file,
        host_id=options.host_id,
        drain_timeout_s=options.drain_timeout_s,
        message_hidden_s=options.message_hidden_s,
    )
    if not await host.run(_announce):
        _leave(NOT_DRAINED, "the local host stopped with work still under way")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.local_host", description="Serves a function app locally.")
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free port")
    parser.add_argument(
        "--settings", type=Path, help='app settings, {"Values": {...}}; default: local.settings.json of the app, if any'
    )
    parser.add_argument("--storage", help=f"connection string of the host storage, for {HOST_STORAGE}")
    parser.add_argument("--keys-file", type=Path, help="JSON file of the keys; made if it is not there")
    parser.add_argument("--host-id", default="", help="hosts with one id and one storage share their timers")
    parser.add_argument(
        "--drain-timeout-s", type=float, default=DRAIN_TIMEOUT_S, help="how long a stop waits for what is under way"
    )
    parser.add_argument(
        "--message-hidden-s",
        type=int,
        default=HIDDEN_S,
        help="how soon a message comes back when its host was killed; Azure's hosts take ten minutes",
    )
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return parser


def _load_settings(app_dir: Path, file: Path | None, storage: str | None) -> None:
    """Puts the app settings into the environment, where the app looks for them; what is set there already wins."""
    chosen = file or app_dir / "local.settings.json"
    if file is not None or chosen.exists():
        try:
            values = json.loads(chosen.read_text(encoding="utf-8"))["Values"]
            settings = {str(name): str(value) for name, value in values.items()}
        except OSError as problem:
            raise StartRefused(f"the settings file {chosen} cannot be read: {problem.strerror}") from problem
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StartRefused(f'the settings file {chosen} is not of the shape {{"Values": {{...}}}}') from None
        for name, value in settings.items():
            os.environ.setdefault(name, value)
    if storage:
        os.environ[HOST_STORAGE] = storage
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    os.environ["AzureWebJobsScriptRoot"] = str(app_dir)  # noqa: SIM112 - the name is Microsoft's


def _announce(port: int, names: Sequence[str]) -> None:
    print(f"ready http://localhost:{port} {' '.join(names)}", flush=True)


def _leave(code: int, message: str) -> NoReturn:
    """Ends the process here and now: threads of the app may still run, and would be waited for."""
    print(message, file=sys.stderr, flush=True)
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
