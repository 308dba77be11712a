"""How the report is given to whoever asks over HTTP. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.health.page import health_page
from shared.health.report import Report, report_document
from shared.history.page import HEADERS


@dataclass(frozen=True)
class Answer:
    status: int
    mimetype: str
    body: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: dict(HEADERS))


def answer_with(report: Report, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    """200, or 503 where a check has failed. A page for ``?format=html`` and for browsers, else JSON."""
    status = 503 if report.has_failed else 200
    if _wants_page(params, headers):
        return Answer(status, "text/html", health_page(report))
    return Answer(status, "application/json", json.dumps(report_document(report), indent=2))


def _wants_page(params: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    wanted = params.get("format", "").strip().lower()
    if wanted:
        return wanted == "html"
    accepted = next((value for name, value in headers.items() if name.lower() == "accept"), "")
    return "text/html" in accepted.lower()
