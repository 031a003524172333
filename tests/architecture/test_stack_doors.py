"""Backends and executors are named only in their own folder, and a new one takes one folder and no other edit."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import how_to_pages
from tests.sabotage.patched_copy import PACKAGES, ROOT, copy_code

DOORS = ("stacks.backends", "stacks.executors")
S3_BACKEND = """from stacks.backends.fake import FakeBackend


class S3Backend(FakeBackend):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.opened = url

    @property
    def url(self) -> str:
        return self.opened


open_url = S3Backend
"""
USE_BACKEND = """
from orchestrator.config.settings.server_settings import ServerSettings
from stacks.backends import registry
from stacks.backends.inventory import StackInventory

settings = ServerSettings(backend_url="s3://bucket")
backend = registry.open_backend(settings.stacks_url)
assert backend.url == "s3://bucket"
assert StackInventory(backend).snapshot().complete
assert "s3" in registry.schemes()
"""
EMPTY_EXECUTOR = """
from stacks.executors.fake import FakeExecutor
from stacks.executors.port import ExecutorAdapter


class EmptyExecutor(FakeExecutor):
    def __init__(self, settings):
        super().__init__()
        self.version = settings.version


ADAPTER = ExecutorAdapter("empty", EmptyExecutor)
"""
USE_EXECUTOR = """
from pathlib import Path

from orchestrator.app import outside
from orchestrator.config.settings.server_settings import ServerSettings
from stacks.executors import registry
from stacks.executors.port import ExecutorSettings
from stacks.toolchain.pulumi_cli import Toolchain

settings = ServerSettings(home=Path.cwd() / "home", executor="empty")
worker = outside.create_worker_settings(settings, Toolchain(Path("pulumi"), "3.0.0", "", ""))
executor = registry.open_executor(settings.executor, ExecutorSettings(worker, "3.0.0", settings.operations_dir))
assert executor.version == "3.0.0"
assert "empty" in registry.installed()
"""


def backend_files() -> dict[str, str]:
    """The adapter in docs/how-to/add-a-backend.md, with a backend in memory."""
    [code] = how_to_pages.code_files("add-a-backend").values()
    return {"__init__.py": code, "s3_backend.py": S3_BACKEND}


def _adapters(door: str) -> list[str]:
    folder = ROOT / door.replace(".", "/")
    return [f"{door}.{path.parent.name}" for path in sorted(folder.glob("*/__init__.py"))]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("adapter", [name for door in DOORS for name in _adapters(door)])
def test_adapter_is_imported_only_in_its_own_folder(adapter: str) -> None:
    own = ROOT / adapter.replace(".", "/")
    users = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(own)
        and any(name == adapter or name.startswith(f"{adapter}.") for name in _imports(path))
    ]
    assert users == []


def test_new_backend_takes_one_folder(tmp_path: Path) -> None:
    copy_code(tmp_path, ())
    how_to_pages.write_files(tmp_path / "stacks/backends/s3", backend_files())
    _run(tmp_path, USE_BACKEND)


def test_new_executor_takes_one_folder(tmp_path: Path) -> None:
    copy_code(tmp_path, ())
    folder = tmp_path / "stacks/executors/empty"
    folder.mkdir()
    (folder / "__init__.py").write_text(EMPTY_EXECUTOR)
    _run(tmp_path, USE_EXECUTOR)


def test_new_executor_of_another_distribution(tmp_path: Path) -> None:
    how_to_pages.install(
        tmp_path, "eph_empty", {"__init__.py": EMPTY_EXECUTOR}, "eph.executors empty = eph_empty:ADAPTER"
    )
    _run(tmp_path, USE_EXECUTOR)


def test_new_backend_of_another_distribution(tmp_path: Path) -> None:
    how_to_pages.install(tmp_path, "eph_s3", backend_files(), "eph.backends s3 = eph_s3:ADAPTER")
    _run(tmp_path, USE_BACKEND)


def _run(folder: Path, code: str) -> None:
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
