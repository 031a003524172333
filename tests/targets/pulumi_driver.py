"""Runs one operation with the real Pulumi through the Automation API, in its own process, as Eph does:

``python -m tests.targets.pulumi_driver``, with a JSON object on standard input. The response is the last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from pulumi import automation

from programs.spec import EnvironmentSpec
from programs.targets.local.target import TARGET


def empty_program() -> None:
    """The program for operations that need none."""


def create_stack(request: dict[str, Any]) -> automation.Stack:
    spec = EnvironmentSpec.from_json(request["spec"]) if request["spec"] else None
    program: Callable[[], None] = TARGET.program(spec) if spec else empty_program
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
        case "destroy":
            subject.destroy(color="never", remove=True)
        case "refresh":
            subject.refresh(color="never")
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
