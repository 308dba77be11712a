"""Answers of a service, made by hand."""

from __future__ import annotations

import json
from typing import Any

from shared.answers import Response


def answer(body: Any = None, status: int = 200, operation: str = "opportunity.get", **headers: str) -> Response:
    """``body`` as JSON, or as it is for bytes; ``Retry_After`` becomes the header ``Retry-After``."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, raw, "Dynamics 365", operation)


def refused(status: int, code: str, message: str, **headers: str) -> Response:
    return answer({"error": {"code": code, "message": message}}, status, **headers)
