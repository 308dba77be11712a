"""Bicep to the JSON of an ARM template, as Microsoft's compiler writes it.

https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.infra.bicep.expressions import Expressions, Reference
from tests.infra.bicep.syntax import BicepError
from tests.infra.bicep.tree import Array, Expression, Output, Parameter, Resource, Template

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_LIMITS = ("minLength", "maxLength", "minValue", "maxValue")
_SCOPES = frozenset({"parent", "scope", "name", "dependsOn"})


def translate(template: Template, folder: Path) -> dict[str, Any]:
    """The ARM template; ``folder`` is where the Bicep file is, and what it loads. Raises ``BicepError``."""
    if template.scope != "resourceGroup":
        raise BicepError("only templates of a resource group are in the dialect")
    expressions = Expressions(template, folder)
    for variable in template.variables.values():
        if any(expressions.references_in(variable.value)):
            raise BicepError(f"line {variable.line}: {variable.name} is known at run time only: outside the dialect")
    parameters = {name: _parameter(one, expressions) for name, one in template.parameters.items()}
    variables = {name: expressions.value(one.value) for name, one in template.variables.items()}
    resources = [_resource(one, expressions) for one in template.resources.values()]
    outputs = {name: _output(one, expressions) for name, one in template.outputs.items()}
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "variables": {**expressions.loaded, **variables},
        "resources": resources,
        "outputs": outputs,
    }


def _parameter(parameter: Parameter, expressions: Expressions) -> dict[str, Any]:
    kind = f"secure{parameter.type}" if "secure" in parameter.decorators else parameter.type
    made: dict[str, Any] = {"type": {"securestring": "securestring", "secureobject": "secureObject"}.get(kind, kind)}
    if parameter.default is not None:
        made["defaultValue"] = expressions.value(parameter.default)
    if allowed := parameter.decorators.get("allowed"):
        made["allowedValues"] = expressions.value(allowed)
    for name in _LIMITS:
        if limit := parameter.decorators.get(name):
            made[name] = expressions.value(limit)
    if metadata := _metadata(parameter.decorators, expressions):
        made["metadata"] = metadata
    return made


def _output(output: Output, expressions: Expressions) -> dict[str, Any]:
    made: dict[str, Any] = {"type": output.type}
    if metadata := _metadata(output.decorators, expressions):
        made["metadata"] = metadata
    return {**made, "value": expressions.value(output.value)}


def _metadata(decorators: dict[str, Expression | None], expressions: Expressions) -> dict[str, Any]:
    metadata = decorators.get("metadata")
    made: dict[str, Any] = expressions.value(metadata) if metadata else {}
    if description := decorators.get("description"):
        made["description"] = expressions.value(description)
    return made


def _resource(resource: Resource, expressions: Expressions) -> dict[str, Any]:
    inside = expressions.inside(resource.loop)
    made: dict[str, Any] = {}
    if resource.loop is not None:
        over = expressions.text(resource.loop.over)
        made["copy"] = {"name": resource.name, "count": f"[length({over})]"}
    if resource.condition is not None:
        made["condition"] = inside.value(resource.condition)
    made |= {"type": resource.type, "apiVersion": resource.version}
    if (scope := resource.body.get("scope")) is not None:
        made["scope"] = f"[{inside.reference_of(scope).id}]"
    made["name"] = inside.full_name(resource)
    for key, value in resource.body.properties:
        if key.literal not in _SCOPES:
            made[str(inside.value(key))] = inside.value(value)
    if needed := sorted(set(_needed(resource, inside))):
        made["dependsOn"] = needed
    return made


def _needed(resource: Resource, inside: Expressions) -> Iterator[str]:
    """What must be there first: everything that is named in the body, in ``parent``, ``scope`` or ``dependsOn``."""
    for key, value in resource.body.properties:
        if key.literal == "dependsOn":
            yield from map(_as_dependency, _listed(value, inside))
        else:
            yield from map(_as_dependency, inside.references_in(value))


def _listed(value: Expression, inside: Expressions) -> Iterable[Reference]:
    if not isinstance(value, Array):
        raise BicepError("dependsOn must be a list")
    return [inside.reference_of(item) for item in value.items]


def _as_dependency(reference: Reference) -> str:
    """All of a loop by its name; one resource, or one of a loop, by its id."""
    return reference.resource.name if reference.is_whole_loop else f"[{reference.id}]"


def same(one: Any, other: Any) -> bool:
    """Whether two templates deploy the same: order, metadata and the case of types and expressions put aside."""
    return bool(comparable(one) == comparable(other))


def comparable(value: Any) -> Any:
    """``value`` without what two compilers may do differently."""
    if isinstance(value, dict):
        kind = {"type": str(value["type"]).lower()} if "apiVersion" in value else {}
        return {key: comparable(inner) for key, inner in {**value, **kind}.items() if key != "metadata"}
    if isinstance(value, list):
        return sorted((comparable(inner) for inner in value), key=repr)
    if isinstance(value, str) and value.startswith("["):
        return value.lower()
    return value
