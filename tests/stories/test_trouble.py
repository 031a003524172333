"""What fails: builds, destroys, reports, the Git host, our own parts. L1, L2, L5, L7, L8, Y1, pitfalls 3, 5 and 6."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

import pytest

from orchestrator.core.model import CheckState
from orchestrator.core.phases import Phase
from orchestrator.core.policy import Backoff
from orchestrator.forge.port import ForgeRefused, ForgeUnavailable
from orchestrator.runtime import observe
from orchestrator.runtime.executor import PURGES_AT_ONCE
from stacks.model import Operation, OperationResult, Verb
from tests.stories.town import BAD_YAML, EPH_YAML, Town

DOWN = ForgeUnavailable("502 Bad Gateway")


# --- builds


async def test_a_clock_that_is_set_back_holds_nothing_up(town: Town) -> None:  # L1, L2, P1
    """Found by ``make chaos``: looks, pauses and pacing would wait until the clock is where it was."""
    well, failing = town.open(), town.open()
    town.stacks.fail(town.ref(failing), "exit code 2", times=3)
    await town.live(seconds=40)
    town.set_back(hours=2)
    new = town.push(well)
    await town.live(minutes=2)
    assert (town.runs(well), town.phase(well), town.phase(failing)) == (new, Phase.READY, Phase.READY)
    assert new[:7] in town.comment(well)
    assert "Ready" in town.comment(failing)


async def test_a_failing_build_keeps_the_old_url_and_is_tried_with_backoff(town: Town) -> None:  # L5
    number = town.open()
    await town.live(minutes=1)
    old = town.runs(number)
    town.stacks.fail(town.ref(number), "exit code 2", times=2)
    new = town.push(number)
    await town.live(seconds=10)
    assert town.phase(number) is Phase.FAILED
    assert town.runs(number) == old
    assert "exit code 2" in town.comment(number)
    assert "still answers" in town.comment(number)
    await town.live(minutes=2)
    assert town.ups(number)[1:] == [new] * 3
    assert town.runs(number) == new
    assert town.phase(number) is Phase.READY


async def test_tries_wait_longer_each_time_and_then_stall(town: Town) -> None:  # L5
    limits = Backoff()
    number = town.open()
    ref = town.ref(number)
    town.stacks.fail(ref, "exit code 2", times=100)
    await town.live(minutes=15)
    assert town.phase(number) is Phase.STALLED
    assert len(town.ups(number)) == limits.tries
    ended = [entry.ended for entry in town.stacks.records[ref].history]
    waits = [later - earlier for earlier, later in pairwise(ended)]
    assert all(wait >= limits.first * 2**turn for turn, wait in enumerate(waits))
    assert town.said("environment.stalled")


async def test_a_person_or_a_push_starts_a_stalled_one_again(town: Town) -> None:  # L5
    number = town.open()
    town.stacks.fail(town.ref(number), "exit code 2", times=100)
    await town.live(minutes=15)
    tries = len(town.ups(number))
    town.ask("retry", number)
    await town.live(seconds=1)
    assert len(town.ups(number)) == tries + 1
    town.stacks.mend(town.ref(number))
    new = town.push(number)
    await town.live(minutes=1)
    assert town.runs(number) == new
    assert town.phase(number) is Phase.READY


async def test_one_that_always_fails_stops_nobody(town: Town) -> None:  # pitfall 5
    bad, good = town.open("bad"), town.open("good")
    town.stacks.fail(town.ref(bad), "exit code 2", times=100)
    await town.live(minutes=5)
    assert town.phase(good) is Phase.READY
    assert town.phase(bad) in (Phase.FAILED, Phase.STALLED)


async def test_an_url_that_stops_to_answer_is_repaired(town: Town) -> None:  # L8
    number = town.open()
    await town.live(minutes=10)
    view = town.view(number)
    assert view is not None
    town.deaf.add(view.host)
    await town.live(seconds=40)
    assert town.phase(number) is Phase.UNHEALTHY
    assert town.said("environment.unhealthy")
    await town.live(minutes=2)
    assert len(town.ups(number)) > 1
    town.deaf.clear()
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


# --- what is lost behind Eph's back

WITH_DATABASE = (
    EPH_YAML
    + """\
