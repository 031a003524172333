"""Opens a stack whose record exists through the Automation API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pulumi import automation
from pulumi.automation import LocalWorkspace, Stack

from stacks.model import StackRef
from stacks.operations.pulumi_command import OperationCommand
from stacks.operations.worker_settings import WorkerSettings


def open_stack(
    ref: StackRef,
    program: automation.PulumiFn | None,
    settings: WorkerSettings,
    command: OperationCommand,
    work: Path,
    variables: Mapping[str, str] | None = None,
) -> Stack:
    """``program``: None for operations that run from the state. ``work``: an empty folder of the operation.
    ``variables``: Pulumi gets them beside those of this process."""
    salt = settings.backend.secrets_salt(ref)
    if salt:
        (work / f"Pulumi.{ref.stack}.yaml").write_text(f"encryptionsalt: {salt}\n")
    workspace = LocalWorkspace(
        work_dir=str(work),
        program=program,
        pulumi_home=str(settings.pulumi_home),
        project_settings=automation.ProjectSettings(name=ref.project, runtime="python"),
        env_vars=variables,
        pulumi_command=command,
    )
    return Stack.select(ref.stack, workspace)
