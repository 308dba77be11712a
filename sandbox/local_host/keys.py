"""The keys of a host: one master key, host keys for all functions, and keys of one function each."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.local_host.configuration import StartRefused


@dataclass(frozen=True)
class Keys:
    """Key values by name. ``functions`` maps a function's name to its own keys."""

    master: str
    host: Mapping[str, str]
    functions: Mapping[str, Mapping[str, str]]

    def allow(self, level: str, given: str, function_name: str = "") -> bool:
        """Whether ``given`` opens a function of that auth level (anonymous, function, admin; in any case)."""
        match level.lower():
            case "anonymous":
                return True
            case "function":
                accepted = [self.master, *self.host.values(), *self.functions.get(function_name, {}).values()]
            case _:
                accepted = [self.master]
        return any(hmac.compare_digest(given.encode(), key.encode()) for key in accepted)


def load_keys(file: Path | None, function_names: Iterable[str]) -> Keys:
    """The keys in ``file``, which is made (mode 0600), or completed by functions that are new to it.

    Without a file the keys live as long as this process. StartRefused if the file is not a keys file.
    """
    content: dict[str, Any] = {"master": _new_key(), "host": {"default": _new_key()}, "functions": {}}
    before = None
    if file is not None and file.exists():
        before = file.read_text(encoding="utf-8")
        content = _parse(file, before)
    for name in function_names:
        content["functions"].setdefault(name, {"default": _new_key()})
    after = json.dumps(content, indent=2) + "\n"
    if file is not None and after != before:
        _write_private(file, after)
    return Keys(content["master"], content["host"], content["functions"])


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
        keys = [content["master"], *content["host"].values()]
        keys += [key for keys_of_function in content["functions"].values() for key in keys_of_function.values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        keys = [None]
    # An empty key would open the function to whoever gives none.
    if not all(isinstance(key, str) and key for key in keys):
        raise StartRefused(
            f'{file} is not a keys file {{"master", "host": {{"default"}}, "functions": {{name: {{"default"}}}}}}: '
            "mend it, or delete it to have new keys made"
        )
    return dict(content)


def _new_key() -> str:
    return secrets.token_urlsafe(40)


def _write_private(file: Path, text: str) -> None:
    """Whole or not at all, since two hosts may share the file."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)
