"""The inventory over all kinds of stores: complete, truncated, foreign, vanishing (L2, L7).

Pitfalls: ``pulumi stack ls`` reads every stack each time, fails entirely on one truncated state file and silently drops
a stack whose tag file is corrupt. The store here consists of files as Pulumi writes them.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stacks import keys, names, tags
from stacks.backends import update_history
from stacks.backends.file import history
from stacks.backends.file.file_backend import FileBackend
from stacks.backends.inventory import StackInventory
from stacks.model import OperationVerb, Outcome, PinnedImages, RefKind, StackRef, StackTag

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SHA = "a" * 40
BUILT = {
    "commit": SHA,
    "spec_digest": "0" * 16,
    "program_version": "local-1",
    "target": "local",
    "url": "http://x",
    "urls": {"web": "http://x"},
    "at": AT.isoformat(),
}


class BackendFiles:
    def __init__(self, folder: Path) -> None:
        self.backend = FileBackend(folder)
        self.folder = folder

    def add(self, number: int, outputs: Any = None, **deployment: Any) -> StackRef:
        ref = names.stack_ref(keys.pull_request(12345, number), "acme/shop")
        stack = {"urn": "x", "type": "pulumi:pulumi:Stack", "outputs": {"built": BUILT} if outputs is None else outputs}
        latest = {"resources": [stack, {"type": "pulumi:providers:x"}, {"type": "eph:Service"}], **deployment}
        self.write(ref, {"version": 3, "checkpoint": {"stack": str(ref), "latest": latest}})
        self.backend.tag_file(ref).unlink(missing_ok=True)
        value = tags.encode(StackTag(keys.pull_request(12345, number), "acme/shop", f"shop-{number}", "i", SHA, AT))
        self.backend.tag_file(ref).write_text(json.dumps({"version": 1, "tags": {tags.TAG_KEY: value}}))
        past = self.backend.history_folder(ref)
        past.mkdir(parents=True, exist_ok=True)
        entry = {
            "kind": "update",
            "message": update_history.message(OperationVerb.UP, SHA),
            "result": "succeeded",
            "endTime": 1,
        }
        (past / "1.history.json").unlink(missing_ok=True)
        (past / "1.history.json").write_text(json.dumps(entry))
        return ref

    def write(self, ref: StackRef, document: Any) -> None:
        path = self.backend.state_file(ref)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))

    def copy(self, ref: StackRef, number: int) -> None:
        """Another stack with the same files, as links, so that a thousand are created quickly."""
        other = StackRef(ref.project, f"pr-{number}")
        self.backend.history_folder(other).mkdir()
        for of in (self.backend.state_file, self.backend.tag_file):
            of(other).hardlink_to(of(ref))
        for path in self.backend.history_folder(ref).iterdir():
            (self.backend.history_folder(other) / path.name).hardlink_to(path)


@pytest.fixture
def store(tmp_path: Path) -> BackendFiles:
    return BackendFiles(tmp_path)


def test_content_of_a_record(store: BackendFiles) -> None:
    ref = store.add(1, pending_operations=[{}, {}])
    snapshot = StackInventory(store.backend).snapshot()
    record = snapshot.stacks[ref]
    assert (snapshot.complete, snapshot.foreign_count) == (True, 0)
    assert record.built is not None
    assert record.tag is not None
    assert (record.built.commit, record.built.built_at, record.tag.name) == (SHA, AT, "shop-1")
    assert (record.resource_count, record.pending_operations, record.locks, record.unreadable) == (1, 2, (), "")
    assert [(entry.commit, entry.outcome) for entry in record.history] == [(SHA, Outcome.SUCCEEDED)]


def test_record_contains_the_images_of_its_build(store: BackendFiles) -> None:
    """I2: recorded by the first resource, so that an interrupted build continues with the same ones."""
    begun = {"commit": "b" * 40, "images": {"api": "r.test/a@sha256:2"}, "found": {"api": "tag x"}}
    built = {**BUILT, "images": {"api": "r.test/a@sha256:1"}, "found": {"api": "tag w"}, "notices": ["left out"]}
    built["health"] = {"web": "/up"}
    stack = {"urn": "x", "type": "pulumi:pulumi:Stack", "outputs": {"built": built}}
    ref = store.add(1, resources=[stack, {"type": "eph:Mark", "inputs": {"pinned": begun}}])
    record = StackInventory(store.backend).snapshot().stacks[ref]
    assert record.pinned_images == PinnedImages("b" * 40, {"api": "r.test/a@sha256:2"}, {"api": "tag x"})
    assert record.built is not None
    assert (record.built.images, record.built.found) == ({"api": "r.test/a@sha256:1"}, {"api": "tag w"})
    assert record.built.notices == ("left out",)
    assert record.built.health == {"web": "/up"}
    for odd in ("", 7, {}, {"commit": 7}, {"commit": "c", "images": 7}):
        store.add(1, resources=[stack, {"type": "eph:Mark", "inputs": {"pinned": odd}}])
        found = StackInventory(store.backend).snapshot().stacks[ref].pinned_images
        assert found is None or found.images == {}


@pytest.mark.parametrize(
    "document",
    [
        "",
        '{"version": 3, "checkpoint": {"lat',
        "null",
        "[]",
        {"version": 3},
        {"checkpoint": {"latest": 7}},
        {"checkpoint": {"latest": {"resources": 7}}},
        {"checkpoint": {"latest": {"resources": [7]}}},
        {"checkpoint": {"latest": {"resources": [{}]}}},
        {"checkpoint": {"latest": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": [1]}]}}},
        {"checkpoint": {"latest": {"resources": [], "pending_operations": 7}}},
        "[" * 100_000,
        "\udcff",
    ],
)
def test_corrupt_state_hides_no_other_stack(store: BackendFiles, document: Any) -> None:
    """Unreadable, not absent; the others are complete, and it is read again once it is repaired."""
    bad, good = store.add(1), store.add(2)
    if document == "\udcff":
        store.backend.state_file(bad).write_bytes(b'{"checkpoint": "\xff\xfe"')
    else:
        store.write(bad, document)
    inventory = StackInventory(store.backend)
    snapshot = inventory.snapshot()
    assert snapshot.complete
    assert snapshot.stacks[bad].unreadable
    assert len(snapshot.stacks[bad].history) == 1
    assert snapshot.stacks[good].built is not None
    store.add(1)
    assert inventory.snapshot().stacks[bad].unreadable == ""


@pytest.mark.parametrize("text", ["", '{"version": 3, "checkp'])
@pytest.mark.parametrize("result", ["", "failed"])
def test_state_truncated_before_anything_was_created_is_half_created(
    store: BackendFiles, text: str, result: str
) -> None:
    """L8; found by ``make chaos``: a full disk in its first ``up``. A stack that was ever built stays unreadable."""
    ref = store.add(1)
    [entry] = store.backend.history_folder(ref).iterdir()
    if result:
        entry.write_text(json.dumps({**json.loads(entry.read_text()), "result": result}))
    else:
        entry.unlink()
    store.write(ref, text)
    record = StackInventory(store.backend).snapshot().stacks[ref]
    assert (record.unreadable, record.built, record.pending_operations) == ("", None, 1)
    assert record.tag is not None
    entry.write_text("cut")
    assert StackInventory(store.backend).snapshot().stacks[ref].unreadable


@pytest.mark.parametrize("text", ["", '{"version":1,"tags":{"ep', "[]", '{"tags": []}', '{"tags": {"eph": 7}}'])
def test_truncated_tag_makes_a_half_created_stack(store: BackendFiles, text: str) -> None:
    """Never lost: it is listed without a tag, and so completed or destroyed (L8)."""
    ref = store.add(1)
    store.backend.tag_file(ref).write_text(text)
    record = StackInventory(store.backend).snapshot().stacks[ref]
    assert (record.tag, record.unreadable) == (None, "")
    assert record.built is not None


@pytest.mark.parametrize(
    "outputs", [{}, {"built": 7}, {"built": {}}, {"built": {**BUILT, "at": "noon"}}, {"built": {**BUILT, "urls": 7}}]
)
def test_an_output_that_is_not_ours_is_no_build(store: BackendFiles, outputs: Any) -> None:
    ref = store.add(1, outputs)
    record = StackInventory(store.backend).snapshot().stacks[ref]
    assert (record.built, record.unreadable) == (None, "")


@pytest.mark.parametrize("inputs", [None, [], {"environment": 1}, {"environment": "../etc"}, {"environment": ""}])
def test_a_lost_tag_does_not_lose_the_name(store: BackendFiles, inputs: Any) -> None:
    """L2, L8. Found by ``make chaos``: without a name, nothing that a state doesn't contain could be removed."""
    ref = store.add(1)
    state = json.loads(store.backend.state_file(ref).read_text())
    odd, told = {"type": "eph:Home", "inputs": inputs}, {"type": "eph:Home", "inputs": {"environment": "shop-x-1"}}
    state["checkpoint"]["latest"]["resources"] += [odd, told]
    store.write(ref, state)
    assert StackInventory(store.backend).snapshot().stacks[ref].name == "shop-1", "the tag counts first"
    store.backend.tag_file(ref).unlink()
    assert StackInventory(store.backend).snapshot().stacks[ref].name == "shop-x-1"


