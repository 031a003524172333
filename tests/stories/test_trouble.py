"""What fails of an environment: builds, destroys, reports, eph.yaml. L1, L2, L5, L7, Y1, pitfalls 5 and 6."""

from __future__ import annotations

from itertools import pairwise

from orchestrator.core.model import CheckState
from orchestrator.core.phases import Phase
from orchestrator.core.policy import Backoff
from orchestrator.forge.port import ForgeRefused, ForgeUnavailable
from stacks.model import Verb
from tests.stories.town import BAD_YAML, EPH_YAML, Town


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
