"""``infra/dynamics365/schema.toml`` as values. No I/O.

https://learn.microsoft.com/power-apps/developer/data-platform/entity-attribute-metadata
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.domain.errors import ConfigurationError
from shared.domain.mapping_mistakes import describe_mistakes
from shared.domain.toml_lines import key_lines

Verb = Literal["Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign"]
Depth = Literal["Basic", "Local", "Deep", "Global"]


def _prefix(value: str) -> str:
    # https://learn.microsoft.com/power-apps/maker/data-platform/create-solution#solution-publisher
    if not (2 <= len(value) <= 8 and value.isascii() and value.isalnum() and value[0].isalpha()):
        raise ValueError("it must be two to eight letters and digits, a letter first")
    if value.lower().startswith("mscrm"):
        raise ValueError("it must not start with mscrm, which is Microsoft's")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Named(_Part):
    """``name`` is the schema name, as it is written; the logical name is what everything else calls it."""

    name: str

    @property
    def logical_name(self) -> str:
        return self.name.lower()


class Publisher(_Part):
    """``option_value_prefix`` times 10,000 is the least value of a choice's options."""

    unique_name: str
    friendly_name: str
    prefix: Annotated[str, AfterValidator(_prefix)]
    option_value_prefix: int = Field(ge=10_000, le=99_999)


class Solution(_Part):
    unique_name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    friendly_name: str
    version: str = Field(pattern=r"^\d+(\.\d+){3}$")


class Option(_Part):
    value: int
    label: str


class Column(_Named):
    """``at_least`` is the length that a text column already there must have."""

    type: Literal["String", "Memo", "Boolean", "Picklist", "Integer", "Money"]
    label: str
    description: str = ""
    max_length: int | None = Field(default=None, gt=0)
    at_least: int | None = Field(default=None, gt=0)
    format: Literal["Text", "Url"] = "Text"
    options: tuple[Option, ...] = ()
    minimum: int | None = None
    maximum: int | None = None

    @property
    def least_length(self) -> int:
        return self.at_least or self.max_length or 0

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.max_length is not None) != (self.type in {"String", "Memo"}):
            raise ValueError("max_length belongs to String and Memo, and to no other type")
        if bool(self.options) != (self.type == "Picklist"):
            raise ValueError("options belong to a Picklist, and to no other type")
        return self


class Lookup(_Named):
    """``relationship`` is also the collection of the rows at the other end. ``cascade``: what becomes of the rows when
    their parent is assigned, shared or deleted."""

    to: str
    label: str
    description: str = ""
    relationship: str
    cascade: Literal["Cascade", "RemoveLink"] = "RemoveLink"


class AlternateKey(_Named):
    """``columns`` are logical names."""

    label: str
    columns: tuple[str, ...] = Field(min_length=1, max_length=16)


class PrimaryName(_Named):
    label: str
    max_length: int = Field(gt=0, le=850)


class MadeAs(_Named):
    """How a table is made that is not there."""

    label: str
    label_plural: str
    description: str = ""
    primary_name: PrimaryName


class Table(_Part):
    """A table without ``made_as`` is one of Dynamics 365 itself, and is only added to."""

    track_changes: bool = False
    made_as: MadeAs | None = None
    columns: tuple[Column, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    keys: tuple[AlternateKey, ...] = ()

    @property
    def schema_names(self) -> tuple[str, ...]:
        made = (self.made_as.name, self.made_as.primary_name.name) if self.made_as else ()
        relationships = tuple(lookup.relationship for lookup in self.lookups)
        return (*made, *relationships, *(part.name for part in self.columns + self.lookups + self.keys))


class MetadataPrivileges(_Part):
    privileges: tuple[str, ...]


class Role(_Part):
    """``tables``: what may be done with the rows of a table, by the name that its privileges carry."""

    name: str
    depth: Depth
    tables: Mapping[str, tuple[Verb, ...]]
    metadata: MetadataPrivileges

    @property
    def privileges(self) -> tuple[str, ...]:
        of_tables = (f"prv{verb}{table}" for table, verbs in self.tables.items() for verb in verbs)
        return (*of_tables, *self.metadata.privileges)


class DeclaredSchema(_Part):
    """``tables`` by logical name. ``language`` is that of every label, as an LCID."""

    language: int
    publisher: Publisher
    solution: Solution
    tables: Mapping[str, Table]
    role: Role

    @model_validator(mode="after")
    def _names_have_the_prefix(self) -> Self:
        prefix = f"{self.publisher.prefix}_"
        names = [name for table in self.tables.values() for name in table.schema_names]
        if wrong := [name for name in names if not name.startswith(prefix)]:
            raise ValueError(f"names must start with the publisher's prefix {prefix}: {', '.join(wrong)}")
        for name, table in self.tables.items():
            if table.made_as and table.made_as.logical_name != name:
                raise ValueError(f"tables.{name} is made as {table.made_as.name}, which is another name")
        return self


def read_declared(text: str, source: str) -> DeclaredSchema:
    """Raises ``ConfigurationError`` that lists every mistake; ``source`` names the file in it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise _unusable(f"{source} is not valid TOML: {problem}") from problem
    try:
        return DeclaredSchema.model_validate(document)
    except ValidationError as problem:
        mistakes = describe_mistakes(problem, document, key_lines(text))
        raise _unusable(f"{source} cannot be used: {mistakes}") from problem


def _unusable(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="schema_file", remedy="Mend the named entries and start again.")
