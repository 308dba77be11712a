"""Up to 25 requests in one, which may use each other's results; all of them or, if so asked, none.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from sandbox.salesforce import errors
from sandbox.salesforce.messages import Answer, Request, refusal, split_target
from sandbox.salesforce.rows import Rows
from sandbox.salesforce.values import json_text

_MOST_PARTS = 25
_MOST_READS = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)\.([^}]+)\}")
_FORBIDDEN_HEADERS = frozenset({"accept", "authorization", "content-type"})
Dispatch = Callable[[Request], Answer]


class _RolledBack(Exception):
    """Takes the savepoint back."""


def run_composite(
    rows: Rows, dispatch: Dispatch, request: Request, meanwhile: list[Callable[[], None]], *, escape_html: bool
) -> Answer:
    """200 whenever the envelope is right; what became of each part is said in its ``httpStatusCode``.

    ``meanwhile`` are acts of other people that land right before the first part that writes. ``escape_html``: texts of
    the answer are escaped as for a page, which a client written by others (aiosalesforce) undoes, and which
    Salesforce's pages do not mention.
    """
    document = request.json()
    parts = _parts(document)
    all_or_none = document.get("allOrNone") is True
    results: dict[str, Answer] = {}
    try:
        with rows.savepoint():
            for part in parts:
                name = part["referenceId"]
                while meanwhile and part["method"].upper() != "GET":
                    meanwhile.pop(0)()
                results[name] = _run(rows, dispatch, request, part, results)
                if all_or_none and _has_failed(results[name]):
                    raise _RolledBack
    except _RolledBack:
        results = {part["referenceId"]: _after_failure(results.get(part["referenceId"])) for part in parts}
    shown = [_shown(part["referenceId"], results) for part in parts]
    return Answer(200, {"compositeResponse": _escaped(shown) if escape_html else shown})


def _has_failed(answer: Answer) -> bool:
    """Collections answer 200 whatever became of their rows; one row that failed takes the whole request back, and the
    others of its collection may still say that they were saved."""
    rows = answer.body if isinstance(answer.body, list) else []
    return answer.status >= 300 or any(isinstance(row, dict) and row.get("success") is False for row in rows)


def _after_failure(answer: Answer | None) -> Answer:
    if answer is not None and _has_failed(answer):
        return answer
    message = "The transaction was rolled back since another operation in the same transaction failed."
    return _halted(message)


def _halted(message: str) -> Answer:
    return Answer(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])


def _shown(name: str, results: dict[str, Answer]) -> dict[str, Any]:
    answer = results[name]
    return {
        "body": answer.body,
        "httpHeaders": answer.headers,
        "httpStatusCode": answer.status,
        "referenceId": name,
    }


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _escaped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return html.escape(value) if isinstance(value, str) else value


def _parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    parts = document.get("compositeRequest")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise errors.not_json("compositeRequest must be an array of objects at [line:1, column:2]")
    names = [str(part.get("referenceId")) for part in parts]
    reads = [part for part in parts if re.search(r"/query|/composite/sobjects", str(part.get("url")))]
    wrong = {
        f"Cannot have more than {_MOST_PARTS} subrequests": len(parts) > _MOST_PARTS,
        f"Cannot have more than {_MOST_READS} query or collections subrequests": len(reads) > _MOST_READS,
        "referenceId must be letters, digits and underscores": not all(map(_NAME.fullmatch, names)),
        "referenceId must be unique": len(set(names)) < len(names),
        "method and url are required": not all(_is_complete(part) for part in parts),
        "Accept, Authorization and Content-Type are not allowed in httpHeaders": any(
            _FORBIDDEN_HEADERS & {name.casefold() for name in part.get("httpHeaders") or {}} for part in parts
        ),
    }
    for message, is_so in wrong.items():
        if is_so:
            raise errors.SalesforceError(400, "INVALID_COMPOSITE_REQUEST", message)
    return parts


def _is_complete(part: dict[str, Any]) -> bool:
    return isinstance(part.get("method"), str) and isinstance(part.get("url"), str)


def _run(rows: Rows, dispatch: Dispatch, outer: Request, part: dict[str, Any], results: dict[str, Answer]) -> Answer:
    missing: list[str] = []
    url = _filled(part["url"], results, missing, in_url=True)
    body = _deep(part.get("body"), results, missing)
    if missing:
        return _halted(f"Invalid reference specified. No value for {missing[0]} found in {missing[0].split('.')[0]}")
    target = split_target(url)
    if target is None:
        return refusal(errors.no_such_resource())
    version, segments, parameters = target
    if segments[:1] == ("composite",) and segments[1:2] != ("sobjects",):
        return refusal(errors.no_such_resource())
    headers = CIMultiDict({**outer.headers, **(part.get("httpHeaders") or {}), "Content-Type": "application/json"})
    inner = Request(
        method=part["method"].upper(),
        version=version,
        segments=segments,
        parameters=parameters,
        headers=headers,
        body=b"" if body is None else json_text(body).encode(),
        user_id=outer.user_id,
    )
    try:
        with rows.savepoint():
            return dispatch(inner)
    except errors.SalesforceError as error:
        return refusal(error)


def _deep(value: Any, results: dict[str, Answer], missing: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _deep(item, results, missing) for name, item in value.items()}
    if isinstance(value, list):
        return [_deep(item, results, missing) for item in value]
    return _filled(value, results, missing, in_url=False) if isinstance(value, str) else value


def _filled(text: str, results: dict[str, Answer], missing: list[str], *, in_url: bool) -> str:
    def replaced(match: re.Match[str]) -> str:
        answer = results.get(match.group(1))
        found = _reached(answer.body, match.group(2)) if answer and answer.status < 300 else None
        if found is None:
            missing.append(f"{match.group(1)}.{match.group(2)}")
            return ""
        shown = found if isinstance(found, str) else json_text(found)
        return quote(shown, safe="") if in_url else shown

    return _REFERENCE.sub(replaced, text)


def _reached(value: Any, path: str) -> Any:
    """What ``records[0].Id`` names; names are compared with case."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return value
