"""``$batch``: many requests in one, change sets that are done whole or not at all, ``$1`` for a row just created.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from multidict import CIMultiDict

from sandbox.dataverse import errors
from sandbox.dataverse.messages import Answer, Request, refusal, split_url
from sandbox.dataverse.service import Service
from sandbox.dataverse.values import json_text, new_id

MAX_OPERATIONS = 1000
_LINE_END = b"\r\n"
_BOUNDARY = re.compile(r'multipart/mixed\s*;.*?boundary="?([^";]+)"?', re.IGNORECASE)
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S.*?) HTTP/1\.1")
_REFERENCE = re.compile(r"\$([\w-]+)(?=$|[/?])")


@dataclass(frozen=True)
class _Part:
    headers: CIMultiDict[str]
    content: bytes

    @property
    def boundary(self) -> str | None:
        return _boundary(self.headers.get("Content-Type", ""))


@dataclass(frozen=True)
class _Operation:
    """One request of the batch; ``url`` and ``body`` may still hold references to rows of its change set."""

    method: str
    url: str
    headers: CIMultiDict[str]
    body: bytes
    content_id: str | None

    def resolved(self, outer: Request, created: Mapping[str, str]) -> Request:
        url = self.url
        reference = _REFERENCE.match(url.removeprefix(outer.root).lstrip("/"))
        if reference and reference.group(1) != "batch":
            url = _created(created, reference.group(1)) + url.removeprefix(outer.root).lstrip("/")[reference.end() :]
        path, query = split_url(url, outer.root)
        body = self.body
        if b"@odata" in body:
            document = json.loads(body, parse_float=Decimal)
            body = json_text(_with_references(document, created)).encode()
        return Request(self.method, path, query, self.headers, body, outer.root, outer.caller_id)


class _Stopped(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def run_batch(service: Service, request: Request, *, failure_status: int = 400) -> Answer:
    """The multipart answer. Without ``odata.continue-on-error`` the first failure ends it, and is all that is told."""
    try:
        boundary = _boundary(request.headers.get("Content-Type", ""))
        if request.method != "POST" or boundary is None:
            raise errors.bad_batch("The content type of a batch request must be multipart/mixed with a boundary.")
        units = _units(_parts(request.body, boundary))
    except errors.DataverseError as error:
        return refusal(error)
    answers: list[bytes] = []
    for unit in units:
        made, failed = _run_unit(service, request, unit)
        if failed and not request.preferences.continue_on_error:
            return _multipart([made], "batchresponse", failure_status)
        answers.append(made)
    return _multipart(answers, "batchresponse", 200)


def _run_unit(service: Service, request: Request, unit: list[_Operation] | _Operation) -> tuple[bytes, bool]:
    if isinstance(unit, _Operation):
        answer = _answer(service, unit, request, {})
        return _http_part(answer, unit.content_id), answer.status >= HTTPStatus.BAD_REQUEST
    made: list[bytes] = []
    created: dict[str, str] = {}
    try:
        with service.rows.all_or_nothing():
            for operation in unit:
                answer = _answer(service, operation, request, created)
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise _Stopped(answer)
                made.append(_http_part(answer, operation.content_id))
                _remember(created, operation, answer, request)
    except _Stopped as stopped:
        return _http_part(stopped.answer, None), True
    whole = _multipart(made, "changesetresponse", 200)
    return f"Content-Type: {whole.headers['Content-Type']}\r\n\r\n".encode() + whole.payload(), False


def _answer(service: Service, operation: _Operation, request: Request, created: Mapping[str, str]) -> Answer:
    try:
        return service.answer(operation.resolved(request, created))
    except errors.DataverseError as error:
        return refusal(error)
    except ValueError:
        return refusal(errors.bad_batch("The body of an operation in the batch is not valid JSON."))


def _remember(created: dict[str, str], operation: _Operation, answer: Answer, request: Request) -> None:
    location = answer.headers.get("OData-EntityId")
    if location is None and isinstance(answer.body, dict):
        row_ids = [value for name, value in answer.body.items() if name.endswith("id") and "@" not in name]
        set_name = split_url(operation.url, request.root)[0].split("(")[0]
        location = f"{request.root}{set_name}({row_ids[0]})" if row_ids else None
    if operation.content_id and location:
        created[operation.content_id] = location


def _created(created: Mapping[str, str], content_id: str) -> str:
    if content_id not in created:
        message = f"Content-ID Reference: '${content_id}' does not exist in the batch context."
        raise errors.DataverseError(400, "0x0", message)
    return created[content_id]


def _with_references(value: Any, created: Mapping[str, str]) -> Any:
    """``$1`` replaced where it stands for a row: in ``@odata.bind`` and ``@odata.id``."""
    if isinstance(value, list):
        return [_with_references(item, created) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, item in value.items():
        is_link = name.endswith("@odata.bind") or name == "@odata.id"
        match = _REFERENCE.fullmatch(item.lstrip("/")) if is_link and isinstance(item, str) else None
        made[name] = _created(created, match.group(1)) if match else _with_references(item, created)
    return made


def _boundary(content_type: str) -> str | None:
    match = _BOUNDARY.match(content_type.strip())
    return match.group(1).strip() if match else None


def _units(parts: list[_Part]) -> list[list[_Operation] | _Operation]:
    units: list[list[_Operation] | _Operation] = []
    total = 0
    for part in parts:
        if part.boundary is None:
            units.append(_operation(part))
            total += 1
            continue
        change_set = [_operation(inner) for inner in _parts(part.content, part.boundary)]
        if any(operation.method == "GET" for operation in change_set):
            raise errors.bad_batch("GET requests are not allowed inside a change set.")
        units.append(change_set)
        total += len(change_set)
    if total > MAX_OPERATIONS:
        raise errors.bad_batch(f"The batch has {total} operations; the maximum is {MAX_OPERATIONS}.")
    return units


def _parts(body: bytes, boundary: str) -> list[_Part]:
    """Raises 0x80048d19 where a line does not end in CRLF: the service then cannot read the stream."""
    if re.search(rb"(?<!\r)\n", body) or not body.endswith(_LINE_END):
        raise errors.bad_batch("Stream was not readable.")
    delimiter = b"--" + boundary.encode()
    text = _LINE_END + body
    pieces = text.split(_LINE_END + delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise errors.bad_batch("Stream was not readable.")
    return [_part(piece.removeprefix(_LINE_END)) for piece in pieces[1:-1]]


def _part(piece: bytes) -> _Part:
    head, separator, content = (b"", b"", piece) if piece.startswith(_LINE_END) else piece.partition(_LINE_END * 2)
    if not separator:
        raise errors.bad_batch("A part of the batch has no headers.")
    # The line end before the next boundary belongs to the boundary; a nested multipart needs its own.
    return _Part(_headers(head), content + _LINE_END)


def _headers(text: bytes) -> CIMultiDict[str]:
    lines = [line.partition(":") for line in text.decode().split("\r\n") if line]
    return CIMultiDict((name.strip(), value.strip()) for name, _, value in lines)


def _operation(part: _Part) -> _Operation:
    if part.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/http":
        raise errors.bad_batch("The content type of a part must be application/http.")
    line, _, rest = part.content.lstrip(_LINE_END).partition(_LINE_END)
    match = _REQUEST_LINE.fullmatch(line.decode())
    if match is None:
        raise errors.bad_batch("The request line of an operation in the batch is not valid.")
    head, _, body = (b"", b"", rest) if rest.startswith(_LINE_END) else rest.partition(_LINE_END * 2)
    headers = _headers(head)
    if match.group(2).split("?")[0].endswith("$batch"):
        raise errors.bad_batch("A batch request cannot contain another batch request.")
    content_id = part.headers.get("Content-ID") or headers.get("Content-ID")
    return _Operation(match.group(1), match.group(2), headers, body.strip(), content_id)


def _http_part(answer: Answer, content_id: str | None) -> bytes:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    headers = answer.all_headers()
    if "OData-EntityId" in headers:
        headers = {"Location": headers["OData-EntityId"], **headers}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + answer.payload()


def _multipart(parts: list[bytes], name: str, status: int) -> Answer:
    boundary = f"{name}_{new_id()}"
    pieces = [f"--{boundary}\r\n".encode() + part + _LINE_END for part in parts]
    text = (b"".join(pieces) + f"--{boundary}--\r\n".encode()).decode()
    return Answer(status, text, {"Content-Type": f"multipart/mixed; boundary={boundary}"})
