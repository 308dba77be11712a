"""Puts the effective mapping together: the CRM's own file, the partner's ``customize.toml`` over it row by row, and the
field names that settings give. Reads no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.domain.mapping_mistakes import describe_mistakes
from shared.domain.record import RecordKind
from shared.domain.toml_lines import Place, key_lines


def build_mapping(
    document: Mapping[str, Any],
    overlay: Mapping[str, Any] | None = None,
    field_names: Mapping[str, str] | None = None,
    *,
    source: str = "the mapping file",
    text: str = "",
) -> CrmMapping:
    """The effective mapping: ``document``, then ``overlay``, then CRM field names from settings, by row name.

    ``field_names`` are for opportunities. A name without a dot replaces the last part of the row's path, so that a
    setting may name a column of the account. Raises ``ConfigurationError`` that lists every mistake with its place, and
    its line where ``text``, what ``overlay`` was read from, has it.
    """
    merged = _lay_over(dict(document), overlay or {})
    lines: Mapping[Place, int] = key_lines(text)
    for row in _opportunity_rows(merged):
        if new := (field_names or {}).get(_name(row)):
            row["crm"] = new if "." in new else ".".join((*str(row.get("crm", "")).split(".")[:-1], new))
    try:
        mapping = CrmMapping.model_validate(merged)
    except ValidationError as problem:
        raise ConfigurationError(
            f"The field mapping in {source} cannot be used: {describe_mistakes(problem, merged, lines)}",
            code="mapping",
            remedy="Mend the named rows and start again.",
        ) from problem
    return mapping.model_copy(update={"lines": lines, "source": source})


def _opportunity_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of opportunities, as far as the document has the right shape; what has not is told of later."""
    records = document.get("records")
    record = records.get(RecordKind.OPPORTUNITY.value) if isinstance(records, Mapping) else None
    rows = record.get("fields") if isinstance(record, Mapping) else None
    yield from (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict))


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; ``fields`` row by row, matched by name; everything else is replaced."""
    merged = {key: _copy(value) for key, value in below.items()}
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping) and key != "choices":
            merged[key] = _lay_over(old, value)
        elif key == "fields" and isinstance(old, list) and _is_rows(value):
            rows = {_name(row): row for row in old}
            for row in value:
                rows[_name(row)] = {**rows.get(_name(row), {}), **row}
            merged[key] = list(rows.values())
        else:
            merged[key] = _copy(value)
    return merged


def _name(row: Mapping[str, Any]) -> str:
    """By which rows are matched; what is no name at all is told of when the whole is checked."""
    return str(row.get("name", ""))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
