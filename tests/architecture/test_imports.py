"""Imports go one way, and nothing is connected after its construction. Imports inside functions count, too."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "stacks", "programs")
SAMPLE_SHOP = "orchestrator/demo/shop/"
"""Files of a sample repository, which Eph never imports."""


@cache
def modules() -> Mapping[str, Path]:
    found = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        relative = path.relative_to(ROOT)
        if not relative.as_posix().startswith(SAMPLE_SHOP):
            parts = relative.parent.parts if path.name == "__init__.py" else relative.with_suffix("").parts
            found[".".join(parts)] = path
    return found


@cache
def imports() -> Mapping[str, frozenset[str]]:
    return {name: frozenset(imported(path)) - {name} for name, path in modules().items()}


def imported(path: Path) -> Iterator[str]:
    """Includes imports in functions and those for the type checker only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names if item.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            for item in node.names:
                name = f"{node.module}.{item.name}"
                yield name if name in modules() else node.module


def reachable(start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports().get(waiting.pop(), frozenset()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def layers() -> list[set[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["type"] == "layers"]
    assert "ignore_imports" not in contract
    return [{name.strip(" ()") for name in line.split("|")} for line in contract["layers"]]


def test_no_module_imports_itself_through_others() -> None:
    assert [name for name in imports() if name in reachable(name)] == []


def test_every_room_has_a_layer() -> None:
    rooms = {f"orchestrator.{path.parent.name}" for path in (ROOT / "orchestrator").glob("*/__init__.py")}
    assert rooms | {"stacks", "programs"} <= set().union(*layers())


def test_imports_point_down() -> None:
    heights = {room: height for height, rooms in enumerate(reversed(layers())) for room in rooms}

    def room_of(name: str) -> str:
        return ".".join(name.split(".")[: 2 if name.startswith("orchestrator.") else 1])

    upwards = [
        f"{name} -> {other}"
        for name, others in imports().items()
        for other in others
        if room_of(name) != room_of(other) and heights.get(room_of(name), 99) <= heights.get(room_of(other), -1)
    ]
    assert upwards == []


def test_composition_sets_nothing_after_construction() -> None:
    """A part receives its dependencies through its constructor: ``app`` assigns no attribute of another object. (The
    daemon does, of a timer of the standard library.)"""
    assigned = [
        f"{path.name}:{node.lineno}: {ast.unparse(target)}"
        for path in (ROOT / "orchestrator" / "app").glob("*.py")
        if path.name != "daemon.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) != "self"
    ]
    assert assigned == []


def test_compose_is_the_only_place_that_creates_the_loop() -> None:
    """The stories, the model and the benchmarks call ``compose`` too."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for folder in ("orchestrator", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    creating = {
        path
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Loop", "PlanExecutor")
    }
    assert creating == {"orchestrator/app/runtime_parts.py"}
    importing = {
        path
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and "runtime_parts" in f"{node.module} {[each.name for each in node.names]}"
    }
    assert importing == {"orchestrator/app/compose.py"}