database:
  instances:
    - name: main
"""
)


async def test_a_part_that_is_lost_is_noticed_at_the_next_look_repaired_and_told(town: Town) -> None:  # L9, P1, O1
    number = town.open(files={"eph.yaml": WITH_DATABASE})
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Database:{view.name}/main")
    ups = len(town.ups(number))
    await town.live(seconds=31)
    assert len(town.ups(number)) == ups + 1, "its URL answers; the next look alone tells"
    assert town.said("environment.drifted") == ["the database main is gone"]
    assert town.said("environment.repaired") == ["the database main was gone; it was made again"]
    told = ": the database main was gone; it was made again"
    assert town.phase(number) is Phase.READY
    repaired = town.view(number)
    assert repaired is not None
    assert repaired.repaired.startswith("repaired at 2026-03-02 12:02:")
    assert repaired.repaired.endswith(told)
    assert repaired.repaired in repaired.reasons
    assert f"{told}." in town.comment(number)
    await town.live(minutes=10)
    assert len(town.ups(number)) == ups + 1, "it stands, so nothing more is done"
    town.push(number)
    await town.live(minutes=1)
    assert "epaired" not in town.comment(number), "that was another commit"


async def test_a_target_that_cannot_be_looked_at_has_lost_nothing(town: Town) -> None:  # L9
    number = town.open()
    await town.live(minutes=2)
    ups = len(town.ups(number))
    town.target.blind = True
    await town.live(minutes=5)
    assert len(town.ups(number)) == ups
    assert town.phase(number) is Phase.READY


async def test_a_repair_outlives_a_restart_in_what_is_told(town: Town) -> None:  # L2, L9
    number = town.open()
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Service:{view.name}/web")
    await town.live(minutes=1)
    await town.kill()
    town.memory.mended |= town.journal.mended()
    await town.live(minutes=1)
    assert "the service web did not run; it was started again" in town.comment(number)


async def test_a_new_commit_looks_at_what_is_there_when_something_is_lost(town: Town) -> None:  # L9
    """Else its migration would be told to run in a database that is gone."""
    number = town.open()
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Service:{view.name}/web")
    town.push(number)
    await town.live(minutes=1)
    assert town.stacks.started[-1].refresh
    assert town.phase(number) is Phase.READY


# --- destroys


async def test_a_failed_destroy_is_tried_for_ever_and_never_forgotten(town: Town) -> None:  # L7, pitfall 6
    number = town.open()
    await town.live(minutes=1)
    ref = town.ref(number)
    town.stacks.fail(ref, "a namespace hangs", times=9, verb=Verb.DESTROY)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=30)
    assert ref in town.stacks.records
    assert town.phase(number) is Phase.FAILED
    assert "a namespace hangs" in town.comment(number)
    await town.live(hours=2)
    assert town.stacks.records == {}
    assert "Removed" in town.comment(number)


async def test_the_record_stays_until_the_pull_request_was_told(town: Town) -> None:  # P1
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeUnavailable("503"), "upsert_comment", count=3)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=10)
    assert town.stacks.records == {}
    assert "Removed" in town.comment(number)


async def test_a_report_that_fails_stops_nothing(town: Town) -> None:  # P1
    number = town.open()
    town.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=50)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert town.said("report.failed")
    new = town.push(number)
    await town.live(minutes=1)
    assert town.runs(number) == new


# --- eph.yaml


async def test_a_bad_file_leaves_what_runs_untouched_and_names_its_line(town: Town) -> None:  # Y1
    number = town.open()
    await town.live(minutes=1)
    good = town.runs(number)
    town.push(number, {"eph.yaml": BAD_YAML})
    await town.live(minutes=2)
    assert town.phase(number) is Phase.REFUSED
    assert town.runs(number) == good
    assert "eph.yaml:6" in town.comment(number)
    assert "servces" in town.comment(number)
    mended = town.push(number, {"eph.yaml": EPH_YAML})
    await town.live(minutes=1)
    assert town.runs(number) == mended
    assert town.phase(number) is Phase.READY


async def test_a_bad_file_cannot_take_away_what_its_own_labels_gave(town: Town) -> None:  # Y1
    """The file names the label; once it is broken, nobody can say which label it means."""
    own = EPH_YAML + "triggers:\n  - type: pr_label\n    labels: [staging]\n"
    number = town.open(label=False, files={"eph.yaml": own})
    town.forge.label(town.shop, number, "staging")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    town.push(number, {"eph.yaml": own + "servces: []\n"})
    await town.live(minutes=5)
    assert town.stack(number) is not None
    assert town.phase(number) is Phase.REFUSED
    town.forge.unlabel(town.shop, number, "staging")
    await town.live(minutes=1)
    assert town.stack(number) is None


async def test_a_bad_file_does_not_keep_an_environment_over_its_time(town: Town) -> None:  # L5, Y1
    number = town.open()
    await town.live(minutes=1)
    town.push(number, {"eph.yaml": BAD_YAML})
    await town.skip(hours=80)
    await town.live(minutes=2)
    assert town.stack(number) is None


async def test_no_file_at_all_is_said_once_labelled(town: Town) -> None:  # Y1
    bare = town.forge.create_repository("acme/bare", {"README": "x"})
    town.forge.allow(bare, "ada")
    number = town.open(repository=bare)
    await town.live(minutes=1)
    assert town.phase(number, bare) is Phase.REFUSED
    assert "eph init" in town.forge.comments(bare, number)[0]


async def test_it_waits_for_checks(town: Town) -> None:  # L3
    waits = EPH_YAML + "triggers:\n  - type: pr_label\n    labels: [preview]\n    wait_for_checks: [tests]\n"
    number = town.open(files={"eph.yaml": waits})
    await town.live(minutes=2)
    assert town.phase(number) is Phase.WAITING
    town.forge.set_check(town.shop, town.head(number), "tests", CheckState.PASSED)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


# --- the Git host


async def test_a_git_host_that_is_down_for_an_hour_destroys_nothing(town: Town) -> None:  # L7, pitfall 3
    numbers = [town.open(str(each)) for each in range(4)]
    await town.live(minutes=1)
    before = dict(town.stacks.records)
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(hours=1)
    assert town.stacks.records == before
    assert [town.phase(number) for number in numbers] == [Phase.READY] * 4
    assert town.said("forge.incomplete")
    town.forge._failures.clear()
    town.forge.close_pull(town.shop, numbers[0])
    await town.live(minutes=1)
    assert len(town.stacks.records) == 3
    assert town.said("forge.recovered")


async def test_what_dies_while_the_git_host_is_down_is_repaired(town: Town) -> None:  # L8
    number = town.open()
    await town.live(minutes=10)
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    town.deaf.add(view.host)
    await town.live(minutes=2)
    assert len(town.ups(number)) > 1


async def test_an_empty_list_destroys_nothing_that_is_open(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L7, pitfall 3
    for each in range(8):
        town.open(str(each))
    await town.live(minutes=2)
    whole = town.forge.pulls

    def empty(repository):  # type: ignore[no-untyped-def]
        found = whole(repository)
        return type(found)(found.repository, ())

    monkeypatch.setattr(town.forge, "pulls", empty)
    await town.live(minutes=20)
    assert len(town.stacks.records) == 8
    monkeypatch.undo()
    await town.live(minutes=1)
    assert {view.phase for view in town.loop.shown.views} == {Phase.READY}


async def test_a_list_that_was_cut_destroys_nothing(town: Town) -> None:  # pitfall 3
    numbers = [town.open(str(each)) for each in range(6)]
    await town.live(minutes=2)
    for _ in range(5):
        town.forge.cut_next(town.shop, 1)
        await town.live(seconds=29)
    assert len(town.stacks.records) == 6
    assert {town.phase(number) for number in numbers} == {Phase.READY}


async def test_a_repository_that_answers_404_destroys_nothing(town: Town) -> None:  # pitfall 3
    """Our access was taken away, or the repository is gone: nobody can say which."""
    for each in range(3):
        town.open(str(each))
    await town.live(minutes=1)
    town.forge.hide(town.shop)
    await town.live(hours=1)
    assert len(town.stacks.records) == 3
    town.forge.hide(town.shop, hidden=False)
    await town.live(minutes=1)
    assert {view.phase for view in town.loop.shown.views} == {Phase.READY}


async def test_a_pull_request_that_is_gone_is_destroyed_once_confirmed(town: Town) -> None:  # L7
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(DOWN, "pull", count=2)
    town.forge.vanish(town.shop, number)
    await town.live(seconds=1)
    assert len(town.stacks.records) == 1
    await town.live(minutes=3)
    assert town.stacks.records == {}


async def test_a_restart_begins_no_new_share(town: Town) -> None:  # L7, L2
    """Else a bad answer and a service that is started again and again would take everything, a share at a time."""
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:5]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=10)
    assert len(town.stacks.records) == 5
    for number in numbers[5:8]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=5)
    await town.kill()
    await town.live(minutes=5)
    assert len(town.stacks.records) == 5
    await town.live(hours=1)
    assert len(town.stacks.records) == 2


async def test_many_that_are_gone_at_once_are_held_until_approved(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:7]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=10)
    assert len(town.stacks.records) == 10
    plan = town.loop.shown.plan
    assert plan is not None
    assert plan.digest
    assert len(town.said("plan.held")) >= 1
    assert f"eph approve {plan.digest}" in town.said("plan.held")[-1]
    town.memory.approved_plans[plan.digest] = town.now
    await town.live(minutes=5)
    assert len(town.stacks.records) == 3


async def test_an_approval_says_nothing_of_the_next_day(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:7]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=1)
    plan = town.loop.shown.plan
    assert plan is not None
    assert plan.digest
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(minutes=3)
    town.memory.approved_plans[plan.digest] = town.now
    await town.live(hours=2)
    town.forge._failures.clear()
    await town.live(minutes=5)
    assert len(town.stacks.records) == 10


async def test_a_file_that_breaks_our_own_code_is_its_pull_requests_trouble(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # S3, pitfall 5
    good, evil = town.open("good"), town.open("evil")
    await town.live(minutes=1)
    read, head = town.forge.file, town.push(evil)

    def broken(repository, path, ref, limit):  # type: ignore[no-untyped-def]
        if ref == head:
            raise RecursionError("maximum recursion depth exceeded")
        return read(repository, path, ref, limit)

    monkeypatch.setattr(town.forge, "file", broken)
    new = town.push(good)
    await town.live(minutes=1)
    assert town.runs(good) == new
    assert town.stack(evil) is not None
    assert town.phase(evil) is Phase.WAITING


# --- our own parts


async def test_an_operation_that_raises_frees_its_lane_and_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L8
    start = town.stacks.start
    broken = [True]

    class Broken:
        async def wait(self) -> OperationResult:
            raise RuntimeError("the pipe broke")

        def interrupt(self) -> None:
            """Too late."""

    def once(operation: Operation, progress):  # type: ignore[no-untyped-def]
        return Broken() if broken and broken.pop() else start(operation, progress)

    monkeypatch.setattr(town.stacks, "start", once)
    number = town.open()
    await town.live(seconds=5)
    assert town.executor.running == {}
    assert town.phase(number) is Phase.FAILED
    assert "the pipe broke" in town.comment(number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_one_that_cannot_be_started_stops_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # pitfall 5
    bad, good = town.open("bad"), town.open("good")
    start, ref = town.stacks.start, town.ref(bad)

    def refusing(operation: Operation, progress):  # type: ignore[no-untyped-def]
        if operation.ref == ref:
            raise OSError("no process could be started")
        return start(operation, progress)

    monkeypatch.setattr(town.stacks, "start", refusing)
    await town.live(minutes=1)
    assert town.phase(good) is Phase.READY
    assert any("no process could be started" in sentence for sentence in town.said("cycle.failed"))
    monkeypatch.undo()
    await town.live(minutes=1)
    assert town.phase(bad) is Phase.READY


async def test_a_show_that_fails_does_not_fail_the_cycle(town: Town) -> None:  # L2
    def full(_: object) -> None:
        raise OSError("no space left on device")

    town.loop.audience = (full, town.herald.show)
    number = town.open()
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert "Ready" in town.comment(number)
    assert len(town.said("cycle.failed")) == 1


async def test_a_cycle_that_fails_is_followed_by_the_next(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L2
    def broken() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(town.stacks, "snapshot", broken)
    number = town.open()
    due = await town.cycle()
    assert due - town.now == timedelta(seconds=5)
    monkeypatch.undo()
    await town.live(seconds=6)
    assert town.phase(number) is Phase.READY
    assert town.said("cycle.recovered")


async def test_stacks_that_cannot_all_be_read_are_neither_made_twice_nor_destroyed(town: Town) -> None:  # L7
    number = town.open()
    await town.live(minutes=1)
    town.stacks.incomplete = "one object could not be read"
    another = town.open("another")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY
    assert town.stack(another) is None
    town.stacks.incomplete = ""
    await town.live(minutes=1)
    assert town.phase(another) is Phase.READY


async def test_few_may_go_within_the_hour_and_the_next_ones_are_held(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:5]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=3)
    assert len(town.stacks.records) == 5
    town.forge.vanish(town.shop, numbers[5])
    await town.live(minutes=3)
    assert len(town.stacks.records) == 5
    town.forge.close_pull(town.shop, numbers[6])  # stated by the Git host: that one may go
    await town.live(minutes=3)
    assert len(town.stacks.records) == 4
    await town.live(hours=1)
    assert len(town.stacks.records) == 3


async def test_leftovers_are_purged_two_at_a_time_and_the_living_are_left_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L7, L6
    number = town.open()
    await town.live(minutes=1)
    purge, under_way, most = town.target.purge, [], []

    def counted(name: str, told: Mapping[str, str]) -> None:
        under_way.append(name)
        most.append(len(under_way))
        time.sleep(0.02)  # in a thread: long enough for others to begin meanwhile
        purge(name, told)
        under_way.remove(name)

    monkeypatch.setattr(town.target, "purge", counted)
    town.target.leftovers.update(f"shop-old-name-{each}" for each in range(100, 105))
    await town.live(minutes=2)
    assert town.target.leftovers == set()
    assert town.phase(number) is Phase.READY
    assert len(town.said("sweep.removed")) == 5
    assert max(most) <= PURGES_AT_ONCE


async def test_a_purge_that_fails_rests_and_is_told_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L7
    tries = []

    def stuck(name: str, _: object) -> None:
        tries.append(name)
        raise OSError("the folder is busy")

    monkeypatch.setattr(town.target, "purge", stuck)
    town.target.leftovers.add("shop-old-name-100")
    await town.live(minutes=5)
    assert 3 < len(tries) <= 35
    assert len(town.said("cycle.failed")) == 1
    monkeypatch.undo()
    await town.live(minutes=1)
    assert town.target.leftovers == set()


async def test_nothing_in_the_background_ends_without_a_word(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L2
    number = town.open()
    await town.live(minutes=1)

    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(town.forge, "pull", broken)
    town.forge.change(town.shop, number, state="closed")
    town.forge._homes[town.shop.id].pulls.pop(number)
    await town.live(minutes=1)
    assert any("a fault of ours" in sentence for sentence in town.said("cycle.failed"))
    assert len(town.stacks.records) == 1


async def test_a_target_that_hangs_holds_nobody_up(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # pitfall 5
    """It is asked once, not once a cycle: threads are few."""
    hangs, asked = threading.Event(), []

    def never() -> frozenset[str]:
        asked.append(town.now)
        hangs.wait(20)
        return frozenset()

    monkeypatch.setattr(observe, "PATIENCE", 0.02)
    town.loop._parts.observer._sources.targets["other"] = never  # type: ignore[index]
    number = town.open()
    town.target.leftovers.add("shop-old-name-7")
    await town.live(minutes=2)
    assert town.phase(number) is Phase.READY
    assert town.target.leftovers == set()
    assert len(asked) == 1
    hangs.set()
    await town.live(minutes=1)
    assert len(asked) > 1
