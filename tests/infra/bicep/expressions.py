"""Expressions of Bicep in the words of ARM template functions.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.bicep.syntax import BicepError
from tests.infra.bicep.tree import (
    Array,
    Call,
    Expression,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Resource,
    Template,
    Text,
    children_of,
)

_FUNCTIONS = {
    "==": "equals",
    "&&": "and",
    "||": "or",
    ">": "greater",
    ">=": "greaterOrEquals",
    "<": "less",
    "<=": "lessOrEquals",
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "%": "mod",
    "??": "coalesce",
    "?": "if",
}
_CONSTANTS = {True: "true()", False: "false()", None: "null()"}


@dataclass(frozen=True)
class Reference:
    """A resource that an expression names: ``id`` is the ARM expression of its id."""

    resource: Resource
    id: str
    name: str
    is_whole_loop: bool


class Expressions:
    """``bound`` are the names of a loop and what they stand for. What is loaded from files is in ``loaded``."""

    def __init__(
        self,
        template: Template,
        folder: Path,
        bound: dict[str, str] | None = None,
        loaded: dict[str, str] | None = None,
    ) -> None:
        self._template = template
        self._folder = folder
        self._bound = bound or {}
        self.loaded: dict[str, str] = {} if loaded is None else loaded

    def inside(self, loop: Loop | None, at: str = "copyIndex()") -> Expressions:
        """For the body of a resource: the loop's names are known there."""
        if loop is None:
            return Expressions(self._template, self._folder, {}, self.loaded)
        bound = {loop.item: f"{self.text(loop.over)}[{at}]"}
        if loop.index:
            bound[loop.index] = at
        return Expressions(self._template, self._folder, bound, self.loaded)

    def value(self, expression: Expression) -> Any:
        """As it stands in JSON: plain where it is plain, else text with the expression in brackets."""
        match expression:
            case Literal(value):
                return value
            case Text() if expression.literal is not None:
                return f"[{expression.literal}" if expression.literal.startswith("[") else expression.literal
            case Array(items):
                return [self.value(item) for item in items]
            case Object(properties):
                return {self.value(key): self.value(value) for key, value in properties}
        return f"[{self.text(expression)}]"

    def text(self, expression: Expression) -> str:
        """As it stands inside another expression."""
        match expression:
            case Literal(bool() | None as value):
                return _CONSTANTS[value]
            case Literal(value):
                return str(value)
            case Text(parts):
                return _quoted(expression.literal) if expression.literal is not None else self._format(parts)
            case Name(name, line):
                return self._name(name, line)
            case Call("loadTextContent", arguments, line):
                return self._load(arguments, line)
            case Call(name, arguments) if name != "any":
                return f"{name}({', '.join(map(self.text, arguments))})"
            case Operation("!=", operands):
                return f"not(equals({', '.join(map(self.text, operands))}))"
            case Operation("!", (operand,)):
                return f"not({self.text(operand)})"
            case Operation(operator, operands):
                return f"{_FUNCTIONS[operator]}({', '.join(map(self.text, operands))})"
            case Array(items):
                return f"createArray({', '.join(map(self.text, items))})"
            case Object(properties):
                return f"createObject({', '.join(self.text(one) for pair in properties for one in pair)})"
            case Index(of, at):
                return f"{self.text(of)}[{self.text(at)}]"
            case Member(of, name, line) if (reference := self._reference(of)) is not None:
                return self._property(reference, name, line)
            case Member(of, name):
                return f"{self.text(of)}.{name}"
        raise BicepError(f"no translation for {expression}")

    def reference_of(self, expression: Expression) -> Reference:
        """The resource that ``parent``, ``scope`` or an item of ``dependsOn`` names."""
        reference = self._reference(expression)
        if reference is None:
            raise BicepError(f"a resource of this file is needed here, not {expression}")
        return reference

    def references_in(self, expression: Expression) -> Iterator[Reference]:
        """Every resource that the expression names, at any depth."""
        reference = self._reference(expression)
        if reference is not None:
            yield reference
            return
        for child in children_of(expression):
            yield from self.references_in(child)

    def full_name(self, resource: Resource) -> str:
        """The name of a resource as JSON, with those of its parents before it."""
        segments = self._segments(resource)
        if len(segments) == 1:
            return str(self.value(_needs_name(resource)))
        holes = "/".join(f"{{{place}}}" for place in range(len(segments)))
        return f"[format('{holes}', {', '.join(segments)})]"

    def _name(self, name: str, line: int) -> str:
        if name in self._bound:
            return self._bound[name]
        if name in self._template.parameters:
            return f"parameters({_quoted(name)})"
        if name in self._template.variables:
            return f"variables({_quoted(name)})"
        raise BicepError(f"line {line}: {name} is not declared, or not a value")

    def _format(self, parts: tuple[str | Expression, ...]) -> str:
        pattern, holes = "", list[str]()
        for part in parts:
            if isinstance(part, str):
                pattern += part.replace("{", "{{").replace("}", "}}")
            else:
                pattern += f"{{{len(holes)}}}"
                holes.append(self.text(part))
        return f"format({', '.join([_quoted(pattern), *holes])})"

    def _load(self, arguments: tuple[Expression, ...], line: int) -> str:
        """The file's text becomes a variable of its own, named as the compiler does."""
        path = arguments[0].literal if len(arguments) == 1 and isinstance(arguments[0], Text) else None
        if path is None or not (self._folder / path).is_file():
            raise BicepError(f"line {line}: loadTextContent needs the plain path of a file that there is")
        content = (self._folder / path).read_text(encoding="utf-8")
        variable = f"$fxv#{len(self.loaded)}"
        self.loaded[variable] = f"[{content}" if content.startswith("[") else content
        return f"variables({_quoted(variable)})"

    def _reference(self, expression: Expression) -> Reference | None:
        is_one = isinstance(expression, Index)
        resource = self._resource(expression.of if isinstance(expression, Index) else expression)
        if resource is None:
            return None
        inside = self.inside(resource.loop, self._place(expression))
        is_whole_loop = resource.loop is not None and not is_one
        return Reference(resource, inside._id(resource), inside._segments(resource)[-1], is_whole_loop)

    def _resource(self, expression: Expression) -> Resource | None:
        if isinstance(expression, Name) and expression.value not in self._bound:
            return self._template.resources.get(expression.value)
        return None

    def _place(self, expression: Expression) -> str:
        """Which one of a loop; the one in turn, unless the expression says."""
        return self.text(expression.at) if isinstance(expression, Index) else "copyIndex()"

    def _id(self, resource: Resource) -> str:
        scope = resource.body.get("scope")
        arguments = ", ".join([_quoted(resource.type), *self._segments(resource)])
        if scope is None:
            return f"resourceId({arguments})"
        return f"extensionResourceId({self.reference_of(scope).id}, {arguments})"

    def _segments(self, resource: Resource) -> list[str]:
        """The names of its parents and its own, as expressions."""
        own, parent = self.text(_needs_name(resource)), resource.body.get("parent")
        if parent is None:
            if resource.type.count("/") > 1:
                raise BicepError(f"line {resource.line}: {resource.name} is a child and must say its parent")
            return [own]
        above = self.reference_of(parent).resource
        return [*self.inside(above.loop, self._place(parent))._segments(above), own]

    def _property(self, reference: Reference, name: str, line: int) -> str:
        if reference.is_whole_loop:
            raise BicepError(f"line {line}: {reference.resource.name} is a loop: say which of its resources")
        match name:
            case "id":
                return reference.id
            case "name":
                return reference.name
            case "properties":
                return f"reference({reference.id}, {_quoted(reference.resource.version)})"
        raise BicepError(f"line {line}: .{name} of a resource is outside the dialect")


def _needs_name(resource: Resource) -> Expression:
    name = resource.body.get("name")
    if name is None:
        raise BicepError(f"line {resource.line}: {resource.name} has no name")
    if isinstance(name, Text) and any("/" in part for part in name.parts if isinstance(part, str)):
        raise BicepError(f"line {resource.line}: {resource.name} has a name with a slash: say parent instead")
    return name


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
