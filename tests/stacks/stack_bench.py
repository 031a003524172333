"""A bench for operations: its own folder, the real Pulumi behind a counting ``pulumi`` on PATH, the probe target.

The same verbs for the fake and the real executor, so that one contract suite tests both.
"""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from stacks import keys, names
from stacks.backends.file.file_backend import FileBackend
from stacks.backends.inventory import StackInventory
from stacks.executors.fake import FakeExecutor
from stacks.executors.port import Executor, Lane, OnDestroyed
from stacks.executors.process.process_executor import ProcessExecutor
from stacks.model import Operation, OperationResult, OperationVerb, StackRecord, StackRef, StackSnapshot, StackTag
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain import pulumi_cli
from tests.stack_folders import allow_removal, file_backend, process_executor, records_of, worker_settings

ROOT = Path(__file__).parents[2]
REPOSITORY, SHOP = 12345, "acme/shop"
TIMEOUT = 30.0


def sha(text: str) -> str:
    return f"{text:0<40}"


def ref(number: int) -> StackRef:
    return names.stack_ref(keys.pull_request(REPOSITORY, number), SHOP)


@dataclass(frozen=True)
class OperationFactory:
    """Operations as the planner would create them."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def tag(self, number: int, commit: str, **changes: Any) -> StackTag:
        seen = datetime.now(UTC)
        made = StackTag(
            keys.pull_request(REPOSITORY, number), SHOP, f"shop-probe-{number}", "", sha(commit), seen, target="probe"
        )
        return replace(made, **changes)

    def up(self, number: int, commit: str, parts: tuple[str, ...] = ("web",), **changes: Any) -> Operation:
        name = f"shop-probe-{number}"
        services = tuple(ServiceSpec(part, "serve") for part in parts)
        source = GitSource("shop.git", sha(commit), "branch")
        spec = EnvironmentSpec(name, f"{name}.localhost", "probe", "shop", source, services, settings=self.settings)
        tag = self.tag(number, commit)
        made = Operation(ref(number), OperationVerb.UP, "probe", name, tag, spec, sha(commit), settings=self.settings)
        return replace(made, **changes)

    def destroy(self, number: int, **changes: Any) -> Operation:
        made = Operation(ref(number), OperationVerb.DESTROY, "probe", f"shop-probe-{number}", settings=self.settings)
        return replace(made, **changes)

    def retag(self, number: int, commit: str, **changes: Any) -> Operation:
        tag = self.tag(number, commit, **changes)
        return Operation(ref(number), OperationVerb.RETAG, "", tag.name, tag)

    def refresh(self, number: int) -> Operation:
        return Operation(ref(number), OperationVerb.REFRESH, "probe", f"shop-probe-{number}", settings=self.settings)


class StackBench(Protocol):
    @property
    def factory(self) -> OperationFactory: ...

    @property
    def operations(self) -> Executor: ...

    def snapshot(self) -> StackSnapshot: ...
    def hold(self, number: int) -> None: ...
    def release(self, number: int) -> None: ...
    def fail(self, number: int, error: str) -> None: ...
    def stop_failing(self, number: int) -> None: ...
    async def wait_until_running(self, number: int) -> None: ...


async def run_operation(
    bench: StackBench,
    operation: Operation,
    progress: list[str] | None = None,
    on_destroyed: OnDestroyed = allow_removal,
) -> OperationResult:
    return await start_operation(bench, operation, progress, on_destroyed).wait()


def start_operation(
    bench: StackBench,
    operation: Operation,
    progress: list[str] | None = None,
    on_destroyed: OnDestroyed = allow_removal,
) -> Lane:
    return bench.operations.start(operation, (progress if progress is not None else []).append, on_destroyed)


def record_of(bench: StackBench, number: int) -> StackRecord:
    return bench.snapshot().stacks[ref(number)]


@dataclass
class FakeBench:
    operations: FakeExecutor = field(default_factory=FakeExecutor)
    factory: OperationFactory = field(default_factory=OperationFactory)

    def snapshot(self) -> StackSnapshot:
        return StackInventory(self.operations.backend).snapshot()

    def hold(self, number: int) -> None:
        self.operations.hold(ref(number))

    def release(self, number: int) -> None:
        self.operations.release(ref(number))

    def fail(self, number: int, error: str) -> None:
        self.operations.fail(ref(number), error, times=1000, verb=OperationVerb.UP)

    def stop_failing(self, number: int) -> None:
        self.operations.clear_failure(ref(number))

    async def wait_until_running(self, number: int) -> None:
        await wait_until(lambda: ref(number) in self.operations.records and record_of(self, number).locks != ())


@dataclass
class RealBench:
    folder: Path
    settings: WorkerSettings
    version: str
    operations: ProcessExecutor = field(init=False)
    backend: FileBackend = field(init=False)
    inventory: StackInventory = field(init=False)

    def __post_init__(self) -> None:
        self.operations = process_executor(self.settings, self.version)
        self.backend = file_backend(self.settings)
        self.inventory = StackInventory(self.backend)

    @property
    def factory(self) -> OperationFactory:
        return OperationFactory({"folder": str(self.folder / "target")})

    @property
    def records(self) -> Path:
        return records_of(self.settings)

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def snapshot(self) -> StackSnapshot:
        return self.inventory.snapshot()

    # --- the target's control

    def control_file(self, word: str, number: int) -> Path:
        return self.target / "control" / f"{word}-shop-probe-{number}"

    def hold(self, number: int) -> None:
        self.control_file("hold", number).touch()

    def release(self, number: int) -> None:
        self.control_file("hold", number).unlink(missing_ok=True)

    def fail(self, number: int, error: str) -> None:
        self.control_file("fail", number).write_text(error)

    def stop_failing(self, number: int) -> None:
        self.control_file("fail", number).unlink(missing_ok=True)

    async def wait_until_running(self, number: int) -> None:
        """Until one of its resources is being worked on."""
        name = f"shop-probe-{number}"
        await wait_until(lambda: any(line.split()[0] in START_WORDS for line in self.journal(name)[-1:]))

    def journal(self, name: str) -> list[str]:
        path = self.target / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[1] == name]

    # --- inspection

    def created_files(self) -> dict[str, str]:
        root = self.target / "made"
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}

    def pulumi_commands(self) -> list[str]:
        """The command lines of all ``pulumi`` processes so far, recorded by the wrapper on PATH."""
        path = self.folder / "started"
        return path.read_text().splitlines() if path.exists() else []

    def pulumi(self, *words: str) -> str:
        """Like a person would call it, with the environment that Eph prints."""
        env = {**os.environ, **self.settings.environment()}
        done = subprocess.run(
            [self.folder / "real-pulumi", *words], env=env, cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout

    def remaining_files(self) -> list[str]:
        """Files in the folders of operations, other than the store's own marker and the logs of existing stacks."""
        found = [*_files(self.backend.folder), *_files(self.records), *_files(self.folder / "tmp")]
        warm = {interpreter.folder for interpreter in self.operations._workers.idle}
        found += [path for path in _files(self.settings.work) if path.parent not in warm]
        return [str(path.relative_to(self.folder)) for path in found if path.name != "meta.yaml"]


