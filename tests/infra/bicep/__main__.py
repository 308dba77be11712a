"""Keeps ``infra/azuredeploy.json`` equal to ``infra/main.bicep``.

``python -m tests.infra.bicep --write`` translates anew; ``--compare FILE`` holds the committed file to what
``az bicep build`` made of the same Bicep. Exit code 1: they differ, and the text says where.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infra.bicep.arm import comparable, translate
from tests.infra.bicep.syntax import parse

INFRA = Path(__file__).parents[3] / "infra"
ARM_FILE = INFRA / "azuredeploy.json"
NOTE = "Made of main.bicep by: python -m tests.infra.bicep --write"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.infra.bicep", description=__doc__.split("\n")[0])
    options.add_argument("--write", action="store_true", help="translate main.bicep anew")
    options.add_argument("--compare", type=Path, metavar="FILE", help="what az bicep build made of main.bicep")
    given = options.parse_args()
    if given.write:
        ARM_FILE.write_text(translation(), encoding="utf-8")
        return 0
    if given.compare is None:
        options.error("say --write or --compare FILE")
    compiled = json.loads(given.compare.read_text(encoding="utf-8-sig"))
    found = list(differences(json.loads(ARM_FILE.read_text(encoding="utf-8")), compiled))
    print("\n".join(found) or "azuredeploy.json deploys what main.bicep says")
    return 1 if found else 0


def translation() -> str:
    """What the committed file must be."""
    arm = translate(parse((INFRA / "main.bicep").read_text(encoding="utf-8")), INFRA)
    made = {**arm, "metadata": {"description": NOTE}}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def differences(ours: dict[str, Any], compiled: dict[str, Any]) -> Iterator[str]:
    """Parts that deploy something else, by where they are; text loaded from files is put in its place first."""
    one, other = comparable(_with_loaded_text(ours)), comparable(_with_loaded_text(compiled))
    for part in ("parameters", "variables", "outputs"):
        mine, theirs = one.get(part, {}), other.get(part, {})
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                yield f"{part}.{name}: committed {mine.get(name)!r}, compiled {theirs.get(name)!r}"
    for resource in one["resources"]:
        if resource not in other["resources"]:
            yield f"only in the committed file: {json.dumps(resource)}"
    for resource in other["resources"]:
        if resource not in one["resources"]:
            yield f"only in what was compiled: {json.dumps(resource)}"


def _with_loaded_text(arm: dict[str, Any]) -> dict[str, Any]:
    """The compiler numbers what it loads in an order of its own: ``variables('$fxv#3')`` becomes the text."""
    loaded = {name: value for name, value in arm.get("variables", {}).items() if name.startswith("$fxv#")}

    def inlined(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inlined(inner) for key, inner in value.items() if key not in loaded}
        if isinstance(value, list):
            return [inlined(inner) for inner in value]
        if isinstance(value, str) and value.startswith("[variables('$fxv#"):
            return loaded[value.removeprefix("[variables('").removesuffix("')]")]
        return value

    return dict(inlined(arm))


if __name__ == "__main__":
    sys.exit(main())
