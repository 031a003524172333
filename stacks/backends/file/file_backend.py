"""Pulumi's file backend, and the few files that Eph itself reads or writes there.

Tags are written straight to the backend, whole and by rename: ``pulumi stack tag set`` costs a process each and loses
writes when two run at once.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from programs.kit import files
from programs.settings import InvalidValue
from stacks import names, stray_files, tags
from stacks.backends import checkpoint, tag_files
from stacks.backends.file import history, listing, locks, orphaned_files, wording
from stacks.backends.file.layout import PARTIAL_SUFFIX, FileLayout
from stacks.backends.port import StackListing
from stacks.model import StackLock, StackRecord, StackRef, StackTag, StackUpdate, StrayFile

SCHEME = "file"


def open_url(url: str) -> FileBackend:
    """Raises InvalidValue."""
    path = url.removeprefix(f"{SCHEME}://")
    if not (path.startswith("/") and len(path) > 1):
        raise InvalidValue(wording.PATH_REQUIRED, wording.PATH_EXAMPLE)
    return FileBackend(Path(unquote(urlsplit(url).path)))


class FileBackend(FileLayout):
    """A folder. ``was_used``: it is known to have held stacks, so one that is missing isn't mounted."""

    was_used = False

    @property
    def url(self) -> str:
        return f"{SCHEME}://{quote(str(self.folder))}"

    def environment(self) -> dict[str, str]:
        return {
            # gocloud writes a file of attributes next to each one, and not atomically: a process that is killed leaves
            # it empty, and then Pulumi can't read the stack. These options switch it off.
            "PULUMI_BACKEND_URL": f"{SCHEME}://{self.folder}?metadata=skip&no_tmp_dir=true",
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "1",
        }

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    # --- reading

    def list_stacks(self) -> StackListing:
        """A folder that was never used holds no stacks. One that is missing, or was used and is empty now, is a disk
        that isn't mounted: its listing is incomplete."""
        try:
            (self.root if self.was_used else self.root.parent).stat()
            self.was_used = self.root.exists()
            return listing.list_stacks(self)
        except OSError as error:
            return StackListing(problems=(wording.folder_unreadable(self.root, error.strerror),))

    def read(self, ref: StackRef) -> StackRecord | None:
        try:
            document = json.loads(self.state_file(ref).read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            if not self._never_succeeded(ref):
                raise
            # Half-created, to complete or destroy.
            return StackRecord(
                ref,
                tag=self.read_tag(ref),
                history=self.history(ref),
                pending_operations=1,
                variables=tags.decode_variables(self._read_tags(ref)),
            )
        found = self._read_tags(ref)
        record = checkpoint.record(ref, document, tag_files.tag(found), self.history(ref))
        return replace(record, variables=tags.decode_variables(found))

    def history(self, ref: StackRef) -> tuple[StackUpdate, ...]:
        return history.read(self.history_folder(ref))

    def exists(self, ref: StackRef) -> bool:
        return self.state_file(ref).exists()

    def read_tag(self, ref: StackRef) -> StackTag | None:
        return tag_files.tag(self._read_tags(ref))

    def secrets_salt(self, ref: StackRef) -> str:
        try:
            return checkpoint.secrets_salt(self.state_file(ref).read_bytes())
        except OSError:
            return ""

    # --- locks

    def locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        return locks.read(self.lock_folder(ref))

    def break_dead_locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        return locks.break_dead(self.lock_folder(ref))

    # --- writing

    def create(self, ref: StackRef) -> None:
        meta = self.root / "meta.yaml"
        if not meta.exists():  # without it Pulumi takes a folder that isn't empty for one of the old layout
            _write_durably(meta, "version: 1\n")
        _write_durably(self.state_file(ref), checkpoint.empty(ref))

    def write_tag(self, ref: StackRef, tag: StackTag, variables: str | None = None) -> None:
        text = tags.decode_variables(self._read_tags(ref)) if variables is None else variables
        _write_durably(self.tag_file(ref), tag_files.encode(tag, text))

    def repair(self, ref: StackRef) -> bool:
        self._delete_partial_files(ref)
        self._delete_corrupt_tag(ref)
        truncated = self._is_truncated_before_first_update(ref)
        if truncated:
            self.create(ref)
        return truncated

    def finish_update(self, ref: StackRef, cancelled_since: datetime | None = None) -> None:
        past = self.history_folder(ref)
        if cancelled_since is not None:
            history.mark_cancelled(past, cancelled_since)
        history.prune(past)

    def forget(self, ref: StackRef) -> None:
        """A backup, a tag file, empty folders."""
        for path in (self.tag_file(ref), self.backup_file(ref)):
            path.unlink(missing_ok=True)
        for folder in (self.history_folder(ref), self.backup_folder(ref)):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.lock_folder(ref), *self.project_folders(ref)):
            with contextlib.suppress(OSError):
                folder.rmdir()

    # --- cleaning up

    def clean_up(self, ref: StackRef) -> None:
        """An operation that ended before its stack existed leaves a tag; one that was killed leaves what it was just
        writing."""
        self._delete_partial_files(ref)
        if not self.exists(ref):
            self.forget(ref)

    def clean_up_all(self) -> None:
        for path in list((self.root / "stacks").glob(f"{names.PREFIX}-*/*")):
            ref = StackRef(path.parent.name, orphaned_files.stack_of_file(path.name))
            left = path.name.startswith(".") or path.name.endswith((".pulumi-tags", ".json.bak", PARTIAL_SUFFIX))
            if left and names.parse(ref) is not None:
                self.clean_up(ref)
        for partial in (self.root / "locks" / "organization").glob(f"{names.PREFIX}-*/*/*{PARTIAL_SUFFIX}"):
            ref = StackRef(partial.parent.parent.name, partial.parent.name)
            if names.parse(ref) is not None:
                self.clean_up(ref)

    def stray_files(self) -> list[StrayFile]:
        return list(orphaned_files.find(self, self.exists))

    def delete_stray_file(self, file: StrayFile) -> None:
        if file in self.stray_files():
            stray_files.delete_path(Path(file.path))

    def _read_tags(self, ref: StackRef) -> dict[str, Any]:
        """Empty if there are none, or if the file is corrupt."""
        try:
            return tag_files.parse(self.tag_file(ref).read_bytes()) or {}
        except FileNotFoundError:
            return {}

    def _delete_corrupt_tag(self, ref: StackRef) -> None:
        """Pulumi does nothing with a stack whose tag file is corrupt, not even destroy it; without one it does."""
        try:
            corrupt = tag_files.parse(self.tag_file(ref).read_bytes()) is None
        except FileNotFoundError:
            return
        if corrupt:
            self.tag_file(ref).unlink(missing_ok=True)

    def _is_truncated_before_first_update(self, ref: StackRef) -> bool:
        """Pulumi replaces a complete state with the part of it that a full disk took. Before the first update has
        succeeded, nothing is lost that the program wouldn't find again."""
        try:
            json.loads(self.state_file(ref).read_bytes())
        except FileNotFoundError:
            return False
        except (ValueError, RecursionError):
            return self._never_succeeded(ref)
        return False

    def _never_succeeded(self, ref: StackRef) -> bool:
        return history.never_succeeded(self.history_folder(ref))

    def _delete_partial_files(self, ref: StackRef) -> None:
        """What a writer that was killed, or whose disk was full, left. Pulumi takes even a lock of which only the name
        was written for a lock, can't read it, and never again does anything with that stack."""
        stacks = self.root / "stacks" / ref.project
        for partial in (
            *stacks.glob(f".{ref.stack}.*"),
            *stacks.glob(f"{ref.stack}.*{PARTIAL_SUFFIX}"),
            *self.history_folder(ref).glob(f"*{PARTIAL_SUFFIX}"),
            *self.lock_folder(ref).glob(f"*{PARTIAL_SUFFIX}"),
        ):
            partial.unlink(missing_ok=True)


def _write_durably(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text, mode=0o644, durable=True)
