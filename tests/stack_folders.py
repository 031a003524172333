"""The folders of operations on a file backend, for tests that need real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stacks.backends.file.file_backend import FileBackend
from stacks.paths import StackPaths


def stack_paths(folder: Path, **changes: Any) -> StackPaths:
    usual: dict[str, Any] = {name: folder / name for name in ("work", "operations", "pulumi_home", "passphrase_file")}
    return StackPaths(**{"backend": FileBackend(folder / "backend"), **usual, **changes})


def file_backend(paths: StackPaths) -> FileBackend:
    assert isinstance(paths.backend, FileBackend)
    return paths.backend