def test_foreign_stacks_are_counted_and_never_listed(store: BackendFiles) -> None:
    ours = store.add(1)
    for foreign in ("payroll/production", "payroll/staging", "eph-shop-9ix/main"):
        store.write(StackRef(*foreign.split("/")), "not even JSON")
    snapshot = StackInventory(store.backend).snapshot()
    assert set(snapshot.stacks) == {ours}
    assert snapshot.foreign_count == 3


def test_unused_backend_is_empty_and_missing_backend_is_unknown(store: BackendFiles, tmp_path: Path) -> None:
    """Pitfall: an empty response read as 'none'. A disk that isn't mounted must not look like no stacks."""
    assert StackInventory(FileBackend(tmp_path)).snapshot().complete
    gone = StackInventory(FileBackend(tmp_path / "gone")).snapshot()
    assert (gone.complete, gone.stacks) == (False, {})
    assert str(tmp_path / "gone") in gone.reason
    store.add(1)
    inventory = StackInventory(FileBackend(tmp_path))
    assert len(inventory.snapshot().stacks) == 1
    shutil.rmtree(tmp_path / ".pulumi")
    assert not inventory.snapshot().complete


def test_unreadable_project_hides_no_other(store: BackendFiles) -> None:
    """And makes the snapshot incomplete, so that nothing is destroyed because of it."""
    ref = store.add(1)
    loop = store.backend.root / "stacks" / "eph-wiki-7"
    loop.symlink_to(loop)
    (store.backend.root / "stacks" / "a-file").touch()
    inventory = StackInventory(store.backend)
    snapshot = inventory.snapshot()
    assert set(snapshot.stacks) == {ref}
    assert not snapshot.complete
    assert "eph-wiki-7" in snapshot.reason
    loop.unlink()
    assert inventory.snapshot().complete


