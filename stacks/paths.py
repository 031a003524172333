"""Where operations keep their things: one value, given to every worker as JSON, and the environment it implies.

Each operation has a work folder of its own (Pulumi writes there: pulumi #8186) under one PULUMI_HOME whose plugins
were installed before (parallel installs race: pulumi #22784). The passphrase reaches Pulumi as a file's name, so that
no child's environment holds it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stacks.model import StackRef

OPERATION_ENV = "EPH_OPERATION"
WARM_PROVIDER_PORT_ENV = "EPH_DYNAMIC_PROVIDER_PORT"


@dataclass(frozen=True, slots=True)
class StackPaths:
    """``tools`` goes in front of PATH; ``backend`` is the folder of the file backend."""

    backend: Path
    work: Path
    operations: Path
    pulumi_home: Path
    passphrase_file: Path
    tools: str = ""
    parallel: int = 8

    @property
    def backend_url(self) -> str:
        """With the options that keep gocloud from writing a second file beside each one."""
        return f"file://{self.backend}?metadata=skip&no_tmp_dir=true"

    def make_folders(self) -> None:
        for folder in (self.backend, self.work, self.operations, self.pulumi_home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def operation_folder(self, ref: StackRef) -> Path:
        return self.operations / ref.project / ref.stack

    def environment(self) -> dict[str, str]:
        """What every ``pulumi`` of ours sees, and what a person exports to look at the same stacks (P9)."""
        return {
            "PATH": os.pathsep.join(part for part in (self.tools, os.environ.get("PATH", os.defpath)) if part),
            "PULUMI_BACKEND_URL": self.backend_url,
            "PULUMI_HOME": str(self.pulumi_home),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.passphrase_file),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "1",
            # Pulumi writes a log of its own for every command into PULUMI_HOME: 500 MB by default.
            "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "20",
        }

    def to_json(self) -> dict[str, object]:
        data = dataclasses.asdict(self)
        return {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}

    @staticmethod
    def from_json(data: Mapping[str, object]) -> StackPaths:
        folders = ("backend", "work", "operations", "pulumi_home", "passphrase_file")
        paths = {key: Path(str(data[key])) for key in folders}
        return StackPaths(**paths, tools=str(data["tools"]), parallel=int(str(data["parallel"])))
