"""What Eph relies on from every backend, run on each adapter and on the fake (L2, L8)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from stacks import keys
from stacks.backends import registry, update_history
from stacks.backends.inventory import StackInventory
from stacks.model import OperationVerb, Outcome, StackRecord, StackTag, StackUpdate
from tests.contracts.backend_harnesses import AT, HARNESSES, BackendHarness, ref


@pytest.fixture(params=sorted(HARNESSES))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BackendHarness]:
    created = HARNESSES[request.param].create(tmp_path)
    yield created
    created.close()


def tag(number: int, commit: str = "a" * 40) -> StackTag:
    return StackTag(keys.pull_request(12345, number), "acme/shop", f"shop-{number}", "life", commit, AT)


def update(outcome: Outcome, seconds: int = 0, commit: str = "abc") -> StackUpdate:
    return StackUpdate(OperationVerb.UP, commit, outcome, AT + timedelta(seconds=seconds))


def record_of(harness: BackendHarness, number: int) -> StackRecord:
    return StackInventory(harness.backend).snapshot().stacks[ref(number)]


def test_every_installed_backend_has_a_harness() -> None:
    tested = {scheme for entry in HARNESSES.values() for scheme in entry.schemes}
    assert set(registry.schemes()) == tested


def test_unused_backend_is_empty_and_complete(harness: BackendHarness) -> None:
    snapshot = StackInventory(harness.backend).snapshot()
    assert (snapshot.stacks, snapshot.complete, snapshot.foreign_count) == ({}, True, 0)


def test_created_stack_is_half_created_until_its_first_update(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    assert harness.backend.exists(ref(1))
    assert not harness.backend.exists(ref(2))
    assert record_of(harness, 1) == StackRecord(ref(1))


def test_tag_is_written_before_its_stack_and_replaced_whole(harness: BackendHarness) -> None:
    harness.backend.write_tag(ref(1), tag(1))
    assert StackInventory(harness.backend).snapshot().stacks == {}, "a tag makes no stack"
    harness.backend.create(ref(1))
    assert record_of(harness, 1).tag == tag(1)
    harness.backend.write_tag(ref(1), tag(1, "b" * 40))
    assert harness.backend.read_tag(ref(1)) == tag(1, "b" * 40)
    assert harness.backend.read_tag(ref(2)) is None


def test_variables_stay_with_the_tag_until_they_change(harness: BackendHarness) -> None:
    """Y5: as long as a tag needs, however long they are; never those of an earlier stack."""
    text = "".join(chr(97 + number % 26) for number in range(1000))
    harness.backend.create(ref(1))
    harness.backend.write_tag(ref(1), tag(1), text)
    assert (record_of(harness, 1).tag, record_of(harness, 1).variables) == (tag(1), text)
    harness.backend.write_tag(ref(1), tag(1, "b" * 40))
    assert (record_of(harness, 1).tag, record_of(harness, 1).variables) == (tag(1, "b" * 40), text)
    version = harness.backend.list_stacks().versions[ref(1)]
    harness.backend.write_tag(ref(1), tag(1, "b" * 40), "short")
    assert record_of(harness, 1).variables == "short"
    assert harness.backend.list_stacks().versions[ref(1)] != version
    harness.backend.write_tag(ref(1), tag(1), "")
    assert record_of(harness, 1).variables == ""

    harness.backend.write_tag(ref(2), tag(2), "of an earlier stack")
    harness.backend.write_tag(ref(2), tag(2), "")
    harness.backend.create(ref(2))
    assert record_of(harness, 2).variables == ""


def test_another_process_opens_the_same_backend(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    harness.backend.write_tag(ref(1), tag(1))
    other = harness.reopen()
    assert (other.url, other.environment()) == (harness.backend.url, harness.backend.environment())
    assert StackInventory(other).snapshot() == StackInventory(harness.backend).snapshot()


def test_version_changes_exactly_with_the_record(harness: BackendHarness) -> None:
    for number in (1, 2):
        harness.backend.create(ref(number))
        harness.backend.write_tag(ref(number), tag(number))
    first = harness.backend.list_stacks().versions
    assert harness.backend.list_stacks().versions == first
    harness.backend.write_tag(ref(1), tag(1, "b" * 40))
    second = harness.backend.list_stacks().versions
    assert second[ref(1)] != first[ref(1)]
    harness.end_update(1, update(Outcome.FAILED))
    third = harness.backend.list_stacks().versions
    assert third[ref(1)] != second[ref(1)]
    assert third[ref(2)] == first[ref(2)]


def test_inventory_sees_what_changed_and_what_is_gone(harness: BackendHarness) -> None:
    inventory = StackInventory(harness.backend)
    for number in (1, 2):
        harness.backend.create(ref(number))
    assert set(inventory.snapshot().stacks) == {ref(1), ref(2)}
    harness.backend.write_tag(ref(1), tag(1))
    assert inventory.snapshot().stacks[ref(1)].tag == tag(1)
    harness.backend.write_tag(ref(1), tag(1, "b" * 40))
    assert inventory.snapshot().stacks[ref(1)].tag == tag(1, "b" * 40)


def test_foreign_stacks_are_only_counted(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    harness.add_foreign_stack()
    snapshot = StackInventory(harness.backend).snapshot()
    assert (set(snapshot.stacks), snapshot.foreign_count) == ({ref(1)}, 1)


def test_unreachable_backend_is_incomplete_not_empty(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    inventory = StackInventory(harness.backend)
    assert inventory.snapshot().complete
    harness.disconnect()
    snapshot = inventory.snapshot()
    assert not snapshot.complete
    assert snapshot.reason


def test_unreachable_backend_fails_only_with_os_errors(harness: BackendHarness) -> None:
    """Callers expect no other error: a library's own is translated."""
    backend = harness.backend
    backend.create(ref(1))
    backend.write_tag(ref(1), tag(1))
    harness.disconnect()
    calls: tuple[Callable[[], object], ...] = (
        lambda: backend.read(ref(1)),
        lambda: backend.history(ref(1)),
        lambda: backend.exists(ref(1)),
        lambda: backend.read_tag(ref(1)),
        lambda: backend.secrets_salt(ref(1)),
        lambda: backend.locks(ref(1)),
        lambda: backend.break_dead_locks(ref(1)),
        lambda: backend.repair(ref(1)),
        lambda: backend.finish_update(ref(1), AT),
        lambda: backend.stray_files(),
        lambda: backend.clean_up(ref(1)),
        lambda: backend.clean_up_all(),
        lambda: backend.forget(ref(1)),
    )
    for call in calls:
        with contextlib.suppress(OSError):
            call()


