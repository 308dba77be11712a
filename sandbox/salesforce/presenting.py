"""Rows as the service shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.salesforce.rows import Row
from sandbox.salesforce.schema import Field


def url_of(row: Row, version: str) -> str:
    return f"/services/data/v{version}/sobjects/{row.sobject}/{row.id}"


def attributes(row: Row, version: str) -> dict[str, str]:
    return {"type": row.sobject, "url": url_of(row, version)}


def present(row: Row, fields: Iterable[Field], version: str) -> dict[str, Any]:
    values = {field.name: row.values.get(field.name) for field in fields}
    return {"attributes": attributes(row, version), **values}
