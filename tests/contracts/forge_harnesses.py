"""Every Git host that the contract tests run on. A new adapter adds an entry: verbs that change a host of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from tests.contracts.emulate_host import EmulateHost, emulate
from tests.contracts.forge_hosts import FakeHost, Host
from tests.contracts.sandbox_host import SandboxHost


@dataclass(frozen=True)
class Harness:
    """``adapter``: its name in the registry; empty for the fake. ``server`` runs once for all tests of a process and
    yields its URL, if there is one; ``open`` gives each test its own host, from a folder and that URL."""

    adapter: str
    open: Callable[[Path, str], AbstractContextManager[Host]]
    server: Callable[[Path], AbstractContextManager[str]] | None = None
    marks: tuple[pytest.MarkDecorator, ...] = ()


@contextmanager
def _fake(_: Path, __: str) -> Iterator[Host]:
    yield FakeHost()


@contextmanager
def _sandbox(folder: Path, _: str) -> Iterator[Host]:
    world = DemoGitHub(folder / "sandbox")
    world.start()
    host = SandboxHost(world)
    yield host
    host.done()


@contextmanager
def _emulate(folder: Path, url: str) -> Iterator[Host]:
    host = EmulateHost(url, f"ada/{folder.name[:40]}")
    yield host
    host.done()


HARNESSES: Mapping[str, Harness] = {
    "fake": Harness("", _fake),
    "sandbox": Harness("github", _sandbox),
    "emulate": Harness("github", _emulate, emulate, (pytest.mark.real,)),
}
