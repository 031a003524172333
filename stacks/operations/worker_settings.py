"""What a worker needs besides its operation: one value, sent to it as JSON, and the environment that follows from it.

Each operation has its own work folder (Pulumi writes there: pulumi #8186) under one PULUMI_HOME, whose plugins were
installed earlier (parallel installs race: pulumi #22784). The passphrase is passed to Pulumi as a file name, so no
child's environment contains it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stacks.backends import registry
from stacks.backends.port import Backend

OPERATION_ENV = "EPH_OPERATION"
WARM_PROVIDER_PORT_ENV = "EPH_DYNAMIC_PROVIDER_PORT"
WARM_TARGETS_ENV = "EPH_WARM_TARGETS"
_PATHS = ("work", "pulumi_home", "passphrase_file")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``tools`` is put in front of PATH. ``targets`` are imported before there is an operation."""

    backend: Backend
    work: Path
    pulumi_home: Path
    passphrase_file: Path
    tools: str = ""
    parallel: int = 8
    targets: tuple[str, ...] = ()

    def create_folders(self) -> None:
        self.backend.prepare()
        for folder in (self.work, self.pulumi_home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def environment(self) -> dict[str, str]:
        """What every ``pulumi`` of ours sees, and what a person exports to work with the same stacks (P9)."""
        return {
            "PATH": os.pathsep.join(part for part in (self.tools, os.environ.get("PATH", os.defpath)) if part),
            "PULUMI_HOME": str(self.pulumi_home),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.passphrase_file),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            # For every command, Pulumi writes a log into PULUMI_HOME: 500 MB by default.
            "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "20",
            **self.backend.environment(),
        }

    def to_json(self) -> dict[str, object]:
        return {
            **{key: str(getattr(self, key)) for key in _PATHS},
            "backend": self.backend.url,
            "tools": self.tools,
            "parallel": self.parallel,
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> WorkerSettings:
        return WorkerSettings(
            backend=registry.open_backend(str(data["backend"])),
            work=Path(str(data["work"])),
            pulumi_home=Path(str(data["pulumi_home"])),
            passphrase_file=Path(str(data["passphrase_file"])),
            tools=str(data["tools"]),
            parallel=int(str(data["parallel"])),
        )
