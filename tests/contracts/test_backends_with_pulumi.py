"""Pulumi itself and a backend's adapter see the same stacks, run on each adapter that a URL opens (L2)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stacks import keys, tags
from stacks.backends.inventory import StackInventory
from stacks.backends.port import Backend
from stacks.model import StackRef, StackTag
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain import pulumi_cli
from tests.contracts.backend_harnesses import AT, HARNESSES, ref

TIMEOUT = 120
RunPulumi = Callable[..., str]


@pytest.fixture(params=sorted(name for name, entry in HARNESSES.items() if entry.schemes))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    harness = HARNESSES[request.param].create(tmp_path)
    yield harness.backend
    harness.close()


@pytest.fixture
def pulumi(backend: Backend, tmp_path: Path) -> RunPulumi:
    """Runs the CLI with the environment that a worker gives it."""
    try:
        found = pulumi_cli.find()
    except pulumi_cli.ToolchainNotFound as error:
        pytest.skip(f"no Pulumi CLI: {error}")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase")
    settings = WorkerSettings(backend, tmp_path / "work", tmp_path / "pulumi", passphrase, found.path)
    settings.create_folders()
    (settings.work / "Pulumi.yaml").write_text(f"name: {ref(1).project}\nruntime: python\n")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [found.pulumi, *arguments, "--non-interactive"],
            cwd=settings.work,
            env={**os.environ, **settings.environment()},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.long
def test_pulumi_and_the_adapter_see_the_same_stacks(backend: Backend, pulumi: RunPulumi) -> None:
    tag = StackTag(keys.pull_request(12345, 1), "acme/shop", "shop-1", "life", "a" * 40, AT)
    backend.write_tag(ref(1), tag)
    backend.create(ref(1))
    assert pulumi("stack", "tag", "get", tags.TAG_KEY, "--stack", full_name(ref(1))) == tags.encode(tag)

    pulumi("stack", "init", full_name(ref(2)))
    snapshot = StackInventory(backend).snapshot()
    assert (set(snapshot.stacks), snapshot.complete) == ({ref(1), ref(2)}, True)

    pulumi("stack", "rm", "--yes", "--stack", full_name(ref(1)))
    assert not backend.exists(ref(1))
    backend.forget(ref(1))
    assert backend.stray_files() == []
    assert set(StackInventory(backend).snapshot().stacks) == {ref(2)}


def full_name(stack: StackRef) -> str:
    return f"organization/{stack}"
