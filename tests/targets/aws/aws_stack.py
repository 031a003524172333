"""A stack on AWS for a test: the real Pulumi engine with the program, the plugin and an account."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs.spec import EnvironmentSpec
from stacks.toolchain import plugins
from tests.targets import pulumi_driver
from tests.targets.aws.aws_account import AwsAccount
from tests.targets.aws.recorded_program import aws_spec
from tests.targets.local_machine import pulumi_env

PLUGIN_ENV = "EPH_TEST_AWS_PLUGIN"
ROOT = Path(__file__).parents[3]


def uses_official_plugin() -> bool:
    return os.environ.get(PLUGIN_ENV, "") == "official"


@dataclass
class AwsStack:
    folder: Path
    account: AwsAccount
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.env = pulumi_env(self.folder)
        install_plugin(self.folder / "bin", runs_tasks=self.account.runs_tasks)
        if uses_official_plugin():
            found = plugins.ensure("aws", print)
            self.env["PATH"] = f"{found}:{self.env['PATH']}"

    def spec(self, *services: Any, **more: Any) -> EnvironmentSpec:
        return aws_spec(*services, **{"settings": self.account.settings(), **more})

    def start(self, verb: str, spec: EnvironmentSpec | None = None) -> subprocess.Popen[str]:
        return pulumi_driver.start(verb, spec, self.env, self.folder / "project")

    def run(self, verb: str, spec: EnvironmentSpec | None = None) -> dict[str, Any]:
        return pulumi_driver.finish(self.start(verb, spec))

    def changes(self, verb: str, spec: EnvironmentSpec | None = None) -> dict[str, int]:
        """How many resources the operation created, changed or deleted, without those that stayed the same."""
        found = self.run(verb, spec)["changes"]
        return {str(kind): int(count) for kind, count in found.items() if kind != "same"}


def install_plugin(folder: Path, *, runs_tasks: bool) -> None:
    """Puts the stand-in into the folder, which must be on PATH, unless the official plugin was requested."""
    if uses_official_plugin():
        return
    words = [sys.executable, "-m", "tests.targets.aws.standin", *([] if runs_tasks else ["--no-tasks"])]
    script = folder / "pulumi-resource-aws"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(words)} "$@"\n')
    script.chmod(0o755)
