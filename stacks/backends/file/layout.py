"""Where Pulumi's file backend keeps what, relative to its folder."""

from __future__ import annotations

from pathlib import Path

from stacks.model import StackRef

PARTIAL_SUFFIX = ".tmp"
"""The suffix that Pulumi gives a file until it is complete."""
STATE_SUFFIX = ".json"
TAGS_SUFFIX = ".pulumi-tags"


class FileLayout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / ".pulumi"

    def state_file(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}{STATE_SUFFIX}"

    def backup_file(self, ref: StackRef) -> Path:
        return self.state_file(ref).with_name(f"{ref.stack}{STATE_SUFFIX}.bak")

    def tag_file(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}{TAGS_SUFFIX}"

    def history_folder(self, ref: StackRef) -> Path:
        return self.root / "history" / ref.project / ref.stack

    def backup_folder(self, ref: StackRef) -> Path:
        return self.root / "backups" / ref.project / ref.stack

    def lock_folder(self, ref: StackRef) -> Path:
        return self.root / "locks" / "organization" / ref.project / ref.stack

    def project_folders(self, ref: StackRef) -> tuple[Path, ...]:
        return tuple(self.root / kind / ref.project for kind in ("stacks", "history", "backups", "locks/organization"))
