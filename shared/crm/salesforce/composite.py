"""Several requests in one: all of them happen, or none; each may use what an earlier one answered. No I/O.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.answers import Response
from shared.domain.errors import Rejected

MOST_PARTS = 25
_MOST_ROWS = 200
_COLLECTION = "composite/sobjects"


@dataclass(frozen=True)
class Part:
    """``path`` is relative to the API's root. ``name`` is what later parts call its answer by; blank, none does."""

    method: str
    path: str
    operation: str
    body: Mapping[str, Any] | None = None
    name: str = ""


def inserting(object_name: str, body: Mapping[str, Any], operation: str, name: str = "") -> Part:
    return Part("POST", f"sobjects/{object_name}", operation, body, name)


def changing(object_name: str, row_id: str, body: Mapping[str, Any], operation: str) -> Part:
    return Part("PATCH", f"sobjects/{object_name}/{row_id}", operation, body)


def removing(object_name: str, row_id: str, operation: str) -> Part:
    return Part("DELETE", f"sobjects/{object_name}/{row_id}", operation)


def id_of(name: str) -> str:
    """What stands for the id of the row that the part ``name`` inserts."""
    return f"@{{{name}.id}}"


def first_of(name: str) -> str:
    """What stands for the id of the first row that the query ``name`` finds. Without one, nothing at all is written."""
    return f"@{{{name}.records[0].Id}}"


def write_composite(parts: Sequence[Part], root: str, *, all_or_none: bool = True) -> dict[str, Any]:
    """The request. Collation is off: with it, the order in which parts run would not be sure.

    Raises ``Rejected`` where even whole collections of rows leave more parts than fit.
    """
    if len(parts) > MOST_PARTS:
        raise Rejected(
            f"This deal takes {len(parts)} writes at once, and Salesforce takes {MOST_PARTS}",
            code="too_many_parts",
            remedy="Remove some of its solutions or people on one side.",
            service="Salesforce",
        )
    return {
        "allOrNone": all_or_none,
        "collateSubrequests": False,
        "compositeRequest": [
            {
                "method": part.method,
                "url": f"{root}/{part.path}",
                "referenceId": part.name or f"part{number}",
                **({} if part.body is None else {"body": part.body}),
            }
            for number, part in enumerate(parts)
        ],
    }


def parse_composite(response: Response, parts: Sequence[Part]) -> list[Response]:
    """One answer for each part, in order. Raises ``RetryLater`` for an answer of another shape."""
    answers = response.json_object().get("compositeResponse")
    if not isinstance(answers, list) or len(answers) != len(parts):
        raise response.unreadable("another number of answers than requests")
    found = []
    for part, answer in zip(parts, answers, strict=True):
        if not isinstance(answer, dict) or not isinstance(answer.get("httpStatusCode"), int):
            raise response.unreadable("JSON of another shape than documented")
        body = answer.get("body")
        found.append(
            Response(
                status=answer["httpStatusCode"],
                headers=answer.get("httpHeaders") or {},
                body=b"" if body is None else json.dumps(body).encode(),
                service=response.service,
                operation=part.operation,
                writes=part.method != "GET",
            )
        )
    return found


def gathered(parts: Sequence[Part]) -> list[Part]:
    """``parts`` as they are, if they fit; else with writes of rows that no other part names taken together.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
    """
    if len(parts) <= MOST_PARTS:
        return list(parts)
    whole: list[Part] = []
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        if part.name or not part.operation.startswith("solution."):
            whole.append(part)
        else:
            groups.setdefault((part.method, part.operation), []).append(part)
    reads = [part for part in whole if part.method == "GET" and part is whole[-1]]
    together = [_collection(rows) for rows in groups.values()]
    return [*whole[: len(whole) - len(reads)], *together, *reads]


def _collection(parts: Sequence[Part]) -> Part:
    method, operation = parts[0].method, parts[0].operation
    if len(parts) > _MOST_ROWS:
        raise Rejected(
            f"This deal has {len(parts)} rows to write at once, and Salesforce takes {_MOST_ROWS}",
            code="too_many_parts",
            remedy="Remove some of its solutions.",
            service="Salesforce",
        )
    if method == "DELETE":
        ids = ",".join(part.path.rpartition("/")[2] for part in parts)
        return Part("DELETE", f"{_COLLECTION}?ids={ids}&allOrNone=true", operation)
    return Part(method, _COLLECTION, operation, {"allOrNone": True, "records": [_record(part) for part in parts]})


def _record(part: Part) -> dict[str, Any]:
    _, object_name, *row_id = part.path.split("/")
    named = {"id": row_id[0]} if row_id else {}
    return {"attributes": {"type": object_name}, **named, **(part.body or {})}
