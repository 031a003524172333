"""Backends and executors are named in their own folder alone, and a new one takes one folder and no other edit."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sabotage.patched_copy import PACKAGES, ROOT, copy_code

DOORS = ("stacks.backends", "stacks.executors")
EMPTY_BACKEND = """
from stacks.backends.fake import FakeBackend
from stacks.backends.port import BackendAdapter


class EmptyBackend(FakeBackend):
    def __init__(self, url):
        super().__init__()
        self.opened = url

    @property
    def url(self):
        return self.opened


ADAPTER = BackendAdapter(("empty",), EmptyBackend)
"""
USE_BACKEND = """
from orchestrator.config.settings.server_settings import ServerSettings
from stacks.backends import registry
from stacks.backends.inventory import StackInventory

settings = ServerSettings(backend_url="empty://here")
backend = registry.open_backend(settings.stacks_url)
assert backend.url == "empty://here"
assert StackInventory(backend).snapshot().complete
print(sorted(registry.schemes()))
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
print(sorted(registry.installed()))
"""


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
    folder = tmp_path / "stacks/backends/empty"
    folder.mkdir()
    (folder / "__init__.py").write_text(EMPTY_BACKEND)
    assert _run(tmp_path, USE_BACKEND) == "['empty', 'file']"


def test_new_executor_takes_one_folder(tmp_path: Path) -> None:
    copy_code(tmp_path, ())
    folder = tmp_path / "stacks/executors/empty"
    folder.mkdir()
    (folder / "__init__.py").write_text(EMPTY_EXECUTOR)
    assert _run(tmp_path, USE_EXECUTOR) == "['empty', 'process']"


def test_new_executor_of_another_distribution(tmp_path: Path) -> None:
    _install(tmp_path, "eph.executors", EMPTY_EXECUTOR)
    assert _run(tmp_path, USE_EXECUTOR) == "['empty', 'process']"


def test_new_backend_of_another_distribution(tmp_path: Path) -> None:
    _install(tmp_path, "eph.backends", EMPTY_BACKEND)
    assert _run(tmp_path, USE_BACKEND) == "['empty', 'file']"


def _install(folder: Path, group: str, code: str) -> None:
    (folder / "eph_empty.py").write_text(code)
    metadata = folder / "eph_empty-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: eph-empty\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\nempty = eph_empty:ADAPTER\n")


def _run(folder: Path, code: str) -> str:
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
    return done.stdout.strip()
