"""How things are put into Table Storage entities, within what the service allows.

https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
Azurite does not hold to these limits; the service does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.errors import ConnectorError, Rejected

PROPERTY_LIMIT_CHARS = 32_000
"""A text property holds 64 KiB of UTF-16; a little less leaves no doubt."""
DOCUMENT_LIMIT_CHARS = 15 * PROPERTY_LIMIT_CHARS
"""960,000 bytes of UTF-16, which leaves the entity's other properties 88 KB."""
ENTITY_LIMIT_BYTES = 1024 * 1024
PROPERTY_LIMIT_COUNT = 252
KEY_LIMIT_CHARS = 512

_SYSTEM_PROPERTIES = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_LAST_TICK = datetime.max.replace(tzinfo=UTC)

Entity = dict[str, Any]


def pack(name: str, document: Any) -> Entity:
    """``document``, anything JSON can say, as text properties ``name_0``, ``name_1``, ...

    Raises ``Rejected`` for what does not fit into one entity. ASCII only, so a character is always one UTF-16 unit.
    """
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    if len(text) > DOCUMENT_LIMIT_CHARS:
        raise Rejected(
            f"The {name} of a deal is {len(text):,} characters long, and {DOCUMENT_LIMIT_CHARS:,} can be stored",
            code="too_large",
            remedy="Shorten the longest text of the deal.",
        )
    parts = [text[start : start + PROPERTY_LIMIT_CHARS] for start in range(0, len(text), PROPERTY_LIMIT_CHARS)]
    return {f"{name}_parts": len(parts), **{f"{name}_{index}": part for index, part in enumerate(parts)}}


def unpack(name: str, entity: Mapping[str, Any]) -> Any:
    """What :func:`pack` was given, or ``None`` where nothing was packed under this name."""
    if f"{name}_parts" not in entity:
        return None
    try:
        return json.loads("".join(entity[f"{name}_{index}"] for index in range(entity[f"{name}_parts"])))
    except (KeyError, TypeError, ValueError) as error:
        raise ConnectorError(
            f"The stored {name} of {unescape_key(str(entity.get('PartitionKey', '')))!r} is damaged",
            code="damaged_state",
            remedy="Delete the row from the table; the next sync makes it anew.",
        ) from error


def require_within_limits(entity: Mapping[str, Any]) -> None:
    """Raises ``Rejected`` for an entity that the service would refuse for its size."""
    own = [name for name in entity if name not in _SYSTEM_PROPERTIES]
    size = 4 + 2 * (len(entity["PartitionKey"]) + len(entity["RowKey"]))
    size += sum(8 + 2 * len(name) + _size_bytes(entity[name]) for name in own)
    long = [name for name in own if isinstance(entity[name], str) and _size_bytes(entity[name]) > 64 * 1024 + 4]
    if size > ENTITY_LIMIT_BYTES or long or len(own) > PROPERTY_LIMIT_COUNT:
        what = f"property {long[0]} is over 64 KiB" if long else f"{size:,} bytes in {len(own)} properties"
        raise Rejected(
            f"The row of {unescape_key(entity['PartitionKey'])!r} is too large to be stored: {what}",
            code="too_large",
            remedy="Shorten the longest text of the deal.",
        )


def _size_bytes(value: Any) -> int:
    """As the service counts: text by UTF-16 unit, and no other type that we store takes more than 8 bytes."""
    return len(value.encode("utf-16-le", "surrogatepass")) + 4 if isinstance(value, str) else 8


def escape_key(key: str) -> str:
    r"""``key`` as a PartitionKey or RowKey: ``/ \ # ?``, control and other odd characters as ``~`` and two hex digits.

    Raises ``Rejected`` for an empty key, and for one over 1 KiB.
    """
    escaped = re.sub(
        r"[^A-Za-z0-9._-]",
        lambda match: "".join(f"~{byte:02x}" for byte in match.group().encode("utf-8", "surrogatepass")),
        key,
    )
    if not 0 < len(escaped) <= KEY_LIMIT_CHARS:
        raise Rejected(f"An id of {len(key)} characters cannot be stored: {key[:40]!r}", code="bad_id")
    return escaped


def unescape_key(escaped: str) -> str:
    """The inverse of :func:`escape_key`."""
    return re.sub(
        r"(?:~[0-9a-f]{2})+",
        lambda match: bytes.fromhex(match.group().replace("~", "")).decode("utf-8", "surrogatepass"),
        escaped,
    )


def newest_first_key(at: datetime, suffix: str) -> str:
    """A RowKey by which later times come first; ``suffix`` tells rows of one microsecond apart."""
    microseconds = (_LAST_TICK - at) // timedelta(microseconds=1)
    return f"{microseconds:018d}-{suffix}"


def time_of_key(row_key: str) -> datetime | None:
    """The time in a :func:`newest_first_key`, ``None`` for any other text."""
    match = re.fullmatch(r"([0-9]{18})-[0-9a-z]+", row_key)
    if match is None:
        return None
    try:
        return _LAST_TICK - timedelta(microseconds=int(match.group(1)))
    except OverflowError:
        return None


def cut(text: str, limit_chars: int) -> str:
    """``text``, or its beginning and an ellipsis."""
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"
