"""A request and an answer, whether they travel alone or inside a composite request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict

from sandbox.salesforce import errors
from sandbox.salesforce.queries import MAX_PAGE
from sandbox.salesforce.values import json_text, moment_text

JSON_TYPE = "application/json;charset=UTF-8"
DATA_ROOT = "/services/data"
OLDEST_VERSION, NEWEST_VERSION = 31, 66
_VERSION = re.compile(r"v(\d+)\.0")


@dataclass(frozen=True)
class Request:
    """``segments``: the path behind the version, each segment decoded by itself; ``version`` like ``66.0``."""

    method: str
    version: str
    segments: tuple[str, ...]
    parameters: Mapping[str, str]
    headers: CIMultiDict[str]
    body: bytes
    user_id: str

    @property
    def version_number(self) -> int:
        return int(self.version.partition(".")[0])

    def json(self) -> dict[str, Any]:
        content_type = self.headers.get("Content-Type", "")
        if "json" not in content_type:
            raise errors.unsupported_media(content_type)
        try:
            document = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            raise errors.not_json("Unexpected character or end of input at [line:1, column:1]") from None
        if not isinstance(document, dict):
            raise errors.not_json("The JSON body must be an object at [line:1, column:1]")
        return document

    @property
    def batch_size(self) -> int:
        """``Sforce-Query-Options: batchSize=500``; a wish only."""
        match = re.search(r"batchSize\s*=\s*(\d+)", self.headers.get("Sforce-Query-Options", ""), re.IGNORECASE)
        return int(match.group(1)) if match else MAX_PAGE

    @property
    def insists(self) -> bool:
        """Whether duplicates may be saved where their rule allows it."""
        header = self.headers.get("Sforce-Duplicate-Rule-Header", "")
        return re.search(r"allowSave\s*=\s*true", header, re.IGNORECASE) is not None

    def moment(self, header: str) -> str | None:
        """A conditional header's time, as rows show theirs."""
        text = self.headers.get(header)
        if text is None:
            return None
        try:
            return moment_text(parsedate_to_datetime(text))
        except ValueError:
            message = f"{header} is not a valid HTTP date"
            raise errors.SalesforceError(400, "INVALID_HEADER", message) from None


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        return b"" if self.body is None else json_text(self.body).encode()


def refusal(error: errors.SalesforceError) -> Answer:
    return Answer(error.status, error.body())


def split_target(target: str) -> tuple[str, tuple[str, ...], dict[str, str]] | None:
    """Version, segments and parameters of a path with its query; None where it is not of the data API.

    A trailing slash means nothing. The path is split before it is decoded, so that ``%2F`` stays in its segment.
    """
    path, _, query = target.partition("?")
    if not path.startswith(f"{DATA_ROOT}/"):
        return None
    version, *segments = path[len(DATA_ROOT) + 1 :].rstrip("/").split("/")
    match = _VERSION.fullmatch(version)
    if match is None or not OLDEST_VERSION <= int(match.group(1)) <= NEWEST_VERSION:
        return None
    decoded = tuple(unquote(segment) for segment in segments)
    return version[1:], decoded, dict(parse_qsl(query, keep_blank_values=True))


def versions() -> list[dict[str, str]]:
    seasons = ("Winter", "Spring", "Summer")

    def label(version: int) -> str:
        # 59 is Winter '24; three releases a year.
        year, season = divmod(version - 59, 3)
        return f"{seasons[season]} '{24 + year:02d}"

    return [
        {"label": label(number), "url": f"{DATA_ROOT}/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST_VERSION, NEWEST_VERSION + 1)
    ]
