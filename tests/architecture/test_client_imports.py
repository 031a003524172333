"""The client `eph` runs with the packages that `pip install eph` installs, without the extra `server`. Row: P5.

A module of the client is one that a command can import: what ``orchestrator.cli`` imports, in functions too, what these
modules import when they are loaded, and what the registries load for `eph validate`, `init` and `setup`.
"""

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
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("orchestrator", "stacks", "programs")
LOADED_BY_REGISTRIES = (
    "programs/targets/*/description.py",
    "orchestrator/forges/*/adapter.py",
    "orchestrator/secret_providers/*/adapter.py",
)
AFTER_REQUIRING_AN_EXTRA = {
    "orchestrator.cli.mcp_bridge": "require_mcp",
    "orchestrator.cli.self_installation": "require_server",
    "orchestrator.runtime.server.backup": "require_server",
    "orchestrator.runtime.server.key_rotation": "require_server",
}
"""Modules that commands import in functions that first check for the extra."""
CALLED_AFTER_CHECKS = "_explained"
"""A context manager of these functions."""


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return ".".join(relative.parent.parts if path.name == "__init__.py" else relative.with_suffix("").parts)


MODULES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imported(node: ast.AST) -> Iterator[str]:
    """With the packages that contain each module, which Python loads first."""
    match node:
        case ast.Import(names=names):
            found = [name.name for name in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            found = [f"{module}.{name.name}" if f"{module}.{name.name}" in MODULES else module for name in names]
        case _:
            return
    for name in found:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def imports_of(path: Path, in_functions: bool) -> Iterator[tuple[str, ast.stmt | None]]:
    """Each name with the outermost function that imports it, None for imports of the module itself. Imports for the
    type checker don't count."""
    waiting: list[tuple[ast.AST, ast.stmt | None]] = [(ast.parse(path.read_text()), None)]
    while waiting:
        node, function = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, function) for child in node.orelse]
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not in_functions:
                continue
            function = function or node
        yield from ((name, function) for name in imported(node))
        waiting += [(child, function) for child in ast.iter_child_nodes(node)]


def is_command(name: str) -> bool:
    return name.startswith("orchestrator.cli") and name not in AFTER_REQUIRING_AN_EXTRA


def client_modules(starts: list[str]) -> dict[str, str]:
    """Each with the module that imports it."""
    found: dict[str, str] = {}
    waiting = [(start, "") for start in starts]
    while waiting:
        name, importer = waiting.pop()
        if name in found:
            continue
        found[name] = importer
        for other, _ in imports_of(MODULES[name], in_functions=is_command(name)):
            if other in MODULES and other not in AFTER_REQUIRING_AN_EXTRA:
                waiting.append((other, name))
    return found


def commands() -> list[str]:
    return sorted(name for name in MODULES if is_command(name))


def loaded_by_registries() -> list[str]:
    return [module_name(path) for pattern in LOADED_BY_REGISTRIES for path in sorted(ROOT.glob(pattern))]


def packages_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in requirements}


def base_packages() -> set[str]:
    return packages_of(PROJECT["dependencies"])


def foreign_imports(name: str) -> Iterator[str]:
    for other, _ in imports_of(MODULES[name], in_functions=is_command(name)):
        top = other.partition(".")[0]
        if top not in PACKAGES and top not in sys.stdlib_module_names:
            yield top


def origin(name: str, found: dict[str, str]) -> str:
    steps = [name]
    while found[steps[-1]]:
        steps.append(found[steps[-1]])
    return " <- ".join(steps)


def test_client_imports_only_what_is_installed_with_it() -> None:
    base, owners = base_packages(), metadata.packages_distributions()
    found = client_modules([*commands(), *loaded_by_registries()])
    wrong = [
        f"{package}: {origin(name, found)}"
        for name in found
        for package in foreign_imports(name)
        if not {owner.lower() for owner in owners.get(package, [package])} & base
    ]
    assert wrong == [], "import it in a function that the client doesn't call, or call extras.require_server first"


def test_every_dependency_of_the_client_is_used_by_it() -> None:
    owners = metadata.packages_distributions()
    modules = client_modules([*commands(), *loaded_by_registries()])
    used = {owner.lower() for name in modules for package in foreign_imports(name) for owner in owners[package]}
    assert base_packages() - used == set()


@pytest.mark.parametrize(("module", "check"), AFTER_REQUIRING_AN_EXTRA.items())
def test_commands_check_for_an_extra_before_they_import_it(module: str, check: str) -> None:
    importing = [
        function
        for name in commands()
        for other, function in imports_of(MODULES[name], in_functions=True)
        if other == module and isinstance(function, ast.FunctionDef) and function.name != CALLED_AFTER_CHECKS
    ]
    assert importing
    for function in importing:
        lines = [ast.unparse(statement) for statement in function.body]
        (checked,) = (at for at, line in enumerate(lines) if line.startswith(f"extras.{check}("))
        imports = [at for at, line in enumerate(function.body) if module in imported(line)]
        assert imports
        assert checked < min(imports)


def test_extra_for_agents_is_what_its_command_imports() -> None:
    found = set(foreign_imports("orchestrator.cli.mcp_bridge"))
    assert found - base_packages() == packages_of(PROJECT["optional-dependencies"]["mcp"])


def test_every_target_of_ours_has_a_description_without_the_extra() -> None:
    folders = {path.parent for path in (ROOT / "programs/targets").glob("*/target.py")}
    assert {path.parent for path in (ROOT / "programs/targets").glob("*/description.py")} == folders
