"""One name, one concept: no public class name occurs twice in the product, in any room."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "stacks", "programs")
PERSISTED = "/v1/"
"""Pulumi's state refers to these classes by module, so each target keeps its own."""
SAMPLE_SHOP = "orchestrator/demo/shop/"


def public_classes() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if PERSISTED in place or place.startswith(SAMPLE_SHOP):
                continue
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node.name, place


def test_no_public_class_name_occurs_twice() -> None:
    places = defaultdict(list)
    for name, place in public_classes():
        places[name].append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
