"""The life of a pull request, told as it goes: L1, L3 (labels), L5 (without sleep), P1, P3."""

from __future__ import annotations

from orchestrator.core.model import PullState
from orchestrator.core.phases import Phase
from tests.stories.town import BAD_YAML, EPH_YAML, Town


async def test_a_label_gives_an_environment_that_answers(town: Town) -> None:  # L5, P3
    number = town.open(label=False)
    await town.live(minutes=1)
    assert town.stack(number) is None
    town.forge.label(town.shop, number, "preview")
    await town.live(seconds=0)
    assert town.phase(number) is Phase.READY
    assert town.runs(number) == town.head(number)
    assert "Ready" in town.comment(number)
    assert town.url(number) in town.comment(number)


async def test_ready_means_that_the_url_answered(town: Town) -> None:  # P3
    number = town.open()
    await town.cycle()
    view = town.view(number)
    assert view is not None
    town.deaf.add(view.host)
    await town.live(seconds=5)
    assert town.phase(number) is Phase.STARTING
    town.deaf.clear()
    await town.live(seconds=10)
    assert town.phase(number) is Phase.READY


async def test_a_push_changes_the_same_url(town: Town) -> None:  # L5
    number = town.open()
    await town.live(minutes=1)
    url, old = town.url(number), town.runs(number)
    new = town.push(number)
    await town.live(minutes=1)
    assert (town.url(number), town.runs(number)) == (url, new)
    assert new != old
    assert town.phase(number) is Phase.READY


async def test_an_unlabelled_a_closed_and_a_merged_one_leave_nothing(town: Town) -> None:  # L3, L5
    unlabelled, closed, merged = (town.open(title) for title in ("one", "two", "three"))
    await town.live(minutes=1)
    assert len(town.stacks.records) == 3
    town.forge.unlabel(town.shop, unlabelled, "preview")
    town.forge.close_pull(town.shop, closed)
    town.forge.merge(town.shop, merged)
    await town.live(minutes=2)
    assert town.stacks.records == {}
    assert town.loop.shown.views == ()
    for number in (unlabelled, closed, merged):
        assert "Removed" in town.comment(number)


