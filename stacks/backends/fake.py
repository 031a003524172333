"""A backend in memory, for stories and the model. It passes the contract tests of every backend
(tests/contracts/test_backends.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from stacks import tags, wording
from stacks.backends import update_history
from stacks.backends.port import StackListing
from stacks.model import Outcome, StackLock, StackRecord, StackRef, StackTag, StackUpdate, StrayFile


class FakeBackend:
    """``records`` are the stacks. ``incomplete`` says why not all of them can be listed, ``error`` why listing fails;
    ``unreadable`` contains those whose state is corrupt."""

    def __init__(self) -> None:
        self.records: dict[StackRef, StackRecord] = {}
        self.incomplete = ""
        self.error = ""
        self.foreign_count = 0
        self.unreadable: set[StackRef] = set()
        self._early_tags: dict[StackRef, StackTag | None] = {}
        """Tags of stacks that don't exist."""
        self._early_variables: dict[StackRef, str] = {}

    @property
    def url(self) -> str:
        return "memory://"

    def environment(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        return

    # --- reading

    def list_stacks(self) -> StackListing:
        if self.error:
            raise OSError(self.error)
        versions = {
            ref: None if ref in self.unreadable else (replace(record, locks=()),)
            for ref, record in self.records.items()
        }
        return StackListing(versions, self.foreign_count, (self.incomplete,) if self.incomplete else ())

    def read(self, ref: StackRef) -> StackRecord | None:
        record = self.records.get(ref)
        if record is None or ref not in self.unreadable:
            return record and replace(record, locks=(), history=self.history(ref))
        if not self._never_succeeded(ref):
            raise ValueError("unexpected end of JSON input")
        return StackRecord(
            ref, tag=record.tag, history=self.history(ref), pending_operations=1, variables=record.variables
        )

    def history(self, ref: StackRef) -> tuple[StackUpdate, ...]:
        return self._kept_history(ref)[-update_history.MAX_READ :]

    def exists(self, ref: StackRef) -> bool:
        return ref in self.records

    def read_tag(self, ref: StackRef) -> StackTag | None:
        return self.records[ref].tag if ref in self.records else self._early_tags.get(ref)

    def secrets_salt(self, ref: StackRef) -> str:
        return ""

    # --- locks

    def locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        return self.records[ref].locks if ref in self.records else ()

    def break_dead_locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        broken = tuple(lock for lock in self.locks(ref) if lock.owner_dead)
        if broken:
            kept = tuple(lock for lock in self.locks(ref) if not lock.owner_dead)
            self.records[ref] = replace(self.records[ref], locks=kept)
        return broken

    # --- writing

    def create(self, ref: StackRef) -> None:
        early = StackRecord(ref, self._early_tags.pop(ref, None), variables=self._early_variables.pop(ref, ""))
        before = self.records.get(ref, early)
        self.unreadable.discard(ref)
        self.records[ref] = StackRecord(
            ref, tag=before.tag, history=before.history, locks=before.locks, variables=before.variables
        )

    def write_tag(self, ref: StackRef, tag: StackTag, variables: str | None = None) -> None:
        written = tags.decode(tags.encode(tag))
        if ref in self.records:
            kept = self.records[ref].variables if variables is None else variables
            self.records[ref] = replace(self.records[ref], tag=written, variables=kept)
        else:
            self._early_tags[ref] = written
            self._early_variables[ref] = self._early_variables.get(ref, "") if variables is None else variables

    def repair(self, ref: StackRef) -> bool:
        truncated = ref in self.unreadable and self._never_succeeded(ref)
        if truncated:
            self.create(ref)
        return truncated

    def finish_update(self, ref: StackRef, cancelled_since: datetime | None = None) -> None:
        if ref not in self.records:
            return
        updates = list(self._kept_history(ref)[-update_history.MAX_KEPT :])
        if updates and cancelled_since and update_history.ended_in_failure_since(updates[-1], cancelled_since):
            updates[-1] = replace(updates[-1], outcome=Outcome.CANCELLED)
        self.records[ref] = replace(self.records[ref], history=tuple(updates))

    def forget(self, ref: StackRef) -> None:
        self.records.pop(ref, None)
        self.unreadable.discard(ref)
        self._early_tags.pop(ref, None)
        self._early_variables.pop(ref, None)

    def remove(self, ref: StackRef) -> None:
        """``pulumi stack rm``: it leaves the tag."""
        record = self.records.pop(ref)
        self.unreadable.discard(ref)
        if record.tag is not None:
            self._early_tags[ref] = record.tag
            self._early_variables[ref] = record.variables

    # --- cleaning up

    def clean_up(self, ref: StackRef) -> None:
        self._early_tags.pop(ref, None)

    def clean_up_all(self) -> None:
        self._early_tags.clear()

    def stray_files(self) -> list[StrayFile]:
        early = sorted(self._early_tags)
        return [StrayFile("tag file", f"memory/{ref}", ref, wording.NO_STACK, f"forget {ref}") for ref in early]

    def delete_stray_file(self, file: StrayFile) -> None:
        if file in self.stray_files() and file.ref is not None:
            self._early_tags.pop(file.ref)

    def _kept_history(self, ref: StackRef) -> tuple[StackUpdate, ...]:
        return self.records[ref].history if ref in self.records else ()

    def _never_succeeded(self, ref: StackRef) -> bool:
        return update_history.never_succeeded(self._kept_history(ref))
