"""The life of a pull request, told as it goes: L1, L3 (labels), L5 (without sleep), P1, P3."""

from __future__ import annotations

from orchestrator.core.views.phases import Phase
from orchestrator.forges.pull_requests import PullState
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World


async def test_label_creates_a_reachable_environment(world: World) -> None:  # L5, P3
    number = world.open_pull(label=False)
    await world.run_for(minutes=1)
    assert world.stack(number) is None
    world.label(number)
    await world.run_for(seconds=0)
    assert world.phase(number) is Phase.READY
    assert world.running_commit(number) == world.head(number)
    assert "Ready" in world.comment(number)
    assert world.url(number) in world.comment(number)


async def test_ready_means_that_the_url_answered(world: World) -> None:  # P3
    number = world.open_pull()
    await world.run_cycle()
    view = world.view(number)
    assert view is not None
    world.unresponsive.add(view.host)
    await world.run_for(seconds=5)
    assert world.phase(number) is Phase.STARTING
    world.unresponsive.clear()
    await world.run_for(seconds=10)
    assert world.phase(number) is Phase.READY


async def test_a_push_changes_the_same_url(world: World) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    url, old = world.url(number), world.running_commit(number)
    new = world.push(number)
    await world.run_for(minutes=1)
    assert (world.url(number), world.running_commit(number)) == (url, new)
    assert new != old
    assert world.phase(number) is Phase.READY


async def test_an_unlabelled_a_closed_and_a_merged_one_leave_nothing(world: World) -> None:  # L3, L5
    unlabelled, closed, merged = (world.open_pull(title) for title in ("one", "two", "three"))
    await world.run_for(minutes=1)
    assert len(world.stacks.records) == 3
    world.unlabel(unlabelled)
    world.close_pull(closed)
    world.merge(merged)
    await world.run_for(minutes=2)
    assert world.stacks.records == {}
    assert world.last_cycle.views == ()
    for number in (unlabelled, closed, merged):
        assert "Destroyed" in world.comment(number)


