"""Runs one operation with the real Pulumi through the Automation API, in its own process, as Eph does:

``python -m tests.targets.pulumi_driver``, with a JSON object on standard input. The response is the last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi import automation

from programs import registry
from programs.spec import EnvironmentSpec


class PulumiFailed(Exception):
    """With Pulumi's whole output."""


def start(verb: str, spec: EnvironmentSpec | None, env: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """Starts an operation in its own process group."""
    work = {"verb": verb, "spec": spec and spec.to_json(), "env": dict(env), "folder": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.targets.pulumi_driver"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(work))
    process.stdin.close()
    return process


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for the answer. Raises ``PulumiFailed``."""
    with process:
        assert process.stdout
        answer: dict[str, Any] = json.loads(process.stdout.read().splitlines()[-1])
    if "error" in answer:
        raise PulumiFailed(answer["error"])
    return answer


def empty_program() -> None:
    """The program for operations that need none."""


def create_stack(request: dict[str, Any]) -> automation.Stack:
    spec = EnvironmentSpec.from_json(request["spec"]) if request["spec"] else None
    program: Callable[[], None] = registry.get(spec.target).program(spec) if spec else empty_program
    backend = automation.ProjectBackend(request["env"]["PULUMI_BACKEND_URL"])
    options = automation.LocalWorkspaceOptions(
        project_settings=automation.ProjectSettings("eph-shop", "python", backend=backend),
        env_vars=request["env"],
        work_dir=request["folder"],
        secrets_provider="passphrase",
    )
    return automation.create_or_select_stack("pr-42", "eph-shop", program, opts=options)


def main() -> dict[str, Any]:
    work = json.load(sys.stdin)
    subject = create_stack(work)
    match work["verb"]:
        case "up":
            done = subject.up(color="never")
            values = {name: item.value for name, item in done.outputs.items()}
            return {"outputs": values, "changes": done.summary.resource_changes}
        case "preview":
            changes = subject.preview(color="never").change_summary
            return {"changes": {str(kind): count for kind, count in changes.items()}}
        case "destroy":
            subject.destroy(color="never", remove=True)
        case "refresh":
            changed = subject.refresh(color="never").summary.resource_changes
            return {"changes": changed}
        case "cancel":
            subject.cancel()
        case "outputs":
            return {"outputs": {name: item.value for name, item in subject.outputs().items()}}
        case "state":
            return {"resources": (subject.export_stack().deployment or {}).get("resources", [])}
    return {}


if __name__ == "__main__":
    try:
        answer = main()
    except automation.CommandError as error:
        answer = {"error": str(error)}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
