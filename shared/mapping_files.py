"""Reads the field mapping: the CRM's own file, the partner's ``customize.toml`` over it, field names from settings.

``python -m shared.mapping_files`` prints the effective mapping as a table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.settings import Settings

MAPPINGS = Path(__file__).parent / "mappings"


def load_mapping(settings: Settings) -> CrmMapping:
    """The effective mapping. Raises ``ConfigurationError`` that lists every mistake in it."""
    customize = settings.customize_file
    text = _text(customize) if customize.exists() else ""
    overlay = _parse(customize, text)
    names = {
        "deal_value": settings.deal_value_field,
        "currency": settings.deal_value_currency_field,
        "customer_country": settings.customer_account_country_code_field,
    }
    mapping = build_mapping(
        _read(MAPPINGS / f"{settings.crm}.toml"),
        overlay,
        {name: field for name, field in names.items() if field},
        source=customize.name if overlay else f"{settings.crm}.toml",
        text=text,
    )
    stages = {"active": settings.active_stage_name, "on_hold": settings.on_hold_stage_name}
    return mapping.model_copy(
        update={"stages": {**mapping.stages, **{name: stage for name, stage in stages.items() if stage}}}
    )


def _read(path: Path) -> Mapping[str, Any]:
    return _parse(path, _text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"There is no mapping file {path.name}", code="mapping") from None
    except UnicodeDecodeError as problem:
        raise ConfigurationError(
            f"{path.name} is not text in UTF-8: {problem}", code="mapping", remedy="Save the file as UTF-8."
        ) from problem


def _parse(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(
            f"{path.name} is not valid TOML: {problem}", code="mapping", remedy="Mend the named line and start again."
        ) from problem


def mapping_table(mapping: CrmMapping) -> str:
    """One line per field: what it is called, both paths, how it is converted, and when it travels."""
    heads = ("Record", "Field", "Partner Center", "CRM", "Converter", "To CRM", "To Partner Center", "Conflict")
    columns = ("label", "partner_center", "crm", "converter", "to_crm", "to_partner_center", "conflict")
    rows = [
        (kind.value, *(str(getattr(row, column)) for column in columns))
        for kind, record in mapping.records.items()
        for row in record.all_fields
    ]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    lines = ("  ".join(map(str.ljust, line, widths)) for line in (heads, *rows))
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    from shared.settings import load_settings

    print(mapping_table(load_mapping(load_settings())))
