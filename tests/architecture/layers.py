"""Reads the sources and says which of them break the layering of the project; imports none of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = ("function_app", "flows", "cosell", "shared", "sandbox", "tests")

LAYERS: Mapping[str, tuple[str, ...]] = {
    "shared.domain": (),
    "shared.transport": ("shared.domain", "basis"),
    "shared.answers": ("shared.domain", "basis"),
    "shared.rest_period": ("shared.domain", "basis"),
    "shared.call_count": ("shared.domain", "basis"),
    "shared.correlation": ("shared.domain", "basis"),
    "shared.telemetry": ("shared.domain", "basis"),
    "shared.traces": ("shared.domain", "basis"),
    "shared.understood": ("shared.domain", "basis"),
    "shared.settings": ("shared.domain", "settings"),
    "shared.setting_rules": ("shared.domain", "settings"),
    "shared.setting_types": ("shared.domain", "settings"),
    "shared.mapping_files": ("shared.domain", "settings"),
    "shared.partner_center": ("shared.domain", "basis"),
    "shared.crm": ("shared.domain", "basis"),
    "shared.crm.registry": ("shared.domain", "basis", "settings", "shared.crm"),
    "shared.state": ("shared.domain", "basis", "settings"),
    "shared.sync": ("shared.domain", "basis", "clients"),
    "shared": ("shared.domain", "basis", "settings", "clients", "shared.sync"),
    "flows": ("shared",),
    "cosell": ("shared",),
    "function_app": ("flows", "shared"),
}
"""What each part may import besides itself; everything else of the project is a violation.

``shared`` stands for the modules that wire the rest together, like ``shared.connector``: only they and what is above
see everything.
"""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "basis": (
        "shared.transport",
        "shared.answers",
        "shared.rest_period",
        "shared.call_count",
        "shared.correlation",
        "shared.telemetry",
        "shared.traces",
        "shared.understood",
    ),
    "settings": ("shared.settings", "shared.setting_rules", "shared.setting_types", "shared.mapping_files"),
    "clients": ("shared.partner_center", "shared.crm", "shared.state"),
}

PURE_IMPORTS = frozenset(
    [
        "__future__",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "typing",
        "unicodedata",
        "pydantic",
        "pycountry",
    ]
)
"""All that ``shared/domain`` may import besides itself: nothing here does I/O, tells the time or rolls dice."""

IMPURE_CALLS = frozenset({"now", "utcnow", "today", "open", "print", "input", "__import__", "exec", "eval"})

VENDOR_WORDS = ("dynamics365", "salesforce")


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, whether it is a package's ``__init__``, and its text."""

    module: str
    text: str
    is_package: bool = False


def read_sources(root: Path) -> Iterator[Source]:
    """Every module of the product and of the sandbox."""
    paths = [root / "function_app.py"]
    for folder in ("flows", "cosell", "shared", "sandbox"):
        paths += sorted((root / folder).rglob("*.py"))
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        if path.is_file() and "node_modules" not in parts:
            is_package = parts[-1] == "__init__"
            yield Source(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"), is_package)


def violations(source: Source) -> list[str]:
    """Everything that is wrong with one module, each as a sentence."""
    tree = ast.parse(source.text)
    imported = list(_imports(source, tree))
    found = [*_crossings(source.module, imported)]
    if _is_in(source.module, "shared.domain"):
        found += _impurities(source.module, tree, imported)
    if any(_is_in(source.module, part) for part in ("shared.domain", "shared.sync", "flows")):
        found += [f"{source.module} speaks of {word!r}, which only an adapter may" for word in _vendor_words(tree)]
    return found


def _imports(source: Source, tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported: of a module, or of a name in one; relative imports resolved."""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _crossings(module: str, imported: list[str]) -> Iterator[str]:
    if _is_in(module, "sandbox"):
        yield from (
            f"{module} imports {name}: the sandbox must not share the product's mistakes"
            for name in imported
            if _is_project(name) and not _is_in(name, "sandbox")
        )
        return
    layer = _layer(module)
    if layer is None:
        yield f"{module} has no place in the layers; give it one in {__name__}"
        return
    for name in filter(_is_project, imported):
        if not _may_import(module, layer, name):
            yield f"{module} imports {name}, which is not below it"


def _may_import(module: str, layer: str, name: str) -> bool:
    adapter, other = _adapter(module), _adapter(name)
    if other and other != adapter and module != "shared.crm.registry":
        return False
    allowed = [part for entry in LAYERS[layer] for part in GROUPS.get(entry, (entry,))]
    if _layer(name) == layer:
        return True
    if "shared.crm.registry" in (name, name.rpartition(".")[0]) and module != "shared.connector":
        return False
    return any(_is_in(name, part) for part in allowed)


def _impurities(module: str, tree: ast.AST, imported: list[str]) -> Iterator[str]:
    for name in imported:
        if not _is_project(name) and name.partition(".")[0] not in PURE_IMPORTS:
            yield f"{module} imports {name}, and the domain is pure"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = (
                called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            )
            if name in IMPURE_CALLS:
                yield f"{module} calls {name}(), and the domain is pure"


def _vendor_words(tree: ast.AST) -> set[str]:
    """The vendors named in identifiers and texts; docstrings may name them."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    spoken: list[str] = []
    for node in ast.walk(tree):
        if id(node) in documentation:
            continue
        for _, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
            spoken += [one.lower() for one in values if isinstance(one, str)]
    return {word for word in VENDOR_WORDS if any(word in text for text in spoken)}


def _layer(module: str) -> str | None:
    """The most particular entry of ``LAYERS`` that the module belongs to."""
    fitting = [layer for layer in LAYERS if _is_in(module, layer)]
    return max(fitting, key=len) if fitting else None


def _adapter(module: str) -> str | None:
    """The CRM adapter that the module is part of, like ``shared.crm.fabrikam``."""
    parts = module.split(".")
    is_adapter = parts[:2] == ["shared", "crm"] and len(parts) > 2 and parts[2] not in ("port", "registry")
    return ".".join(parts[:3]) if is_adapter else None


def _is_in(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def _is_project(name: str) -> bool:
    return name.partition(".")[0] in PROJECT
