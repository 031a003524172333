"""Each patch matches its source exactly once, and each test that proves a guard exists. No copies, no processes."""

from __future__ import annotations

import ast

import pytest

from tests.model.steps import STEPS
from tests.sabotage import patched_copy
from tests.sabotage.guards import MODELLED, Guard
from tests.sabotage.real_guards import REAL

GUARDS = (*MODELLED, *REAL)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_patch_matches_exactly_once(guard: Guard) -> None:
    patches = [*guard.patches, *guard.also_disabled]
    assert patched_copy.mismatches(patches) == []
    assert all(patch.old != patch.new for patch in patches)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_patched_file_is_valid_python(guard: Guard) -> None:
    """A syntax error would fail any test, and prove nothing about the guard."""
    sources: dict[str, str] = {}
    for patch in (*guard.patches, *guard.also_disabled):
        text = sources.get(patch.file) or (patched_copy.ROOT / patch.file).read_text()
        sources[patch.file] = text.replace(patch.old, patch.new)
    for file, text in sources.items():
        ast.parse(text, file)


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.test], ids=lambda guard: guard.name)
def test_every_test_id_exists(guard: Guard) -> None:
    file, _, name = guard.test.partition("::")
    path = patched_copy.ROOT / file
    assert path.is_file(), f"{guard.test}: no such file"
    tree = ast.parse(path.read_text(), file)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name.partition("[")[0] in functions, f"{guard.test}: no such function"


def test_every_guard_has_one_proof() -> None:
    assert [guard.name for guard in GUARDS if bool(guard.history) == bool(guard.test)] == []
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_documentation_has_their_number() -> None:
    text = " ".join((patched_copy.ROOT / "docs/reference/reliability.md").read_text().split())
    assert f"disables each of {len(GUARDS)} guards" in text


def test_every_history_has_known_steps() -> None:
    assert {step[0] for guard in GUARDS for step in guard.history} - set(STEPS) == set()
