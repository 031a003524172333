"""One step of a server's installation in its own process, as ``eph self-install`` runs it: the SDK leaves event loops
behind. Arguments: the folder, the step, and the parts of the program. Prints the result as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from programs.installation import InstallationPlan
from stacks.operations.server_installation import InstallationFailed, ServerInstallation
from stacks.toolchain import pulumi_cli
from tests.stack_folders import worker_settings
from tests.stacks.probe_target import PartProvider


def program(folder: Path, parts: list[str]) -> Callable[[], None]:
    def build() -> None:
        import pulumi
        from pulumi.dynamic import Resource

        class Part(Resource, module="probe", name="Part"):
            url: pulumi.Output[str]

        for name in parts:
            about = {"folder": str(folder), "environment": "server", "part": name, "commit": "a", "password": "b"}
            Part(PartProvider(), name, {**about, "url": None})
        pulumi.export("settings", "[cloud]")

    return build


def run(folder: Path, step: str, parts: list[str]) -> dict[str, Any]:
    found = pulumi_cli.find()
    plan = InstallationPlan("here", program(folder / "cloud", parts), ())
    subject = ServerInstallation("cloud", plan, worker_settings(folder, tools=found.path), found.version)
    match step:
        case "preview":
            return {"changes": [asdict(item) for item in subject.preview()]}
        case "preview destroy":
            return {"changes": [asdict(item) for item in subject.preview_destroy()]}
        case "apply":
            return {"outputs": dict(subject.apply())}
        case _:
            subject.destroy()
            return {"exists": subject.exists}


if __name__ == "__main__":
    try:
        result = run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except InstallationFailed as error:
        result = {"error": error.error}
    sys.stdout.write("\n" + json.dumps(result) + "\n")
