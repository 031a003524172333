"""Search, filters, order and pages of the dashboard's list. Row: P6."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, sample
from orchestrator.surfaces.dashboard import environment_list
from orchestrator.surfaces.dashboard.environment_list import GROUPS, PAGE_SIZE, Group, ListQuery, Order

READY = replace(sample(42), title="A warmer colour", author="ada", branch="warm", commit="a1" * 20)
QUEUED = replace(sample(3, Phase.QUEUED, "demo/api"), title="Faster", author="grace", branch="fast", commit="b2" * 20)
ASLEEP = replace(sample(4, Phase.ASLEEP), title="Tea", author="grace", branch="tea", commit="c3" * 20)
ALL = (READY, QUEUED, ASLEEP)


def _numbers(order: Order, *views: EnvironmentView) -> list[str]:
    return [view.name for view in environment_list.select(views, ListQuery(order=order)).views]


@pytest.mark.parametrize(
    ("search", "found"),
    [("warmer", 1), ("GRACE", 2), ("grace tea", 1), ("b2b2", 1), ("demo/api", 1), ("", 3), ("nothing", 0)],
)
def test_search(search: str, found: int) -> None:
    assert len(environment_list.select(ALL, ListQuery(search=search)).views) == found


def test_filters() -> None:
    assert environment_list.select(ALL, ListQuery(repository="demo/api")).views == (QUEUED,)
    assert environment_list.select(ALL, ListQuery(owner="ada")).views == (READY,)
    assert environment_list.select(ALL, ListQuery(group=Group.ASLEEP)).views == (ASLEEP,)


def test_counts_are_those_of_the_other_filters() -> None:
    found = environment_list.select(ALL, ListQuery(owner="grace", group=Group.ASLEEP))
    assert found.counts[Group.WAITING] == 1
    assert found.counts[Group.READY] == 0
    assert (found.found, found.total) == (1, 3)


def test_every_phase_that_people_wait_for_is_in_one_group() -> None:
    grouped = [phase for phases in GROUPS.values() for phase in phases]
    assert len(grouped) == len(set(grouped))
    assert set(Phase) - set(grouped) == {Phase.EXPIRED, Phase.DESTROYED}


def test_orders() -> None:
    early = replace(READY, name="b", expires_at=START + timedelta(hours=1), since=START)
    late = replace(ASLEEP, name="a", expires_at=START + timedelta(hours=2), since=START + timedelta(minutes=5))
    never = replace(QUEUED, name="c", expires_at=None, since=None)
    assert _numbers(Order.NAME, early, late, never) == ["a", "b", "c"]
    assert _numbers(Order.EXPIRY, never, late, early) == ["b", "a", "c"]
    assert _numbers(Order.CHANGED, never, early, late) == ["a", "b", "c"]


def test_pages() -> None:
    many = [sample(number) for number in range(1, 2 * PAGE_SIZE + 2)]
    first = environment_list.select(many, ListQuery())
    last = environment_list.select(many, ListQuery(page=99))
    assert (len(first.views), first.pages) == (PAGE_SIZE, 3)
    assert (len(last.views), last.query.page) == (1, 3)


def test_links_keep_the_other_filters() -> None:
    query = ListQuery(search="a&b", owner="ada", page=3)
    assert query.link(group=Group.BUSY) == "/?q=a%26b&owner=ada&group=in+progress"
    assert query.link(page=2) == "/?q=a%26b&owner=ada&page=2"
    assert ListQuery(group=Group.READY).link(group=None) == "/"