def test_changes_are_detected(store: BackendFiles) -> None:
    """Each of the files alone, and a stack that disappears."""
    ref, other = store.add(1), store.add(2)
    inventory = StackInventory(store.backend)
    first = inventory.snapshot().stacks[ref]
    store.backend.write_tag(ref, StackTag(keys.pull_request(12345, 1), "acme/shop", "shop-1", "i", "b" * 40, AT))
    second = inventory.snapshot().stacks[ref]
    assert second.tag is not None
    assert (second.tag.commit, second.built) == ("b" * 40, first.built)
    history.mark_cancelled(store.backend.history_folder(ref), AT)  # it succeeded: it stays so
    assert inventory.snapshot().stacks[ref].history == first.history
    store.add(1, {})
    assert inventory.snapshot().stacks[ref].built is None
    store.backend.state_file(other).unlink()
    assert set(inventory.snapshot().stacks) == {ref}


def test_branch_stack_of_the_previous_version_is_read_from_its_files(store: BackendFiles) -> None:
    """L2, Y3: its name and its tag still mean the same branch."""
    added = store.add(1)
    old = StackRef(added.project, "branch-3pyqo67y6i")
    for path, moved in (
        (store.backend.state_file(added), store.backend.state_file(old)),
        (store.backend.tag_file(added), store.backend.tag_file(old)),
    ):
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    value = (
        '{"v":1,"env":"shop-x-main","pr":"acme/shop#377930057248458","repo":12345,"inc":"i","sha":"s","seen":1,'
        '"ref":"main"}'
    )
    store.backend.tag_file(old).write_text(json.dumps({"version": 1, "tags": {tags.TAG_KEY: value}}))
    snapshot = StackInventory(store.backend).snapshot()
    main = keys.ref(12345, RefKind.BRANCH, "main")
    assert (list(snapshot.stacks), snapshot.foreign_count) == ([old], 0)
    tag = snapshot.stacks[old].tag
    assert (names.parse(old), tag and tag.key) == (main, main)


def test_quiet_cycle_over_a_thousand_stacks_reads_no_file(store: BackendFiles) -> None:
    """L4: nothing is opened if it hasn't changed, and one changed stack is one read."""
    first = store.add(1)
    for number in range(2, 1001):
        store.copy(first, number)
    inventory = StackInventory(store.backend)
    opened: list[str] = []
    watch = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watch and event == "open" and str(arguments[0]).startswith(str(store.folder)):
            opened.append(str(arguments[0]))

    assert len(inventory.snapshot().stacks) == 1000
    sys.addaudithook(hook)
    try:
        quiet = inventory.snapshot()
        assert (len(quiet.stacks), opened) == (1000, [])
        ref = store.add(500, {})
        opened.clear()
        assert inventory.snapshot().stacks[ref].built is None
        assert {Path(path).parent.name for path in opened} == {ref.project, ref.stack}
        assert len(opened) == 3
    finally:
        watch.clear()
