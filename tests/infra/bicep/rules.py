"""What the Bicep compiler and its linter would object to, and Azure's limits of a template.

https://learn.microsoft.com/azure/azure-resource-manager/bicep/linter
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tests.infra.bicep.evaluate import FUNCTIONS
from tests.infra.bicep.tree import (
    Array,
    Call,
    Expression,
    Index,
    Member,
    Name,
    Output,
    Parameter,
    Resource,
    Template,
    Text,
    Variable,
    walk,
)

LONGEST_EXPRESSION = 24_576
"""Characters: https://learn.microsoft.com/azure/azure-resource-manager/templates/best-practices#template-limits"""
_FUNCTIONS = FUNCTIONS.keys() | {"loadTextContent"}
# Addresses that differ between the public and the sovereign clouds: rule no-hardcoded-env-urls.
_CLOUD_HOSTS = re.compile(r"core\.windows\.net|vault\.azure\.net|login\.microsoftonline\.com|management\.azure\.com")
_SECRET_NAME = re.compile(r"secret|password|token|(?<!public)key$", re.IGNORECASE)
_SECRET_VALUES = frozenset({"ConnectionString", "InstrumentationKey", "primaryKey", "keys"})


def objections(template: Template) -> Iterator[str]:
    """One sentence for each, with the line."""
    yield from _about_names(template)
    yield from _about_declarations(template)
    yield from _about_start(template)
    yield from _about_outputs(template)
    yield from _about_order(template)


def too_long(arm: Mapping[str, Any]) -> Iterator[str]:
    """Expressions of the translated template beyond Azure's limit."""
    for resource in arm["resources"]:
        for text in _texts(resource):
            if len(text) > LONGEST_EXPRESSION:
                yield f"{resource['type']}: an expression of {len(text):,} characters, over {LONGEST_EXPRESSION:,}"


def _about_names(template: Template) -> Iterator[str]:
    declared = template.parameters.keys() | template.variables.keys() | template.resources.keys()
    used = set[str]()
    for bound, expression in _expressions(template):
        for part in walk(expression):
            match part:
                case Name(name, line) if name not in bound:
                    used.add(name)
                    if name not in declared:
                        yield f"line {line}: {name} is not declared"
                case Call(name, _, line) if name not in _FUNCTIONS:
                    yield f"line {line}: {name} is none of the functions known here: {', '.join(sorted(_FUNCTIONS))}"
    values: list[Parameter | Variable] = [*template.parameters.values(), *template.variables.values()]
    for one in values:
        if one.name not in used:
            yield f"line {one.line}: {one.name} is never used"


def _about_declarations(template: Template) -> Iterator[str]:
    for_people: list[Parameter | Output] = [*template.parameters.values(), *template.outputs.values()]
    for one in for_people:
        if "description" not in one.decorators:
            yield f"line {one.line}: {one.name} has no description"
    for parameter in template.parameters.values():
        allowed = parameter.decorators.get("allowed")
        if isinstance(allowed, Array) and parameter.default is not None and parameter.default not in allowed.items:
            yield f"line {parameter.line}: the default of {parameter.name} is not allowed"
        if _SECRET_NAME.search(parameter.name):
            yield f"line {parameter.line}: {parameter.name}: secrets go into the vault, not through parameters"
    for _, expression in _expressions(template):
        for part in walk(expression):
            if isinstance(part, Text) and (host := _CLOUD_HOSTS.search(part.literal or "")):
                yield f"{host[0]} differs between clouds: take it from environment() or the resource"
    for resource in template.resources.values():
        parent = resource.body.get("parent")
        above = _resource_of(parent, template)
        if parent is not None and (above is None or above.type != resource.type.rpartition("/")[0]):
            yield f"line {resource.line}: the parent of {resource.name} is not of the type that its own begins with"


def _about_start(template: Template) -> Iterator[str]:
    """Compiler errors BCP120 and BCP178: names, conditions, loops and scopes must be known before anything is there."""
    for resource in template.resources.values():
        fixed = [resource.body.get("name"), resource.body.get("scope"), resource.condition]
        fixed.append(resource.loop.over if resource.loop else None)
        for expression in fixed:
            for part in walk(expression) if expression is not None else ():
                if isinstance(part, Member) and part.name not in {"id", "name"} and _resource_of(part.of, template):
                    yield f"line {part.line}: {resource.name} needs .{part.name} before anything is deployed (BCP120)"


def _about_outputs(template: Template) -> Iterator[str]:
    for output in template.outputs.values():
        for part in walk(output.value):
            is_call = isinstance(part, Call) and part.name.lower().startswith("list")
            if (
                is_call
                or (isinstance(part, Member) and part.name in _SECRET_VALUES)
                or _SECRET_NAME.search(output.name)
            ):
                yield f"line {output.line}: {output.name} shows a secret to everybody who may read deployments"
                break


def _about_order(template: Template) -> Iterator[str]:
    needs = {
        resource.name: {
            part.value
            for _, value in resource.body.properties
            for part in walk(value)
            if isinstance(part, Name) and part.value in template.resources
        }
        for resource in template.resources.values()
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        yield f"these wait for each other: {' -> '.join(error.args[1])}"


def _expressions(template: Template) -> Iterator[tuple[set[str], Expression]]:
    """Every expression of the file, with the names that a loop gives it."""
    for parameter in template.parameters.values():
        yield from ((set(), one) for one in (parameter.default, *parameter.decorators.values()) if one is not None)
    values: list[Variable | Output] = [*template.variables.values(), *template.outputs.values()]
    yield from ((set(), declared.value) for declared in values)
    for resource in template.resources.values():
        loop = resource.loop
        bound = {loop.item, loop.index or loop.item} if loop else set[str]()
        if loop:
            yield set(), loop.over
        yield from ((bound, one) for one in (resource.condition, resource.body) if one is not None)


def _resource_of(expression: Expression | None, template: Template) -> Resource | None:
    if isinstance(expression, Index):
        expression = expression.of
    return template.resources.get(expression.value) if isinstance(expression, Name) else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
