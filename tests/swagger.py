"""Referrals and requests held to Microsoft's own description of the API: the certified connector's swagger file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

SWAGGER_FILE = Path(__file__).parents[1].parent / "shared/facts/schemas/partner-center-referrals.swagger.json"
REFERRAL = "Microsoft.Partner.Service.PartnerReferrals.Contracts.V3.Referral"
QUERY_FORMS = {"integer": r"-?\d+", "boolean": r"true|false"}

JsonObject = dict[str, Any]


class ReferralSwagger:
    """Raises ``AssertionError`` that names the field, header or parameter at fault."""

    def __init__(self, document: JsonObject) -> None:
        self._definitions: JsonObject = document["definitions"]
        self._paths: JsonObject = document["paths"]
        self._base_path: str = document["basePath"].rstrip("/")

    @staticmethod
    def load() -> ReferralSwagger:
        """The swagger of this machine; skips the calling test where there is none."""
        if not SWAGGER_FILE.exists():
            pytest.skip(
                "needs Microsoft's swagger (PowerPlatformConnectors, certified-connectors/PartnerCenterReferrals/"
                f"apiDefinition.swagger.json) as {'/'.join(SWAGGER_FILE.parts[-4:])} beside the repository"
            )
        return _load()

    def check_referral(self, document: Any) -> None:
        """``document`` is an answer of the shape Referral."""
        self._check(document, {"$ref": f"#/definitions/{REFERRAL}"}, "referral")

    def check_list(self, document: Any) -> None:
        """``document`` is a page of the list."""
        self._check(document, self._paths["/referrals"]["get"]["responses"]["200"]["schema"], "list")

    def check_request(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> None:
        """The request is one of the described operations. ``path`` may be a whole address and have a query; ``body``
        is parsed JSON or its text.
        """
        parts = urlsplit(path)
        operation = self._operation(method, parts.path)
        where = f"{method} {parts.path}"
        present = {name.lower() for name in headers}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        # The links of the service's own pages hold a token that the swagger does not describe.
        assert query.keys() <= known | {"$skiptoken"}, f"{where}: unknown query {sorted(query.keys() - known)}"
        for parameter in operation["parameters"]:
            name, place = parameter["name"], parameter["in"]
            if place == "header" and parameter.get("required"):
                assert name.lower() in present, f"{where}: header {name} is required"
            elif place == "query" and name in query and parameter["type"] in QUERY_FORMS:
                assert re.fullmatch(QUERY_FORMS[parameter["type"]], query[name]), f"{where}: {name}={query[name]}"
            elif place == "body":
                self._check_body(body, parameter["schema"], where)

    def _check_body(self, body: Any, schema: JsonObject, where: str) -> None:
        content = json.loads(body) if isinstance(body, str | bytes) else body
        assert content is not None, f"{where}: a body is required"
        self._check(content, schema, where)
        if isinstance(content, dict):
            described = self._definitions[schema["$ref"].rpartition("/")[2]]["properties"]
            unknown = content.keys() - described.keys()
            assert not unknown, f"{where}: the swagger has no {sorted(unknown)}"
            assigned = {name for name in content if described[name].get("readOnly")}
            assert not assigned, f"{where}: {sorted(assigned)} are assigned by the service"
        else:
            for operation in content:
                missing = {"op", "path", "value"} - operation.keys()
                assert not missing, f"{where}: an operation lacks {sorted(missing)}"

    def _operation(self, method: str, path: str) -> JsonObject:
        assert path.startswith(f"{self._base_path}/"), f"{path} is not below {self._base_path}"
        local = path.removeprefix(self._base_path)
        for template, operations in self._paths.items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if re.fullmatch(pattern, local) and method.lower() in operations:
                return cast(JsonObject, operations[method.lower()])
        raise AssertionError(f"the swagger has no operation {method} {path}")

    def _check(self, document: Any, schema: JsonObject, where: str) -> None:
        validator = jsonschema.Draft4Validator({**schema, "definitions": self._definitions})
        errors = sorted(validator.iter_errors(_without_nulls(document)), key=lambda error: list(error.absolute_path))
        lines = [f"{where}: /{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]
        assert not errors, "\n".join(lines)


@cache
def _load() -> ReferralSwagger:
    return ReferralSwagger(json.loads(SWAGGER_FILE.read_text(encoding="utf-8")))


def _without_nulls(value: Any) -> Any:
    """Swagger 2.0 cannot say that a field may be null, and the service's answers have nulls."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