# --- history


def test_history_is_in_order_and_bounded(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    assert harness.backend.history(ref(1)) == ()
    for number in range(update_history.MAX_KEPT + 5):
        harness.end_update(1, update(Outcome.FAILED, number, f"c{number}"))
    harness.backend.finish_update(ref(1))
    read = harness.backend.history(ref(1))
    newest = update_history.MAX_KEPT + 4
    assert [each.commit for each in read] == [f"c{newest - back}" for back in reversed(range(update_history.MAX_READ))]
    assert record_of(harness, 1).history == read


@pytest.mark.parametrize(
    ("outcome", "since", "expected"),
    [
        (Outcome.FAILED, 5.9, Outcome.CANCELLED),
        (Outcome.FAILED, 20.0, Outcome.FAILED),  # it ended before the interrupted operation started
        (Outcome.SUCCEEDED, 0.0, Outcome.SUCCEEDED),  # too late to interrupt it
        (Outcome.CANCELLED, 0.0, Outcome.CANCELLED),
    ],
)
def test_only_a_failure_of_the_interrupted_operation_counts_as_cancelled(
    harness: BackendHarness, outcome: Outcome, since: float, expected: Outcome
) -> None:
    harness.backend.create(ref(1))
    harness.end_update(1, update(Outcome.FAILED, 1, "older"))
    harness.end_update(1, update(outcome, 5))
    harness.backend.finish_update(ref(1), AT + timedelta(seconds=since))
    assert [each.outcome for each in harness.backend.history(ref(1))] == [Outcome.FAILED, expected]


def test_missing_stack_has_no_history_and_no_locks(harness: BackendHarness) -> None:
    harness.backend.finish_update(ref(1), AT)
    assert (harness.backend.history(ref(1)), harness.backend.locks(ref(1)), harness.backend.read(ref(1))) == (
        (),
        (),
        None,
    )
    assert harness.backend.secrets_salt(ref(1)) == ""
    assert not harness.backend.repair(ref(1))


# --- locks


def test_only_a_lock_of_a_dead_owner_is_broken(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    harness.lock(1, "dead", dead=True)
    harness.lock(1, "held", dead=False)
    assert {lock.id: lock.owner_dead for lock in record_of(harness, 1).locks} == {"dead": True, "held": False}
    assert [lock.id for lock in harness.backend.break_dead_locks(ref(1))] == ["dead"]
    assert [lock.id for lock in harness.backend.locks(ref(1))] == ["held"]
    assert harness.backend.break_dead_locks(ref(1)) == ()


def test_lock_of_another_machine_is_never_broken(harness: BackendHarness) -> None:
    """Its pid means nothing here."""
    harness.backend.create(ref(1))
    harness.lock(1, "elsewhere", dead=True, host="another-machine")
    assert harness.backend.break_dead_locks(ref(1)) == ()
    [lock] = record_of(harness, 1).locks
    assert (lock.id, lock.host, lock.owner_dead) == ("elsewhere", "another-machine", False)


def test_cached_record_still_shows_a_new_lock(harness: BackendHarness) -> None:
    harness.backend.create(ref(1))
    inventory = StackInventory(harness.backend)
    assert inventory.snapshot().stacks[ref(1)].locks == ()
    harness.lock(1, "held", dead=False)
    assert [lock.id for lock in inventory.snapshot().stacks[ref(1)].locks] == ["held"]


# --- what a crash leaves


def test_truncated_state_of_a_built_stack_is_unreadable_and_hides_no_other(harness: BackendHarness) -> None:
    for number in (1, 2):
        harness.backend.create(ref(number))
    harness.end_update(1, update(Outcome.SUCCEEDED))
    harness.truncate_state(1)
    assert not harness.backend.repair(ref(1)), "it might hold something that only a person can find"
    snapshot = StackInventory(harness.backend).snapshot()
    assert snapshot.complete
    assert snapshot.stacks[ref(1)].unreadable
    assert len(snapshot.stacks[ref(1)].history) == 1
    assert snapshot.stacks[ref(2)].unreadable == ""


@pytest.mark.parametrize("failures", [update_history.MAX_READ, update_history.MAX_KEPT])
def test_old_success_protects_a_truncated_state(harness: BackendHarness, failures: int) -> None:
    """``history`` no longer returns it, or the backend has pruned it: the stack's resources still exist."""
    harness.backend.create(ref(1))
    harness.end_update(1, update(Outcome.SUCCEEDED))
    for number in range(1, failures + 1):
        harness.end_update(1, update(Outcome.FAILED, number))
    harness.backend.finish_update(ref(1))
    harness.truncate_state(1)
    assert not harness.backend.repair(ref(1))
    assert record_of(harness, 1).unreadable


@pytest.mark.parametrize("failed_before", [False, True])
def test_truncated_state_before_the_first_success_starts_again(harness: BackendHarness, failed_before: bool) -> None:
    harness.backend.write_tag(ref(1), tag(1))
    harness.backend.create(ref(1))
    if failed_before:
        harness.end_update(1, update(Outcome.FAILED))
    harness.truncate_state(1)
    half = record_of(harness, 1)
    assert (half.unreadable, half.tag, half.pending_operations) == ("", tag(1), 1)
    assert harness.backend.repair(ref(1))
    assert not harness.backend.repair(ref(1))
    assert (record_of(harness, 1).pending_operations, record_of(harness, 1).tag) == (0, tag(1))


def test_corrupt_tag_reads_as_no_tag(harness: BackendHarness) -> None:
    harness.backend.write_tag(ref(1), tag(1))
    harness.backend.create(ref(1))
    harness.corrupt_tag(1)
    assert record_of(harness, 1).tag is None
    assert not harness.backend.repair(ref(1))
    harness.backend.write_tag(ref(1), tag(1))
    assert record_of(harness, 1).tag == tag(1)


def test_tag_of_a_stack_that_never_existed_is_cleaned_up(harness: BackendHarness) -> None:
    harness.backend.create(ref(2))
    for number in (1, 2, 3):
        harness.backend.write_tag(ref(number), tag(number))
    assert [file.ref for file in harness.backend.stray_files()] == [ref(1), ref(3)]
    harness.backend.clean_up(ref(1))
    harness.backend.clean_up(ref(2))
    assert [file.ref for file in harness.backend.stray_files()] == [ref(3)]
    harness.backend.clean_up_all()
    assert harness.backend.stray_files() == []
    assert harness.backend.read_tag(ref(3)) is None
    assert record_of(harness, 2).tag == tag(2)


def test_forgotten_stack_leaves_nothing_to_its_successor(harness: BackendHarness) -> None:
    harness.backend.write_tag(ref(1), tag(1))
    harness.backend.create(ref(1))
    harness.end_update(1, update(Outcome.SUCCEEDED))
    harness.lock(1, "dead", dead=True)
    harness.backend.break_dead_locks(ref(1))
    harness.remove(1)
    harness.backend.forget(ref(1))
    harness.backend.forget(ref(1))
    assert harness.backend.stray_files() == []
    harness.backend.create(ref(1))
    assert record_of(harness, 1) == StackRecord(ref(1))


def test_stray_file_is_deleted_once_and_only_while_it_is_one(harness: BackendHarness) -> None:
    harness.backend.write_tag(ref(1), tag(1))
    [stray] = harness.backend.stray_files()
    assert (stray.kind, stray.in_use, bool(stray.removal_command)) == ("tag file", False, True)
    harness.backend.create(ref(1))
    harness.backend.delete_stray_file(stray)
    assert harness.backend.read_tag(ref(1)) == tag(1), "its stack exists now"
    harness.backend.write_tag(ref(2), tag(2))
    [stray] = harness.backend.stray_files()
    harness.backend.delete_stray_file(stray)
    harness.backend.delete_stray_file(stray)
    assert harness.backend.stray_files() == []
