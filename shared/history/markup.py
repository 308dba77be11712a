"""HTML that cannot be broken out of: whatever is not marked as HTML already is escaped when it is put in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"input", "meta"})
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
"""What HTML forbids in text, and halves of surrogate pairs, which UTF-8 cannot say: vendors' JSON may hold them."""


class Html(str):
    """Text that is HTML already. Only :func:`tag` and :func:`joined` make it."""

    __slots__ = ()


def escaped(content: str) -> Html:
    """``content`` for an element or a quoted attribute; unprintable characters show as �."""
    if isinstance(content, Html):
        return content
    return Html(html.escape(_UNPRINTABLE.sub("\ufffd", content)))


def joined(parts: Iterable[str]) -> Html:
    return Html("".join(escaped(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str | None) -> Html:
    """The element. ``class_`` and ``aria_label`` are the attributes ``class`` and ``aria-label``; ``None`` is none."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{joined(content)}</{name}>")
