"""``orchestrator.app`` only composes: it decides nothing. See decision 0043."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "orchestrator" / "app"
MODULES = sorted(APP.glob("*.py"))
MAY_LOOP = frozenset({"system.py"})
MAY_BRANCH = frozenset({"daemon.py", "running.py"})
MAX_LINES, MAX_FUNCTION_LINES = 1080, 40


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_module_decides_nothing(path: Path) -> None:
    assert list(decisions(ast.parse(path.read_text()), path.name)) == []


def test_app_stays_small() -> None:
    assert sum(len(path.read_text().splitlines()) for path in MODULES) <= MAX_LINES


def test_the_check_finds_what_it_looks_for() -> None:
    tree = ast.parse("if ready:\n    pass\nfor part in parts:\n    part.start()\nname = first if ready else second")
    assert list(decisions(tree, "api.py")) == ["1: If", "3: For"]
    assert list(decisions(tree, "system.py")) == ["1: If"]
    assert list(decisions(ast.parse("def f() -> None:\n" + "    f()\n" * 40), "api.py")) == ["1: f has 41 lines"]


def decisions(tree: ast.Module, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.Match) and name not in MAY_BRANCH:
            yield f"{node.lineno}: {type(node).__name__}"
        if isinstance(node, ast.For | ast.AsyncFor | ast.While) and name not in MAY_LOOP:
            yield f"{node.lineno}: {type(node).__name__}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {lines} lines"
