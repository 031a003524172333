"""An adapter's name occurs in its own folder and nowhere else, so that adding one takes no edit elsewhere. Row: O5."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "stacks", "programs")


FORGES = sorted(path.parent.name for path in (ROOT / "orchestrator" / "forges").glob("*/adapter.py"))
TARGETS = sorted(path.parent.name for path in (ROOT / "programs" / "targets").glob("*/target.py"))
PROVIDERS = sorted(path.parent.name for path in (ROOT / "orchestrator" / "secret_providers").glob("*/adapter.py"))
COMMON_WORDS = ("aws", "file", "kubernetes", "variable")
ALLOWED = (
    ("orchestrator/forges/registry.py", 'DEFAULT = "github"'),  # the one default
    ("programs/kit/git/checkouts.py", "https://git-lfs.github.com/spec/"),  # the first line of an LFS pointer
)
"""Lines that can name a Git host anyway, by file."""


def lines_that_name(name: str, homes: tuple[str, ...]) -> Iterator[str]:
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*")):
        where = path.relative_to(ROOT).as_posix()
        if path.suffix == ".pyc" or not path.is_file() or where.startswith(homes):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if name in line.lower() and not any(where == file and text in line for file, text in ALLOWED):
                yield f"{where}:{number}: {line.strip()}"


@pytest.mark.parametrize("name", FORGES)
def test_git_host_is_named_in_its_own_folder_only(name: str) -> None:
    found = list(lines_that_name(name, (f"orchestrator/forges/{name}/", "orchestrator/demo/")))
    assert found == [], "name it in its folder only; if its name is a common word, choose a longer one"


@cache
def naming_nodes(path: Path) -> tuple[ast.Constant | ast.Import | ast.ImportFrom, ...]:
    """The strings and imports of a file, parsed once for all adapters."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return tuple(
        node
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    )


def mentions_of_provider(name: str, path: Path) -> Iterator[str]:
    """Imports of its folder, and strings that are its name. Three providers have the name of a target or a common
    word."""
    where = path.relative_to(ROOT).as_posix()
    for node in naming_nodes(path):
        match node:
            case ast.Constant(value=str(text)) if text == name and name not in COMMON_WORDS:
                yield f"{where}:{node.lineno}: {text!r}"
            case ast.ImportFrom(module=str(module)) if f"secret_providers.{name}" in module:
                yield f"{where}:{node.lineno}: import from {module}"


@pytest.mark.parametrize("name", PROVIDERS)
def test_secret_provider_is_named_in_its_own_folder_only(name: str) -> None:
    home = ROOT / "orchestrator" / "secret_providers" / name
    others = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if not path.is_relative_to(home)]
    assert [line for path in others for line in mentions_of_provider(name, path)] == []


ALLOWED_TARGETS = {
    "programs/spec.py": "DEFAULT_TARGET is named once",
    "orchestrator/auth/local_token.py": "the name of the token for this machine's own programs",
    "programs/targets/compose/files/project_checks.py": "the container engine's own volume driver is called local",
    "orchestrator/core/util/deploy_labels.py": "host names that labels can't take, such as static.example.com",
}
"""Files that can have a target's name as a string, with the reason."""


def mentions_of_target(name: str, path: Path) -> Iterator[str]:
    """Imports of its folder, strings that are its name, and sentences that refer to it as `name`. A plain word such as
    "Kubernetes" is not a reference."""
    where = path.relative_to(ROOT).as_posix()
    for node in naming_nodes(path):
        match node:
            case ast.Constant(value=str(text)):
                # Double backticks quote code, such as the method ``program``.
                named = re.search(rf"(?<!`)`{name}`(?!`)", text)
                if (text == name or named) and where not in ALLOWED_TARGETS:
                    yield f"{where}:{node.lineno}: {text[:80]!r}"
            case ast.Import(names=names):
                if any(f"targets.{name}" in item.name for item in names):
                    yield f"{where}:{node.lineno}: import"
            case ast.ImportFrom(module=str(module), names=names):
                imported = [f"{module}.{item.name}" for item in names]
                if any(f"targets.{name}" in item for item in imported):
                    yield f"{where}:{node.lineno}: import from {module}"


@pytest.mark.parametrize("name", TARGETS)
def test_target_is_named_in_its_own_folder_only(name: str) -> None:
    homes = (ROOT / "programs" / "targets" / name, ROOT / "orchestrator" / "demo")
    sources = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    others = [path for path in sources if not any(path.is_relative_to(home) for home in homes)]
    assert [line for path in others for line in mentions_of_target(name, path)] == []