START_WORDS = ("create", "update", "delete")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def wait_until(condition: Callable[[], bool], seconds: float = TIMEOUT) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.03)


def create_real_bench(folder: Path, monkeypatch: Any) -> RealBench:
    """``monkeypatch`` sets variables for the test: the folder for temporary files, and where the entry point is."""
    found = pulumi_cli.find()
    for name in ("bin", "tmp", "target/control", "site/eph_probe-1.dist-info"):
        (folder / name).mkdir(parents=True)
    (folder / "real-pulumi").symlink_to(found.pulumi)
    counted = f'#!/bin/sh\necho "$@" >>{folder}/started\nexec {found.pulumi} "$@"\n'
    _script(folder / "bin" / "pulumi", counted)
    point = folder / "site" / "eph_probe-1.dist-info"
    (point / "METADATA").write_text("Metadata-Version: 2.1\nName: eph-probe\nVersion: 1\n")
    (point / "entry_points.txt").write_text("[eph.targets]\nprobe = tests.stacks.probe_target:TARGET\n")
    (folder / "pass").write_text("a passphrase")
    monkeypatch.setenv("PYTHONPATH", f"{folder / 'site'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    settings = worker_settings(
        folder,
        pulumi_home=folder / "home",
        passphrase_file=folder / "pass",
        tools=f"{folder / 'bin'}{os.pathsep}{found.path}",
    )
    settings.create_folders()
    return RealBench(folder, settings, found.version)


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
