"""The JSON of a table, column, relationship or key that is to be made: checked as strictly as the pages print it.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api

Microsoft publishes no complete list of the codes of these refusals; the status is always 400.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.schema import Column, Option

NAMESPACE = "Microsoft.Dynamics.CRM."
LANGUAGES = frozenset({1033})
"""Installed in the environment."""
_SCHEMA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LENGTHS = {"String": 4_000, "Memo": 1_048_576}
_FORMATS = {
    "String": {"Text", "TextArea", "Email", "Url", "TickerSymbol", "Phone", "Json", "RichText", "VersionNumber"},
    "Memo": {"Text", "TextArea", "Json", "RichText", "Email"},
}
_BOUNDS = {
    "Integer": (-2_147_483_648, 2_147_483_647),
    "Money": (-922_337_203_685_477, 922_337_203_685_477),
}
_COMMON = frozenset(
    {
        "@odata.type", "AttributeType", "AttributeTypeName", "SchemaName", "DisplayName", "Description",
        "RequiredLevel", "IsPrimaryName",
    }
)  # fmt: skip
_OWN = {
    "String": {"MaxLength", "FormatName", "Format", "ImeMode"},
    "Memo": {"MaxLength", "FormatName", "Format", "ImeMode"},
    "Boolean": {"DefaultValue", "OptionSet"},
    "Picklist": {"DefaultFormValue", "OptionSet"},
    "Integer": {"MinValue", "MaxValue", "Format"},
    "Money": {"MinValue", "MaxValue", "Precision", "PrecisionSource", "ImeMode"},
    "Lookup": set[str](),
}


def refused(message: str, code: str = "0x80040203") -> errors.DataverseError:
    return errors.DataverseError(400, code, message)


def check_type(body: Mapping[str, Any], *kinds: str) -> str:
    """The type without namespace, one of ``kinds``."""
    given = str(body.get("@odata.type", "")).removeprefix("#")
    kind = given.removeprefix(NAMESPACE)
    if not given.startswith(NAMESPACE) or kind not in kinds:
        raise errors.bad_batch(f"A type named '{given}' could not be resolved, or does not belong here.")
    return kind


def check_properties(body: Mapping[str, Any], known: frozenset[str] | set[str], required: set[str], what: str) -> None:
    for name in body:
        if name not in known and not name.startswith("@"):
            raise errors.unknown_property_in_body(name, f"{NAMESPACE}{what}")
    for name in sorted(required - set(body)):
        raise refused(f"Required field '{name}' is missing for {what}.")


def check_prefix(prefix: object) -> None:
    """https://learn.microsoft.com/power-apps/maker/data-platform/create-solution#solution-publisher"""
    text = str(prefix)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,7}", text) or text.lower().startswith("mscrm"):
        raise refused("The prefix must be two to eight letters and digits, start with a letter, and not with 'mscrm'.")


def schema_name(body: Mapping[str, Any], prefix: str) -> str:
    """A custom name starts with the prefix of the publisher whose solution it goes into."""
    name = body.get("SchemaName")
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name) or len(name) > 100:
        raise refused(f"'{name}' is not a valid schema name.", "0x80044150")
    if not name.startswith(f"{prefix}_") or name == f"{prefix}_":
        raise refused(
            f"'{name}' is invalid or missing and must start with a valid customization prefix. The prefix for a "
            "solution component should match the prefix that is specified for the publisher of the solution."
        )
    return name


def label(body: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """The text in the base language. Only ``LocalizedLabels`` counts; each needs a language that is installed."""
    found = body.get(name)
    if found is None and not required:
        return ""
    if not isinstance(found, dict) or not isinstance(found.get("LocalizedLabels"), list):
        raise refused(f"{name} must be a Label with LocalizedLabels.")
    texts = []
    for one in found["LocalizedLabels"]:
        if not isinstance(one, dict) or not isinstance(one.get("Label"), str) or one.get("LanguageCode") is None:
            raise refused(f"A label of {name} needs Label and LanguageCode.")
        if one["LanguageCode"] not in LANGUAGES:
            raise refused(f"The language code {one['LanguageCode']} is not a valid language for this organization.")
        texts.append(one["Label"])
    if not texts and required:
        raise refused(f"The label for {name} must have a value.")
    return texts[0] if texts else ""


def column_of(body: Mapping[str, Any], prefix: str) -> Column:
    """A new column, as its body describes it."""
    kind = check_type(body, *(f"{kind}AttributeMetadata" for kind in _OWN)).removesuffix("AttributeMetadata")
    check_properties(body, _COMMON | _OWN[kind], {"SchemaName", "DisplayName"}, f"{kind}AttributeMetadata")
    name = schema_name(body, prefix)
    level = (body.get("RequiredLevel") or {"Value": "None"}).get("Value")
    if level not in {"None", "Recommended", "ApplicationRequired"}:
        raise refused(f"RequiredLevel '{level}' cannot be set for a custom column.")
    label(body, "Description", required=False)
    return Column(
        name=name.lower(),
        type=kind,
        label=label(body, "DisplayName"),
        required=str(level),
        is_managed=False,
        schema_name=name,
        **_details(kind, body),
    )


def _details(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if kind in _LENGTHS:
        length, form = body.get("MaxLength"), (body.get("FormatName") or {"Value": "Text"}).get("Value")
        if not isinstance(length, int) or not 1 <= length <= _LENGTHS[kind]:
            raise refused(f"MaxLength must be between 1 and {_LENGTHS[kind]}.")
        if form not in _FORMATS[kind]:
            raise refused(f"'{form}' is not a format of a {kind} column.")
        return {"max_length": length, "format": form}
    if kind == "Boolean":
        _check_yes_or_no(body)
        return {"default": body.get("DefaultValue")}
    if kind == "Picklist":
        return {"options": _options(body)}
    if kind in _BOUNDS:
        return _numbers(kind, body)
    return {}


def _check_yes_or_no(body: Mapping[str, Any]) -> None:
    options = body.get("OptionSet")
    for name in ("TrueOption", "FalseOption"):
        option = options.get(name) if isinstance(options, dict) else None
        if not isinstance(option, dict) or option.get("Value") != (name == "TrueOption"):
            raise refused(f"A Boolean column needs an OptionSet with {name} and its value.")
        label(option, "Label")


def _options(body: Mapping[str, Any]) -> tuple[Option, ...]:
    given = body.get("OptionSet")
    if not isinstance(given, dict) or given.get("OptionSetType") != "Picklist" or given.get("IsGlobal") is not False:
        raise refused("A Picklist column needs an OptionSet of its own: OptionSetType Picklist, IsGlobal false.")
    options = tuple(Option(int(one["Value"]), label(one, "Label")) for one in given.get("Options") or ())
    if len({option.value for option in options}) != len(options):
        raise refused("An option with the same value exists already.")
    return options


def _numbers(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    least, most = _BOUNDS[kind]
    low, high = body.get("MinValue", least), body.get("MaxValue", most)
    if not (least <= low <= high <= most):
        raise refused(f"MinValue and MaxValue must be between {least} and {most}.")
    if kind == "Money" and body.get("PrecisionSource", 2) not in {0, 1, 2}:
        raise refused("PrecisionSource must be 0, 1 or 2.")
    precision = {"precision": int(body.get("Precision", 2))} if kind == "Money" else {}
    return {"min_value": Decimal(low), "max_value": Decimal(high), **precision}
