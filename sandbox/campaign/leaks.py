"""Looks through the logs of all hosts for what must never be in one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.azurite import ACCOUNT_KEY
from sandbox.campaign.cast import personal_words
from sandbox.crms import SECRET

_BEARER = r"eyJ[A-Za-z0-9_-]{20,}|00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{20,}|\b1\.[A-Za-z0-9_-]{60,}"
"""Access tokens of Entra and of Salesforce, and refresh tokens."""


def keys_in(file: Path) -> list[str]:
    """Every function key and the master key."""
    return list(_texts(json.loads(file.read_text(encoding="utf-8"))))


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, dict):
        for value in found.values():
            yield from _texts(value)
    elif isinstance(found, str):
        yield found


def find_leaks(logs: Iterable[Path], keys: Iterable[str]) -> list[str]:
    """Where something is, as file and line number: the text itself would leak again."""
    secrets = [re.escape(text) for text in (SECRET, ACCOUNT_KEY, *keys)]
    wanted = re.compile("|".join([*secrets, _BEARER, *(re.escape(word) for word in personal_words())]), re.IGNORECASE)
    found = []
    for log in logs:
        with log.open(encoding="utf-8", errors="replace") as lines:
            found += [f"{log.name}:{number}" for number, line in enumerate(lines, 1) if wanted.search(line)]
    return found
