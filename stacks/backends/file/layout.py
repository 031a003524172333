"""The file backend's layout: the few files that Eph itself reads or writes beside Pulumi.

Tags are written straight to the store, whole and by rename: ``pulumi stack tag set`` costs a process each and loses
writes when two run at once. Only a stack's own lane writes here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

from stacks import names, tags
from stacks.backends.file import history, locks
from stacks.model import StackRef, StackTag

_PARTIAL_SUFFIX = ".tmp"
"""How Pulumi calls a file until it is whole."""


class FileBackend:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / ".pulumi"

    def state_file(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}.json"

    def tag_file(self, ref: StackRef) -> Path:
        return self.root / "stacks" / ref.project / f"{ref.stack}.pulumi-tags"

    def history_folder(self, ref: StackRef) -> Path:
        return self.root / "history" / ref.project / ref.stack

    def exists(self, ref: StackRef) -> bool:
        return self.state_file(ref).exists()

    def create(self, ref: StackRef) -> None:
        """What ``pulumi stack init`` writes, without its process: a stack with nothing in it. The first ``up`` chooses
        the salt of its secrets, as it does for every stack that has none."""
        meta = self.root / "meta.yaml"
        if not meta.exists():  # without it Pulumi takes a store that holds anything for one of the old layout
            _write_atomically(meta, "version: 1\n")
        _write_atomically(
            self.state_file(ref),
            json.dumps({"version": 3, "checkpoint": {"stack": f"organization/{ref.project}/{ref.stack}"}}),
        )

    def is_truncated_before_first_update(self, ref: StackRef) -> bool:
        """Its state is no JSON, and no update of it ever ended well. Pulumi puts what a full disk took of a state in
        the place of the whole one. Of a stack in its first ``up`` nothing is lost that its program would not find."""
        try:
            json.loads(self.state_file(ref).read_bytes())
        except FileNotFoundError:
            return False
        except (ValueError, RecursionError):
            return history.never_succeeded(self.history_folder(ref))
        return False

    def write_tag(self, ref: StackRef, tag: StackTag) -> None:
        """Overwrites whatever an earlier stack of that name left behind."""
        _write_atomically(self.tag_file(ref), json.dumps({"version": 1, "tags": {tags.TAG_KEY: tags.encode(tag)}}))

    def read_tag(self, ref: StackRef) -> StackTag | None:
        """None when there is none, or one that was cut: then the stack is a half-made one, which heals (L8)."""
        try:
            value = json.loads(self.tag_file(ref).read_bytes())["tags"][tags.TAG_KEY]
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return tags.decode(value) if isinstance(value, str) else None

    def delete_corrupt_tag(self, ref: StackRef) -> None:
        """Pulumi does nothing with a stack whose tag file was cut, not even destroy it; without one it does."""
        try:
            well = isinstance(json.loads(self.tag_file(ref).read_bytes())["tags"], dict)
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError, RecursionError):
            well = False
        if not well:
            self.tag_file(ref).unlink(missing_ok=True)

    def secrets_salt(self, ref: StackRef) -> str:
        """The salt its secrets were encrypted with; empty when it has no state yet."""
        try:
            latest = json.loads(self.state_file(ref).read_bytes())["checkpoint"]["latest"]
            return str(latest["secrets_providers"]["state"]["salt"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def delete_remnants(self, ref: StackRef) -> None:
        """What ``pulumi stack rm`` leaves: a backup, a tag file, empty folders. Call after it succeeded."""
        for path in (self.tag_file(ref), self.state_file(ref).with_name(f"{ref.stack}.json.bak")):
            path.unlink(missing_ok=True)
        for folder in (self.history_folder(ref), self.root / "backups" / ref.project / ref.stack):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (
            locks.folder(self.folder, ref),
            *(self.root / kind / ref.project for kind in ("stacks", "history", "backups", "locks/organization")),
        ):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def clean_up_all(self) -> None:
        """Ends what a life that was cut off left of stacks that are gone, and what it was just writing. Only while no
        operation runs."""
        for path in list((self.root / "stacks").glob(f"{names.PREFIX}-*/*")):
            ref = StackRef(path.parent.name, path.name.removeprefix(".").partition(".")[0])
            left = path.name.startswith(".") or path.name.endswith((".pulumi-tags", ".json.bak", _PARTIAL_SUFFIX))
            if left and names.parse(ref) is not None:
                self.clean_up(ref)
        for half in (self.root / "locks" / "organization").glob(f"{names.PREFIX}-*/*/*{_PARTIAL_SUFFIX}"):
            ref = StackRef(half.parent.parent.name, half.parent.name)
            if names.parse(ref) is not None:
                self.clean_up(ref)

    def clean_up(self, ref: StackRef) -> None:
        """An operation that ended before its stack was there leaves a tag: nothing of a stack that is not stays. One
        that was killed leaves what it was just writing. Only in its lane."""
        self.delete_partial_files(ref)
        if not self.exists(ref):
            self.delete_remnants(ref)

    def delete_partial_files(self, ref: StackRef) -> None:
        """What somebody was just writing who was killed, or whose disk was full. Pulumi takes even a lock of which only
        the name was written for a lock, cannot read it, and does nothing with that stack ever after."""
        stacks = self.root / "stacks" / ref.project
        for half in (
            *stacks.glob(f".{ref.stack}.*"),
            *stacks.glob(f"{ref.stack}.*{_PARTIAL_SUFFIX}"),
            *self.history_folder(ref).glob(f"*{_PARTIAL_SUFFIX}"),
            *locks.folder(self.folder, ref).glob(f"*{_PARTIAL_SUFFIX}"),
        ):
            half.unlink(missing_ok=True)


def _write_atomically(path: Path, text: str) -> None:
    """Whole or not at all, also on a machine that loses power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
