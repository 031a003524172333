"""What fails of an environment: builds, destroys, reports, eph.yaml. L1, L2, L5, L7, Y1, pitfalls 5 and 6."""

from __future__ import annotations

from itertools import pairwise

from orchestrator.core.model.policy import Backoff
from orchestrator.core.model.world import CheckState
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeRefused, ForgeUnavailable
from stacks.model import OperationVerb
from tests.worlds.eph_files import BAD_YAML, EPH_YAML, eph_yaml
from tests.worlds.world import World


async def test_a_clock_that_is_set_back_holds_nothing_up(world: World) -> None:  # L1, L2, P1
    """Found by ``make chaos``: looks, pauses and pacing would wait until the clock is where it was."""
    well, failing = world.open_pull(), world.open_pull()
    world.stacks.fail(world.ref(failing), "exit code 2", times=3)
    await world.run_for(seconds=40)
    world.set_back(hours=2)
    new = world.push(well)
    await world.run_for(minutes=2)
    assert (world.running_commit(well), world.phase(well), world.phase(failing)) == (new, Phase.READY, Phase.READY)
    assert new[:7] in world.comment(well)
    assert "Ready" in world.comment(failing)


async def test_a_failing_build_keeps_the_old_url_and_is_tried_with_backoff(world: World) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    old = world.running_commit(number)
    world.stacks.fail(world.ref(number), "exit code 2", times=2)
    new = world.push(number)
    await world.run_for(seconds=10)
    assert world.phase(number) is Phase.FAILED
    assert world.running_commit(number) == old
    assert "exit code 2" in world.comment(number)
    assert "is still live" in world.comment(number)
    await world.run_for(minutes=2)
    assert world.built_commits(number)[1:] == [new] * 3
    assert world.running_commit(number) == new
    assert world.phase(number) is Phase.READY


async def test_tries_wait_longer_each_time_and_then_stall(world: World) -> None:  # L5
    limits = Backoff()
    number = world.open_pull()
    ref = world.ref(number)
    world.stacks.fail(ref, "exit code 2", times=100)
    await world.run_for(minutes=15)
    assert world.phase(number) is Phase.STALLED
    assert len(world.built_commits(number)) == limits.max_attempts
    ended = [entry.ended_at for entry in world.stacks.records[ref].history]
    waits = [later - earlier for earlier, later in pairwise(ended)]
    assert all(wait >= limits.initial * 2**turn for turn, wait in enumerate(waits))
    assert world.event_messages("environment.stalled")


async def test_a_person_or_a_push_starts_a_stalled_one_again(world: World) -> None:  # L5
    number = world.open_pull()
    world.stacks.fail(world.ref(number), "exit code 2", times=100)
    await world.run_for(minutes=15)
    tries = len(world.built_commits(number))
    world.request_action("retry", number)
    await world.run_for(seconds=1)
    assert len(world.built_commits(number)) == tries + 1
    world.stacks.clear_failure(world.ref(number))
    new = world.push(number)
    await world.run_for(minutes=1)
    assert world.running_commit(number) == new
    assert world.phase(number) is Phase.READY


async def test_one_that_always_fails_stops_nobody(world: World) -> None:  # pitfall 5
    bad, good = world.open_pull("bad"), world.open_pull("good")
    world.stacks.fail(world.ref(bad), "exit code 2", times=100)
    await world.run_for(minutes=5)
    assert world.phase(good) is Phase.READY
    assert world.phase(bad) in (Phase.FAILED, Phase.STALLED)


