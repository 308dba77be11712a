"""A request and an answer, whether they travel alone or inside a ``$batch``."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict

from sandbox.dataverse import errors
from sandbox.dataverse.values import json_text

JSON_TYPE = "application/json; odata.metadata=minimal"
MAX_PAGE_SIZE = 5000
_PREFERENCE = re.compile(r"""([\w.\-]+)(?:\s*=\s*("[^"]*"|[^,;\s]*))?""")


@dataclass(frozen=True)
class Preferences:
    """The ``Prefer`` header, whether it came as one line or as several.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
    """

    given: Mapping[str, str]

    @classmethod
    def parse(cls, lines: list[str]) -> Preferences:
        found = _PREFERENCE.findall(",".join(lines))
        return cls({name: value.strip('"') for name, value in found})

    @property
    def representation(self) -> bool:
        return self.given.get("return") == "representation"

    @property
    def track_changes(self) -> bool:
        return "odata.track-changes" in self.given

    @property
    def continue_on_error(self) -> bool:
        return "odata.continue-on-error" in self.given

    @property
    def page_size(self) -> int | None:
        text = self.given.get("odata.maxpagesize", "")
        return min(int(text), MAX_PAGE_SIZE) if text.isdigit() and int(text) > 0 else None

    def wants_annotation(self, name: str) -> bool:
        patterns = self.given.get("odata.include-annotations", "").split(",")
        return any(pattern.strip() and fnmatch.fnmatchcase(name, pattern.strip()) for pattern in patterns)


@dataclass(frozen=True)
class Request:
    """``path`` is relative to the service root and decoded; ``root`` is the service root with a trailing slash."""

    method: str
    path: str
    query: str
    headers: CIMultiDict[str]
    body: bytes
    root: str
    caller_id: str

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def url(self) -> str:
        return self.root + self.path

    @property
    def preferences(self) -> Preferences:
        return Preferences.parse(self.headers.getall("Prefer", []))

    def condition(self, name: str) -> str | None:
        """``If-Match`` or ``If-None-Match``; clients send the word ``null`` to keep caches out of the way."""
        value = self.headers.get(name)
        return None if value in {None, "", "null"} else value

    def json(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            raise errors.bad_batch("The request body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise errors.bad_batch("The request body must be a JSON object.")
        return document


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        return isinstance(self.body, str)

    def payload(self) -> bytes:
        if self.body is None:
            return b""
        return (self.body if isinstance(self.body, str) else json_text(self.body)).encode()

    def all_headers(self) -> dict[str, str]:
        headers = {"OData-Version": "4.0", **self.headers}
        if self.body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "text/plain" if self.is_text else JSON_TYPE
        return headers


def refusal(error: errors.DataverseError) -> Answer:
    return Answer(error.status, error.body())


def split_url(url: str, root: str) -> tuple[str, str]:
    """Path relative to the service root, decoded, and the query; ``url`` may be absolute, rooted or relative."""
    address, _, query = url.partition("?")
    path = unquote(address)
    match = re.match(r"(?:https?://[^/]+)?/?api/data/v9\.\d/", path)
    path = path[match.end() :] if match else path.removeprefix(root).lstrip("/")
    return path, query
