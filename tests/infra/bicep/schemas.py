"""Resources against Microsoft's type data: names of properties at any depth, types, choices, what is required."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.infra.bicep.evaluate import Deployed

DATA = Path(__file__).parents[1] / "schemas" / "arm-resource-schemas.json"


def type_mistakes(resource: Deployed) -> Iterator[str]:
    """One sentence for each thing that Azure's type of this resource does not know or allow."""
    # Some types have variants that the last part of the name chooses, like config and appsettings.
    body = {**resource.body, "name": resource.name.rpartition("/")[2]}
    for mistake in _mistakes(resource.type, resource.version, json.dumps(body)):
        yield f"{resource.symbol}: {mistake}"


@cache
def _mistakes(kind: str, version: str, body: str) -> tuple[str, ...]:
    validator = _validator(kind, version)
    if validator is None:
        return (f"there is no schema of {kind}@{version}",)
    return tuple(f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(body)))


@cache
def _validator(kind: str, version: str) -> Draft202012Validator | None:
    data = _data()
    schema = data["resources"].get(f"{kind}@{version}")
    return None if schema is None else Draft202012Validator({**schema, "$defs": data["$defs"]})


@cache
def _data() -> dict[str, Any]:
    return dict(json.loads(DATA.read_text(encoding="utf-8")))
