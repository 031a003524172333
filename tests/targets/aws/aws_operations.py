"""Eph's own operations on AWS: the real worker process, the real Pulumi and the plugin, which a test can kill."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from programs.spec import EnvironmentSpec
from stacks import keys, names, process_identity
from stacks.executors.process import operation_records
from stacks.executors.process.process_executor import ProcessExecutor
from stacks.model import Operation, OperationResult, OperationVerb, StackRef, StackTag
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain import pulumi_cli
from tests.stack_folders import allow_removal, process_executor, records_of, worker_settings
from tests.targets.aws.aws_account import AwsAccount
from tests.targets.aws.aws_stack import install_plugin
from tests.targets.aws.recorded_program import NAME

REPOSITORY, REPOSITORY_NAME = 12345, "acme/shop"
KEY = keys.pull_request(REPOSITORY, 42)


@dataclass
class AwsOperations:
    account: AwsAccount
    worker: WorkerSettings
    executor: ProcessExecutor

    @property
    def ref(self) -> StackRef:
        return names.stack_ref(KEY, REPOSITORY_NAME)

    async def up(self, spec: EnvironmentSpec, *, refresh: bool = False) -> OperationResult:
        commit = spec.source.commit
        tag = StackTag(KEY, REPOSITORY_NAME, NAME, "", commit, datetime.now(UTC), target="aws")
        settings = self.account.settings()
        return await self._run(
            Operation(self.ref, OperationVerb.UP, "aws", NAME, tag, spec, commit, refresh, settings=settings)
        )

    async def destroy(self) -> OperationResult:
        """As the planner would order it: after an interrupted operation, it refreshes first."""
        record = self.worker.backend.read(self.ref)
        refresh = bool(record and record.pending_operations)
        settings = self.account.settings()
        return await self._run(
            Operation(self.ref, OperationVerb.DESTROY, "aws", NAME, refresh=refresh, settings=settings)
        )

    async def _run(self, operation: Operation) -> OperationResult:
        return await self.executor.start(operation, lambda _: None, allow_removal).wait()

    def kill(self) -> None:
        """``kill -9`` of everything that belongs to the running operation: worker, Pulumi, plugins."""
        for running in operation_records.list_running(records_of(self.worker)):
            for pid in process_identity.session_members(running.worker.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def pending(self) -> int:
        record = self.worker.backend.read(self.ref)
        return record.pending_operations if record else 0


@contextlib.asynccontextmanager
async def running_operations(
    folder: Path, account: AwsAccount, set_variable: Callable[[str, str], None]
) -> AsyncIterator[AwsOperations]:
    found = pulumi_cli.find()
    (folder / "bin").mkdir()
    install_plugin(folder / "bin", runs_tasks=account.runs_tasks)
    plugin = folder / "bin" / "pulumi-resource-pulumi-python"
    plugin.write_text('#!/bin/sh\nexec "$PULUMI_PYTHON_CMD" -u -m pulumi.dynamic "$@"\n')
    plugin.chmod(0o755)
    (folder / "pass").write_text("a passphrase")
    set_variable("TMPDIR", str(folder))
    settings = worker_settings(
        folder, pulumi_home=folder / "home", passphrase_file=folder / "pass", tools=f"{folder / 'bin'}:{found.path}"
    )
    settings.create_folders()
    executor = process_executor(settings, found.version)
    await executor.open()
    try:
        yield AwsOperations(account, settings, executor)
    finally:
        await executor.close()
