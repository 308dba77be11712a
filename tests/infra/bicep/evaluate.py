"""What a template would deploy, given its parameters: the resources as Azure would get them.

Runtime values, like the address of a storage account, are placeholders that say what they stand for:
``<storage.properties.primaryEndpoints.blob>``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
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
    Member,
    Name,
    Object,
    Operation,
    Resource,
    Template,
    Text,
)

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/cosell"
_NAMES_OF_THE_DIALECT = frozenset({"parent", "scope", "name", "dependsOn"})


@dataclass(frozen=True)
class Deployed:
    """One resource: ``symbol`` is its name in the file, ``scope`` the id of what it extends, ``body`` the rest."""

    symbol: str
    type: str
    version: str
    name: str
    scope: str
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        return _id_of(self.scope or GROUP, self.type, self.name)

    @property
    def properties(self) -> Mapping[str, Any]:
        return dict(self.body.get("properties", {}))


@dataclass(frozen=True)
class _Target:
    """A resource that an expression names, and which one of a loop."""

    resource: Resource
    at: int | None


def deploy(template: Template, folder: Path, given: Mapping[str, Any]) -> tuple[list[Deployed], dict[str, Any]]:
    """The resources whose condition holds, and the outputs, by the parameters ``given`` and the defaults of others."""
    values = _Values(template, folder, given)
    deployed = [one for resource in template.resources.values() for one in values.deployed(resource)]
    return deployed, {name: values.of(output.value, {}) for name, output in template.outputs.items()}


class _Values:
    def __init__(self, template: Template, folder: Path, given: Mapping[str, Any]) -> None:
        self._template = template
        self._folder = folder
        self._given = given
        self._known: dict[str, Any] = {}

    def deployed(self, resource: Resource) -> list[Deployed]:
        made = []
        items = self.of(resource.loop.over, {}) if resource.loop else [None]
        for at, _ in enumerate(items):
            bound = self._bound(resource, at)
            if resource.condition is not None and not self.of(resource.condition, bound):
                continue
            scope = resource.body.get("scope")
            body = {
                self.of(key, bound): self.of(value, bound)
                for key, value in resource.body.properties
                if key.literal not in _NAMES_OF_THE_DIALECT
            }
            target = _Target(resource, at if resource.loop else None)
            made.append(
                Deployed(
                    symbol=resource.name,
                    type=resource.type,
                    version=resource.version,
                    name=self._full_name(target),
                    scope=self._id(self._target(scope, bound)) if scope else "",
                    body=_without_nulls(body),
                )
            )
        return made

    def of(self, expression: Expression, bound: Mapping[str, Any]) -> Any:
        match expression:
            case Literal(value):
                return value
            case Text(parts):
                return "".join(part if isinstance(part, str) else str(self.of(part, bound)) for part in parts)
            case Array(items):
                return [self.of(item, bound) for item in items]
            case Object(properties):
                return {self.of(key, bound): self.of(value, bound) for key, value in properties}
            case Operation(operator, operands):
                return self._operation(operator, operands, bound)
            case Call("loadTextContent", (Text() as path,)):
                return (self._folder / str(path.literal)).read_text(encoding="utf-8")
            case Call(name, arguments, line):
                if name not in FUNCTIONS:
                    raise BicepError(f"line {line}: there is no function {name} here")
                return FUNCTIONS[name](*(self.of(argument, bound) for argument in arguments))
            case Name(name):
                return self._named(name, bound)
            case Member(of, name) if (target := self._target_or_none(of, bound)) is not None:
                return self._of_resource(target, name)
            case Member(of, name):
                whole = self.of(of, bound)
                return f"{whole[:-1]}.{name}>" if isinstance(whole, str) and whole.startswith("<") else whole[name]
            case Index(of, at):
                return self.of(of, bound)[self.of(at, bound)]
        raise BicepError(f"no value for {expression}")

    def _operation(self, operator: str, operands: tuple[Expression, ...], bound: Mapping[str, Any]) -> Any:
        first = self.of(operands[0], bound)
        match operator:
            case "!":
                return not first
            case "?":
                return self.of(operands[1] if first else operands[2], bound)
            case "&&":
                return first and self.of(operands[1], bound)
            case "||":
                return first or self.of(operands[1], bound)
            case "==" | "!=":
                # Texts are equal in any case: https://learn.microsoft.com/azure/azure-resource-manager/bicep/operators-comparison
                return (first == self.of(operands[1], bound)) == (operator == "==")
            case ">":
                return bool(first > self.of(operands[1], bound))
        raise BicepError(f"no value for the operator {operator}")

    def _named(self, name: str, bound: Mapping[str, Any]) -> Any:
        if name in bound:
            return bound[name]
        if name not in self._known:
            self._known[name] = self._declared(name)
        return self._known[name]

    def _declared(self, name: str) -> Any:
        if name in self._template.variables:
            return self.of(self._template.variables[name].value, {})
        parameter = self._template.parameters.get(name)
        if parameter is None:
            raise BicepError(f"{name} is not declared")
        if name in self._given:
            return self._given[name]
        if parameter.default is None:
            raise BicepError(f"the parameter {name} has no value")
        return self.of(parameter.default, {})

    def _bound(self, resource: Resource, at: int) -> dict[str, Any]:
        if resource.loop is None:
            return {}
        bound = {resource.loop.item: self.of(resource.loop.over, {})[at]}
        return {**bound, resource.loop.index: at} if resource.loop.index else bound

    def _target(self, expression: Expression, bound: Mapping[str, Any]) -> _Target:
        target = self._target_or_none(expression, bound)
        if target is None:
            raise BicepError(f"a resource of this file is needed here, not {expression}")
        return target

    def _target_or_none(self, expression: Expression, bound: Mapping[str, Any]) -> _Target | None:
        match expression:
            case Name(name) if name in self._template.resources and name not in bound:
                return _Target(self._template.resources[name], None)
            case Index(Name(name), at) if name in self._template.resources and name not in bound:
                return _Target(self._template.resources[name], self.of(at, bound))
        return None

    def _of_resource(self, target: _Target, name: str) -> str:
        match name:
            case "id":
                return self._id(target)
            case "name":
                return self._full_name(target).rpartition("/")[2]
        return f"<{target.resource.name}.{name}>"

    def _full_name(self, target: _Target) -> str:
        bound = self._bound(target.resource, target.at or 0)
        own = self.of(target.resource.body.get("name") or Text(("",)), bound)
        parent = target.resource.body.get("parent")
        return f"{self._full_name(self._target(parent, bound))}/{own}" if parent is not None else str(own)

    def _id(self, target: _Target) -> str:
        return _id_of(GROUP, target.resource.type, self._full_name(target))


def _id_of(above: str, kind: str, name: str) -> str:
    provider, *types = kind.split("/")
    path = "".join(f"/{one}/{segment}" for one, segment in zip(types, name.split("/"), strict=True))
    return f"{above}/providers/{provider}{path}"


def _without_nulls(value: Any) -> Any:
    """Azure leaves out what is null."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:13]


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "empty": lambda value: not value,
    "environment": lambda: {
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
        "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
    },
    "guid": lambda *texts: str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(texts))),
    "max": max,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {"id": GROUP, "location": "westeurope"},
    "string": str,
    "subscription": lambda: {"id": SUBSCRIPTION},
    "subscriptionResourceId": lambda kind, name: _id_of(SUBSCRIPTION, kind, name),
    "tenant": lambda: {"tenantId": "11111111-1111-1111-1111-111111111111"},
    "union": lambda *objects: {key: value for one in objects for key, value in one.items()},
    "uniqueString": _hash,
}
"""Those of the functions that ``infra/main.bicep`` needs; the hash is not Azure's own."""