async def test_a_reopened_one_comes_back_under_its_name(world: World) -> None:  # L5, Y3
    number = world.open_pull()
    await world.run_for(minutes=1)
    url = world.url(number)
    world.close_pull(number)
    await world.run_for(minutes=2)
    assert world.stack(number) is None
    world.reopen(number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert world.url(number) == url


async def test_a_label_that_comes_back_after_days_starts_the_time_anew(world: World) -> None:  # L5, pitfall 10
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.unlabel(number)
    await world.run_for(minutes=2)
    await world.skip_ahead(days=5)
    world.label(number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY


async def test_a_close_during_the_creation_leaves_nothing(world: World) -> None:  # L5, pitfall 1
    number = world.open_pull()
    ref = world.hold(number)
    await world.run_cycle()
    assert world.phase(number) is Phase.CREATING
    world.close_pull(number)
    await world.run_for(seconds=1)
    assert world.phase(number) is Phase.DESTROYING
    world.release(ref)
    await world.run_for(minutes=2)
    assert world.stacks.records == {}
    assert "Destroyed" in world.comment(number)


async def test_time_runs_out_is_extended_and_starts_afresh_with_a_push(world: World) -> None:  # L5, pitfall 10
    number = world.open_pull()
    await world.skip_ahead(hours=71)
    assert world.phase(number) is Phase.READY
    view = world.view(number)
    assert view is not None
    assert view.expires_at is not None
    world.request_action("extend", number, view.expires_at.replace(day=view.expires_at.day + 1))
    await world.skip_ahead(hours=20)
    assert world.phase(number) is Phase.READY
    await world.skip_ahead(hours=6)
    assert world.stack(number) is None
    assert "Expired" in world.comment(number)
    world.push(number)
    world.label(number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_extension_during_update_is_not_lost(world: World) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    ref = world.hold(number)
    new = world.push(number)
    await world.run_for(seconds=10)
    assert world.phase(number) is Phase.UPDATING
    until = world.now.replace(day=world.now.day + 20, microsecond=0)
    world.request_action("extend", number, until)
    await world.run_for(seconds=1)
    world.release(ref)
    await world.run_for(minutes=1)
    record = world.stack(number)
    assert world.running_commit(number) == new
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until == until


async def test_down_wins_over_a_later_wish_for_time(world: World) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.unlabel(number)
    world.request_action("down", number)
    world.request_action("extend", number, world.now.replace(day=9))
    await world.run_for(minutes=1)
    assert world.stack(number) is None


async def test_the_label_works_again_right_after_down(world: World) -> None:  # L5
    """A wish that is carried out is forgotten: it once kept the next label waiting for an hour."""
    waits = world.open_pull(label=True, files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    assert world.phase(waits) is Phase.REFUSED
    world.unlabel(waits)
    world.request_action("down", waits)
    await world.run_for(minutes=1)
    assert world.view(waits) is None
    world.push(waits, {"eph.yaml": EPH_YAML})
    world.label(waits)
    await world.run_for(minutes=1)
    assert world.phase(waits) is Phase.READY


async def test_a_lost_webhook_costs_half_a_minute(world: World) -> None:  # L1
    await world.run_for(minutes=5)
    number = world.open_pull()
    await world.run_for(seconds=31)
    assert world.phase(number) is Phase.READY


async def test_doubled_and_late_wakes_change_nothing(world: World) -> None:  # L1, L4
    number = world.open_pull()
    await world.run_for(minutes=1)
    started = len(world.stacks.started)
    for _ in range(20):
        world.wakeups.wake(refresh=True)
        await world.run_cycle()
    assert len(world.stacks.started) == started
    assert world.phase(number) is Phase.READY


async def test_idle_hour_starts_and_reports_nothing(world: World) -> None:  # L4
    for each in range(5):
        world.open_pull(str(each))
    await world.run_for(minutes=2)
    started, events, cycles = len(world.stacks.started), len(world.ledger.events(limit=1000)), world.cycles
    await world.run_for(hours=1)
    assert len(world.stacks.started) == started
    assert len(world.ledger.events(limit=1000)) == events
    assert world.cycles - cycles <= 125


async def test_a_refused_one_gets_a_last_word_when_its_label_goes(world: World) -> None:  # P1
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    assert "servces" in world.comment(number)
    world.unlabel(number)
    await world.run_for(minutes=1)
    assert "No longer needed" in world.comment(number)
    assert "servces" not in world.comment(number)
    world.label(number)
    await world.run_for(minutes=1)
    assert "servces" in world.comment(number)


async def test_undone_requests_are_reported(world: World) -> None:  # Y2, P1
    number = world.open_pull(files={"eph.yaml": EPH_YAML + "environment:\n  alias_template: shop-pr-{number}\n"})
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert "eph.yaml:7" in world.comment(number)
    assert "does not support a second host name" in world.comment(number)


async def test_a_fork_runs_nothing(world: World) -> None:  # S2, L3
    number = world.open_pull(from_fork=True)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.WAITING
    assert world.stacks.started == []
    assert f"commit {world.head(number)[:7]} needs approval" in world.comment(number)


async def test_an_author_without_write_access_is_refused_until_let_in(world: World) -> None:  # T1
    number = world.open_pull(by="mallory")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.REFUSED
    assert world.stacks.started == []
    world.forge.grant_write(world.shop, "mallory")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_two_repositories_of_one_name_stay_apart(world: World) -> None:  # Y3
    twin = world.forge.create_repository("globex/shop", {"eph.yaml": EPH_YAML})
    world.forge.grant_write(twin, "ada")
    here, there = world.open_pull("here"), world.open_pull("there", repository=twin)
    assert here == there
    await world.run_for(minutes=1)
    mine, other = world.view(here), world.view(there, twin)
    assert mine is not None
    assert other is not None
    assert (mine.phase, other.phase) == (Phase.READY, Phase.READY)
    assert mine.name != other.name
    world.forge.close_pull(twin, there)
    await world.run_for(minutes=2)
    assert world.stack(there, twin) is None
    assert world.phase(here) is Phase.READY


async def test_a_renamed_repository_keeps_its_stacks(world: World) -> None:  # Y3
    number = world.open_pull()
    await world.run_for(minutes=1)
    url, ref = world.url(number), world.ref(number)
    world.forge.rename(world.shop, "acme/store")
    await world.run_for(minutes=5)
    assert list(world.stacks.records) == [ref]
    new = world.push(number)
    await world.run_for(minutes=1)
    assert (world.url(number), world.running_commit(number)) == (url, new)
    view = world.view(number)
    assert view is not None
    assert view.repository == "acme/store"


async def test_opened_and_merged_in_seconds(world: World) -> None:  # pitfall 11
    number = world.open_pull()
    ref = world.hold(number)
    await world.run_cycle()
    world.merge(number)
    await world.run_for(seconds=1)
    world.release(ref)
    await world.run_for(minutes=2)
    assert world.forge.pull(world.shop, number).state is PullState.MERGED
    assert world.stacks.records == {}