async def test_an_url_that_stops_to_answer_is_repaired(world: World) -> None:  # L8
    number = world.open_pull()
    await world.run_for(minutes=10)
    view = world.view(number)
    assert view is not None
    world.unresponsive.add(view.host)
    await world.run_for(seconds=40)
    assert world.phase(number) is Phase.UNHEALTHY
    assert world.event_messages("environment.unhealthy")
    await world.run_for(minutes=2)
    assert len(world.built_commits(number)) > 1
    world.unresponsive.clear()
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_every_public_service_must_respond_within_its_environment(world: World) -> None:
    """P3, issue 14: only the first public service was checked, so an API that redirects to another host was green."""
    api = '  - name: api\n    command: python3 api.py\n    health: {path: "/"}\n'
    world.redirecting["api"] = "https://www.example.com/"
    number = world.open_pull(files=eph_yaml(api))
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.STARTING
    view = world.view(number)
    assert view is not None
    assert any("service api: / redirects to https://www.example.com/" in reason for reason in view.reasons)
    world.redirecting.clear()
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_a_failed_destroy_is_tried_for_ever_and_never_forgotten(world: World) -> None:  # L7, pitfall 6
    number = world.open_pull()
    await world.run_for(minutes=1)
    ref = world.ref(number)
    world.stacks.fail(ref, "a namespace hangs", times=9, verb=OperationVerb.DESTROY)
    world.close_pull(number)
    await world.run_for(minutes=30)
    assert ref in world.stacks.records
    assert world.phase(number) is Phase.FAILED
    assert "a namespace hangs" in world.comment(number)
    await world.run_for(hours=2)
    assert world.stacks.records == {}
    assert "Destroyed" in world.comment(number)


async def test_the_record_stays_until_the_pull_request_was_told(world: World) -> None:  # P1
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeUnavailable("503"), "upsert_comment", count=3)
    world.close_pull(number)
    await world.run_for(minutes=10)
    assert world.stacks.records == {}
    assert "Destroyed" in world.comment(number)


async def test_a_report_that_fails_stops_nothing(world: World) -> None:  # P1
    number = world.open_pull()
    world.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=50)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert world.event_messages("report.failed")
    new = world.push(number)
    await world.run_for(minutes=1)
    assert world.running_commit(number) == new


async def test_a_bad_file_leaves_what_runs_untouched_and_names_its_line(world: World) -> None:  # Y1
    number = world.open_pull()
    await world.run_for(minutes=1)
    good = world.running_commit(number)
    world.push(number, {"eph.yaml": BAD_YAML})
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.REFUSED
    assert world.running_commit(number) == good
    assert "eph.yaml:6" in world.comment(number)
    assert "servces" in world.comment(number)
    mended = world.push(number, {"eph.yaml": EPH_YAML})
    await world.run_for(minutes=1)
    assert world.running_commit(number) == mended
    assert world.phase(number) is Phase.READY


async def test_a_bad_file_cannot_take_away_what_its_own_labels_gave(world: World) -> None:  # Y1
    """The file names the label; once it is broken, nobody can say which label it means."""
    own = EPH_YAML + "triggers:\n  - type: pr_label\n    labels: [staging]\n"
    number = world.open_pull(label=False, files={"eph.yaml": own})
    world.label(number, "staging")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    world.push(number, {"eph.yaml": own + "servces: []\n"})
    await world.run_for(minutes=5)
    assert world.stack(number) is not None
    assert world.phase(number) is Phase.REFUSED
    world.unlabel(number, "staging")
    await world.run_for(minutes=1)
    assert world.stack(number) is None


async def test_a_bad_file_does_not_keep_an_environment_over_its_time(world: World) -> None:  # L5, Y1
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.push(number, {"eph.yaml": BAD_YAML})
    await world.skip_ahead(hours=80)
    await world.run_for(minutes=2)
    assert world.stack(number) is None


async def test_no_file_at_all_is_said_once_labelled(world: World) -> None:  # Y1
    bare = world.forge.create_repository("acme/bare", {"README": "x"})
    world.forge.grant_write(bare, "ada")
    number = world.open_pull(repository=bare)
    await world.run_for(minutes=1)
    assert world.phase(number, bare) is Phase.REFUSED
    assert "eph init" in world.forge.comments(bare, number)[0]


async def test_it_waits_for_checks(world: World) -> None:  # L3
    waits = EPH_YAML + "triggers:\n  - type: pr_label\n    labels: [preview]\n    wait_for_checks: [tests]\n"
    number = world.open_pull(files={"eph.yaml": waits})
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.WAITING
    world.forge.set_check(world.shop, world.head(number), "tests", CheckState.PASSED)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
