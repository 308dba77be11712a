"""A Bicep file as a tree of plain values, read with the tree-sitter grammar.

What is outside the dialect is refused with its line: modules, user-defined types and functions, lambdas, spreads,
``existing`` resources, multi-line strings, and loops elsewhere than on resources.
https://learn.microsoft.com/azure/azure-resource-manager/bicep/file
"""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

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
    Output,
    Parameter,
    Resource,
    Template,
    Text,
    Variable,
)

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class BicepError(Exception):
    """The file is not Bicep, or not of the dialect; the text begins with the line."""


def parse(source: str) -> Template:
    """Raises ``BicepError`` at the first thing that is wrong or outside the dialect."""
    return _Reader(source.encode()).template()


class _Reader:
    def __init__(self, source: bytes) -> None:
        self._source = source

    def template(self) -> Template:
        root = _PARSER.parse(self._source).root_node
        for node in _all_nodes(root):
            if node.is_error or node.is_missing:
                raise BicepError(f"line {_line(node)}: syntax error near {self._text(node)[:40]!r}")
        template, decorators = Template(), dict[str, Expression | None]()
        for node in root.named_children:
            if node.type == "decorators":
                decorators = self._decorators(node)
            elif node.type != "comment":
                self._declare(template, node, decorators)
                decorators = {}
        return template

    def _declare(self, template: Template, node: Node, decorators: dict[str, Expression | None]) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        if node.type == "target_scope_assignment":
            template.scope = self._literal(parts[0])
            return
        line = _line(node)
        if len(parts) < 2:
            raise BicepError(f"line {line}: {node.type} is outside the dialect")
        name = self._text(parts[0])
        kinds = (template.parameters, template.variables, template.resources, template.outputs)
        if any(name in kind for kind in kinds[:3] if node.type != "output_declaration"):
            raise BicepError(f"line {line}: {name} is declared twice")
        match node.type:
            case "parameter_declaration":
                default = self._expression(parts[2]) if len(parts) > 2 else None
                template.parameters[name] = Parameter(name, self._text(parts[1]), default, decorators, line)
            case "variable_declaration":
                template.variables[name] = Variable(name, self._expression(parts[1]), line)
            case "resource_declaration" if all(child.type != "existing" for child in node.children):
                template.resources[name] = self._resource(name, parts, line)
            case "output_declaration":
                value = self._expression(parts[2])
                template.outputs[name] = Output(name, self._text(parts[1]), value, decorators, line)
            case other:
                raise BicepError(f"line {line}: {other} is outside the dialect")

    def _decorators(self, node: Node) -> dict[str, Expression | None]:
        named = [child for child in node.named_children if child.type == "decorator"]
        calls = [self._expression(decorator.named_children[0]) for decorator in named]
        return {call.name: next(iter(call.arguments), None) for call in calls if isinstance(call, Call)}

    def _resource(self, name: str, parts: list[Node], line: int) -> Resource:
        kind, _, version = self._literal(parts[1]).partition("@")
        node, loop, condition = parts[2], None, None
        if node.type == "for_statement":
            head, over, node = node.named_children
            names = [self._text(child) for child in head.named_children] or [self._text(head)]
            loop = Loop(names[0], names[1] if len(names) > 1 else None, self._expression(over))
        if node.type == "if_statement":
            test, node = node.named_children
            condition = self._expression(test)
        body = self._expression(node)
        if not isinstance(body, Object):
            raise BicepError(f"line {line}: resource {name} has no body of the dialect")
        return Resource(name, kind, version, loop, condition, body, line)

    def _expression(self, node: Node) -> Expression:
        inner, line = [child for child in node.named_children if child.type != "comment"], _line(node)
        self._refuse_misread(node, inner)
        match node.type:
            case "string":
                return self._string(node)
            case "number":
                return Literal(int(self._text(node)))
            case "boolean":
                return Literal(self._text(node) == "true")
            case "null":
                return Literal(None)
            case "identifier":
                return Name(self._text(node), line)
            case "parenthesized_expression" if inner:
                return self._expression(inner[0])
            case "member_expression" if node.children[1].type == ".":
                return Member(self._expression(inner[0]), self._text(inner[1]), line)
            case "subscript_expression":
                return Index(self._expression(inner[0]), self._expression(inner[1]), line)
            case "call_expression" if inner[0].type == "identifier":
                arguments = [one for one in inner[1].named_children if one.type != "comment"]
                return Call(self._text(inner[0]), tuple(map(self._expression, arguments)), line)
            case "unary_expression" | "binary_expression":
                operator = next(self._text(child) for child in node.children if not child.is_named)
                return Operation(operator, tuple(map(self._expression, inner)))
            case "ternary_expression":
                return Operation("?", tuple(map(self._expression, inner)))
            case "array":
                return Array(tuple(map(self._expression, inner)))
            case "object":
                return Object(tuple(self._property(child) for child in inner))
        raise BicepError(f"line {line}: {node.type} is outside the dialect: {self._text(node)[:40]!r}")

    def _refuse_misread(self, node: Node, inner: list[Node]) -> None:
        """The grammar takes ``a ? b : c.d`` for ``(a ? b : c).d``, which the compiler does not."""
        looser = {
            "member_expression": {"ternary_expression", "binary_expression", "unary_expression"},
            "subscript_expression": {"ternary_expression", "binary_expression", "unary_expression"},
            "binary_expression": {"ternary_expression"},
            "unary_expression": {"ternary_expression", "binary_expression"},
        }
        if inner and any(child.type in looser.get(node.type, ()) for child in inner):
            raise BicepError(f"line {_line(node)}: put parentheses around parts of {self._text(node)[:60]!r}")

    def _property(self, node: Node) -> tuple[Text, Expression]:
        if node.type != "object_property" or len(node.named_children) != 2:
            raise BicepError(f"line {_line(node)}: {node.type} is outside the dialect")
        key, value = node.named_children
        named = self._string(key) if key.type == "string" else Text((self._text(key),))
        return named, self._expression(value)

    def _string(self, node: Node) -> Text:
        if self._source[node.start_byte :].startswith(b"'''"):
            raise BicepError(f"line {_line(node)}: multi-line strings are outside the dialect")
        parts: list[str | Expression] = []
        # Literal parts are cut from the source: the grammar's own nodes lose white space between two expressions.
        at = node.start_byte + 1
        for hole in (child for child in node.named_children if child.type == "interpolation"):
            start = self._source.index(b"${", hole.start_byte)
            parts += [_unescaped(self._source[at:start].decode()), self._expression(hole.named_children[0])]
            at = hole.end_byte
        parts.append(_unescaped(self._source[at : node.end_byte - 1].decode()))
        return Text(tuple(part for part in parts if part != "") or ("",))

    def _literal(self, node: Node) -> str:
        value = self._string(node).literal if node.type == "string" else None
        if value is None:
            raise BicepError(f"line {_line(node)}: a plain string is needed here")
        return value

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode()


def _all_nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all_nodes(child)


def _line(node: Node) -> int:
    return int(node.start_point[0]) + 1


def _unescaped(text: str) -> str:
    plain, characters = "", iter(text)
    for character in characters:
        if character != "\\":
            plain += character
            continue
        following = next(characters, "")
        if following == "u":
            raise BicepError("\\u escapes are outside the dialect")
        plain += _ESCAPES.get(following, following)
    return plain