async def test_a_reopened_one_comes_back_under_its_name(town: Town) -> None:  # L5, Y3
    number = town.open()
    await town.live(minutes=1)
    url = town.url(number)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=2)
    assert town.stack(number) is None
    town.forge.reopen(town.shop, number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert town.url(number) == url


async def test_a_label_that_comes_back_after_days_starts_the_time_anew(town: Town) -> None:  # L5, pitfall 10
    number = town.open()
    await town.live(minutes=1)
    town.forge.unlabel(town.shop, number, "preview")
    await town.live(minutes=2)
    await town.skip(days=5)
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY


async def test_a_close_during_the_creation_leaves_nothing(town: Town) -> None:  # L5, pitfall 1
    number = town.open()
    ref = town.hold(number)
    await town.cycle()
    assert town.phase(number) is Phase.CREATING
    town.forge.close_pull(town.shop, number)
    await town.live(seconds=1)
    assert town.phase(number) is Phase.DESTROYING
    town.release(ref)
    await town.live(minutes=2)
    assert town.stacks.records == {}
    assert "Removed" in town.comment(number)


async def test_time_runs_out_is_extended_and_starts_afresh_with_a_push(town: Town) -> None:  # L5, pitfall 10
    number = town.open()
    await town.skip(hours=71)
    assert town.phase(number) is Phase.READY
    view = town.view(number)
    assert view is not None
    assert view.expires_at is not None
    town.ask("extend", number, view.expires_at.replace(day=view.expires_at.day + 1))
    await town.skip(hours=20)
    assert town.phase(number) is Phase.READY
    await town.skip(hours=6)
    assert town.stack(number) is None
    assert "Expired" in town.comment(number)
    town.push(number)
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_a_wish_for_time_while_an_update_runs_is_not_lost(town: Town) -> None:  # L5
    number = town.open()
    await town.live(minutes=1)
    ref = town.hold(number)
    new = town.push(number)
    await town.live(seconds=10)
    assert town.phase(number) is Phase.UPDATING
    until = town.now.replace(day=town.now.day + 20, microsecond=0)
    town.ask("extend", number, until)
    await town.live(seconds=1)
    town.release(ref)
    await town.live(minutes=1)
    record = town.stack(number)
    assert town.runs(number) == new
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until == until


async def test_down_wins_over_a_later_wish_for_time(town: Town) -> None:  # L5
    number = town.open()
    await town.live(minutes=1)
    town.forge.unlabel(town.shop, number, "preview")
    town.ask("down", number)
    town.ask("extend", number, town.now.replace(day=9))
    await town.live(minutes=1)
    assert town.stack(number) is None


async def test_the_label_works_again_right_after_down(town: Town) -> None:  # L5
    """A wish that is carried out is forgotten: it once kept the next label waiting for an hour."""
    waits = town.open(label=True, files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    assert town.phase(waits) is Phase.REFUSED
    town.forge.unlabel(town.shop, waits, "preview")
    town.ask("down", waits)
    await town.live(minutes=1)
    assert town.view(waits) is None
    town.push(waits, {"eph.yaml": EPH_YAML})
    town.forge.label(town.shop, waits, "preview")
    await town.live(minutes=1)
    assert town.phase(waits) is Phase.READY


async def test_a_lost_webhook_costs_half_a_minute(town: Town) -> None:  # L1
    await town.live(minutes=5)
    number = town.open()
    await town.live(seconds=31)
    assert town.phase(number) is Phase.READY


async def test_doubled_and_late_wakes_change_nothing(town: Town) -> None:  # L1, L4
    number = town.open()
    await town.live(minutes=1)
    started = len(town.stacks.started)
    for _ in range(20):
        town.wakes.wake(look=True)
        await town.cycle()
    assert len(town.stacks.started) == started
    assert town.phase(number) is Phase.READY


async def test_a_quiet_hour_starts_nothing_and_says_nothing(town: Town) -> None:  # L4
    for each in range(5):
        town.open(str(each))
    await town.live(minutes=2)
    started, events, cycles = len(town.stacks.started), len(town.ledger.events(limit=1000)), town.cycles
    await town.live(hours=1)
    assert len(town.stacks.started) == started
    assert len(town.ledger.events(limit=1000)) == events
    assert town.cycles - cycles <= 125


async def test_a_refused_one_gets_a_last_word_when_its_label_goes(town: Town) -> None:  # P1
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    assert "servces" in town.comment(number)
    town.forge.unlabel(town.shop, number, "preview")
    await town.live(minutes=1)
    assert "Not wanted any more" in town.comment(number)
    assert "servces" not in town.comment(number)
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=1)
    assert "servces" in town.comment(number)


async def test_what_is_asked_for_and_not_done_is_said(town: Town) -> None:  # Y2, P1
    number = town.open(files={"eph.yaml": EPH_YAML + "environment:\n  alias_template: shop-pr-{number}\n"})
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert "eph.yaml:7" in town.comment(number)
    assert "makes no second host name" in town.comment(number)


async def test_a_fork_runs_nothing(town: Town) -> None:  # S2, L3
    number = town.open(from_fork=True)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.WAITING
    assert town.stacks.started == []
    assert f"waits for approval of commit {town.head(number)[:7]}" in town.comment(number)


async def test_an_author_without_write_access_is_refused_until_let_in(town: Town) -> None:  # T1
    number = town.open(by="mallory")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.REFUSED
    assert town.stacks.started == []
    town.forge.allow(town.shop, "mallory")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_two_repositories_of_one_name_stay_apart(town: Town) -> None:  # Y3
    twin = town.forge.create_repository("globex/shop", {"eph.yaml": EPH_YAML})
    town.forge.allow(twin, "ada")
    here, there = town.open("here"), town.open("there", repository=twin)
    assert here == there
    await town.live(minutes=1)
    mine, other = town.view(here), town.view(there, twin)
    assert mine is not None
    assert other is not None
    assert (mine.phase, other.phase) == (Phase.READY, Phase.READY)
    assert mine.name != other.name
    town.forge.close_pull(twin, there)
    await town.live(minutes=2)
    assert town.stack(there, twin) is None
    assert town.phase(here) is Phase.READY


async def test_a_renamed_repository_keeps_its_stacks(town: Town) -> None:  # Y3
    number = town.open()
    await town.live(minutes=1)
    url, ref = town.url(number), town.ref(number)
    town.forge.rename(town.shop, "acme/store")
    await town.live(minutes=5)
    assert list(town.stacks.records) == [ref]
    new = town.push(number)
    await town.live(minutes=1)
    assert (town.url(number), town.runs(number)) == (url, new)
    view = town.view(number)
    assert view is not None
    assert view.repository == "acme/store"


async def test_opened_and_merged_in_seconds(town: Town) -> None:  # pitfall 11
    number = town.open()
    ref = town.hold(number)
    await town.cycle()
    town.forge.merge(town.shop, number)
    await town.live(seconds=1)
    town.release(ref)
    await town.live(minutes=2)
    assert town.forge.pull(town.shop, number).state is PullState.MERGED
    assert town.stacks.records == {}
