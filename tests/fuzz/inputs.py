"""Nonsense of every kind: texts that break parsers, JSON of any shape, and documents with one thing wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

# The same examples in every run, so that a run of CI tells of a change of the code and of nothing else.
BOUNDED = settings(max_examples=200, deadline=None, derandomize=True)
FEW = settings(max_examples=80, deadline=None, derandomize=True)

HOSTILE_TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\r\nX-Injected: 1",
        "'",
        "' or 1 eq 1",
        "%27",
        "\\'",
        "\\",
        '"',
        "‘’“”",
        "<script>alert(1)</script>",
        "</td>",
        "javascript:alert(1)",
        "../../etc/passwd",
        "{{7*7}}",
        "${jndi:ldap://contoso.example}",
        "\u202egnp.exe",
        "\ud800",
        "ﷺ" * 300,
        "𝕏",
        "é",
        "é",
        "٣",
        "NaN",
        "1e999",
        "-0",
        "9" * 400,
        "0x1F",
        "2026-02-30",
        "9999-12-31T23:59:59.9999999+14:00",
        "0001-01-01T00:00:00-23:59",
        "true",
        "null",
        "x" * 5000,
    ]
)
TEXTS = st.one_of(HOSTILE_TEXTS, st.text(max_size=40))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    TEXTS,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)

Path = tuple[str | int, ...]


def paths(document: Any, here: Path = ()) -> Iterator[Path]:
    """Every place in the document, its own root left out."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*here, key)
        yield from paths(value, (*here, key))


INSTEAD = (None, True, 5, -1.5, "", "x", [], {}, [5], ["x"], [[]], {"a": 1})


def each_with_one_thing_wrong(document: Any) -> Iterator[Any]:
    """The document once for every place in it and every kind of wrong value, and once without that place."""
    for *steps, last in paths(document):
        for instead in (*INSTEAD, ...):
            broken = copy.deepcopy(document)
            holder = broken
            for step in steps:
                holder = holder[step]
            if instead is ...:
                del holder[last]
            else:
                holder[last] = copy.deepcopy(instead)
            yield broken


@st.composite
def with_something_wrong(draw: st.DrawFn, document: Any, replacements: st.SearchStrategy[Any] = JSON) -> Any:
    """``document`` with one to three places dropped or replaced."""
    broken = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths(broken))
        if not places:
            break
        *steps, last = draw(st.sampled_from(places))
        holder = broken
        for step in steps:
            holder = holder[step]
        if draw(st.booleans()):
            holder[last] = draw(replacements)
        else:
            del holder[last]
    return broken
