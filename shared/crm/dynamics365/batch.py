"""``$batch``: several requests in one, with change sets that happen as a whole or not at all.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from shared.answers import Response

MAX_PARTS = 1000
_JSON = "application/json"


@dataclass(frozen=True)
class Part:
    """One request. ``path`` is relative to the service root, or starts with ``$n``: what part ``n`` of the same change
    set wrote. ``operation`` names it in errors."""

    method: str
    path: str
    operation: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChangeSet:
    """Writes that happen all or none; part ``n``, counted from 1, is ``$n`` in later parts."""

    parts: tuple[Part, ...]


def write_batch(items: Sequence[Part | ChangeSet], root: str, boundary: str) -> bytes:
    """The body of ``POST $batch``; ``root`` is the path of the service root, without a slash at its end.

    Every line ends with CRLF, the last one too: Dataverse answers 0x80048d19 otherwise.
    """
    lines: list[str] = []
    for number, item in enumerate(items):
        lines.append(f"--{boundary}")
        if isinstance(item, Part):
            lines += _part_lines(item, root)
            continue
        inner = f"changes_{number}_{boundary}"
        lines += [f'Content-Type: multipart/mixed; boundary="{inner}"', ""]
        for content_id, part in enumerate(item.parts, start=1):
            lines += [f"--{inner}", *_part_lines(part, root, content_id)]
        lines += [f"--{inner}--", ""]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode()


def _part_lines(part: Part, root: str, content_id: int | None = None) -> list[str]:
    path = part.path if part.path.startswith("$") else f"{root}/{part.path}"
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"{part.method} {path} HTTP/1.1", f"Accept: {_JSON}"]
    if part.body is not None:
        lines.append(f"Content-Type: {_JSON}; charset=utf-8; type=entry")
    lines += [f"{name}: {value}" for name, value in part.headers.items()]
    return [*lines, "", "" if part.body is None else json.dumps(part.body, allow_nan=False)]


def is_batch(response: Response) -> bool:
    return response.header("Content-Type").lower().startswith("multipart/mixed")


def parse_batch(response: Response, operations: Sequence[str] = ()) -> list[Response]:
    """The answers in order, those of change sets in their place. A change set that failed has one answer.

    Raises ``RetryLater`` for a body that is no batch answer.
    """
    head = f"Content-Type: {response.header('Content-Type')}\r\n\r\n".encode()
    message = message_from_bytes(head + response.body)
    if not is_batch(response) or not message.is_multipart():
        raise response.unreadable("something that is no batch answer")
    leaves = [leaf for leaf in message.walk() if not leaf.is_multipart()]
    names = operations if len(operations) == len(leaves) else [response.operation] * len(leaves)
    return [_answer(leaf, response, name) for leaf, name in zip(leaves, names, strict=True)]


def _answer(leaf: Message, outer: Response, operation: str) -> Response:
    payload = leaf.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    head, _, body = raw.lstrip().partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    status = rest.partition(" ")[0]
    if leaf.get_content_type() != "application/http" or not protocol.startswith("HTTP/") or not status.isdecimal():
        raise outer.unreadable("a batch answer with a part that is no HTTP answer")
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if not any(name.lower() == "x-ms-service-request-id" for name in headers) and outer.request_id:
        headers["x-ms-service-request-id"] = outer.request_id
    return Response(int(status), headers, body.strip(), outer.service, operation, outer.writes)
