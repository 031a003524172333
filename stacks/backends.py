"""The file backend's layout: the few files that Eph itself reads or writes beside Pulumi.

Tags are written straight to the store, whole and by rename: ``pulumi stack tag set`` costs a process each and loses
writes when two run at once. Only a stack's own lane writes here.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from stacks import locks, tags
from stacks.model import StackRef, Tag


class FileBackend:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / ".pulumi"

    def state(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}.json"

    def tag(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}.pulumi-tags"

    def history(self, ref: StackRef) -> Path:
        return self.root / "history" / ref.project / ref.stack

    def exists(self, ref: StackRef) -> bool:
        return self.state(ref).exists()

    def write_tag(self, ref: StackRef, tag: Tag) -> None:
        """Overwrites whatever an earlier stack of that name left behind."""
        path = self.tag(ref)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps({"version": 1, "tags": {tags.KEY: tags.encode(tag)}}))
        fresh.replace(path)

    def salt(self, ref: StackRef) -> str:
        """The salt its secrets were encrypted with; empty when it has no state yet."""
        try:
            latest = json.loads(self.state(ref).read_bytes())["checkpoint"]["latest"]
            return str(latest["secrets_providers"]["state"]["salt"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def forget(self, ref: StackRef) -> None:
        """What ``pulumi stack rm`` leaves: a backup, a tag file, empty folders. Call after it succeeded."""
        for path in (self.tag(ref), self.state(ref).with_name(f"{ref.stack}.json.bak")):
            path.unlink(missing_ok=True)
        for folder in (
            locks.folder(self.folder, ref),
            self.history(ref),
            self.root / "backups" / ref.project / ref.stack,
            *(self.root / kind / ref.project for kind in ("stacks", "history", "backups", "locks/organization")),
        ):
            with contextlib.suppress(OSError):
                folder.rmdir()
