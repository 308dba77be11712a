"""What a Bicep file says, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Literal:
    value: int | bool | None


@dataclass(frozen=True)
class Text:
    """A string; expressions stand between its literal parts."""

    parts: tuple[str | Expression, ...]

    @property
    def literal(self) -> str | None:
        """Its value, if there is no expression in it."""
        return "".join(map(str, self.parts)) if all(isinstance(part, str) for part in self.parts) else None


@dataclass(frozen=True)
class Name:
    value: str
    line: int


@dataclass(frozen=True)
class Member:
    of: Expression
    name: str
    line: int


@dataclass(frozen=True)
class Index:
    of: Expression
    at: Expression
    line: int


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Expression, ...]
    line: int


@dataclass(frozen=True)
class Operation:
    """``operator`` as written; one operand for ``!`` and ``-``, three for ``?``."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Array:
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Object:
    properties: tuple[tuple[Text, Expression], ...]

    def get(self, name: str) -> Expression | None:
        return next((value for key, value in self.properties if key.literal == name), None)


Expression = Literal | Text | Name | Member | Index | Call | Operation | Array | Object


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: Expression | None
    decorators: dict[str, Expression | None]
    line: int


@dataclass(frozen=True)
class Variable:
    name: str
    value: Expression
    line: int


@dataclass(frozen=True)
class Loop:
    item: str
    index: str | None
    over: Expression


@dataclass(frozen=True)
class Resource:
    name: str
    type: str
    version: str
    loop: Loop | None
    condition: Expression | None
    body: Object
    line: int


@dataclass(frozen=True)
class Output:
    name: str
    type: str
    value: Expression
    decorators: dict[str, Expression | None]
    line: int


@dataclass
class Template:
    """The declarations of one file, each kind in the order of the file."""

    scope: str = "resourceGroup"
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)


def children_of(expression: Expression) -> Iterator[Expression]:
    """The expressions directly inside this one."""
    match expression:
        case Text(parts):
            yield from (part for part in parts if not isinstance(part, str))
        case Member(of=of):
            yield of
        case Index(of=of, at=at):
            yield from (of, at)
        case Call(arguments=inner) | Operation(operands=inner) | Array(items=inner):
            yield from inner
        case Object(properties):
            for key, value in properties:
                yield from (key, value)


def walk(expression: Expression) -> Iterator[Expression]:
    """This expression and all inside it."""
    yield expression
    for child in children_of(expression):
        yield from walk(child)
