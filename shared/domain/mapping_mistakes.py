"""What is wrong with a mapping file, said so that whoever wrote it finds the line and knows what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from shared.domain.toml_lines import UNNAMED, Place, line_of

_WORDS = {
    "extra_forbidden": "there is no such key: correct its spelling, or remove it",
    "missing": "it is missing: add it",
}
"""By pydantic's type of error, where its own words do not say what to do."""


def describe_mistakes(
    problem: ValidationError, document: Mapping[str, Any], lines: Mapping[Place, int] | None = None, under: Place = ()
) -> str:
    """Each mistake with its line, its place (rows by their name and not by their number) and what to do.

    ``document`` stands at ``under`` in the file that ``lines`` are of. A place that is not in that file has no line.
    """
    said = []
    for mistake in problem.errors(include_url=False, include_input=False):
        place, shown = list(under), list(under)
        node: Any = document
        for step in mistake["loc"]:
            node = _step(node, step)
            is_row = isinstance(step, int) and isinstance(node, Mapping)
            name = node.get("name", UNNAMED) if is_row else step
            place.append(str(name))
            shown.append(str(step if name is UNNAMED else name))
        message = _WORDS.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
        line = line_of(lines or {}, (*place, *_named_in(message)))
        said.append(f"{f'line {line}, ' if line else ''}{'.'.join(shown) or 'file'}: {message}")
    return "; ".join(said)


def _step(node: Any, step: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(step)
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def _named_in(message: str) -> Place:
    """The keys below the place that ``message`` begins with, like ``account.match``."""
    first = message.partition(" ")[0]
    return tuple(first.split(".")) if re.fullmatch(r"\w+(\.\w+)+", first) else ()
