"""Pull requests from forks: nothing runs until a person lets that very commit run. S2, Y1, pitfall 7."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.core.phases import Phase
from orchestrator.forge.port import APPROVED, ForgeUnavailable
from tests.stories.town import EPH_YAML, Town, yaml


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.close()


def approve(town: Town, number: int, commit: str = "") -> None:
    town.forge.mark(town.shop, commit or town.head(number), APPROVED, "Approved by ada")
    town.wakes.wake(look=True)


async def test_the_label_alone_lets_nothing_run(town: Town) -> None:
    number = town.open(by="mallory", from_fork=True)
    await town.live(hours=1)
    assert town.phase(number) is Phase.WAITING
    assert town.stacks.started == []


async def test_approval_is_of_one_commit_and_a_push_takes_it_back(town: Town) -> None:
    number = town.open(by="mallory", from_fork=True)
    first = town.head(number)
    approve(town, number)
    await town.live(minutes=1)
    assert (town.phase(number), town.runs(number)) == (Phase.READY, first)
    town.push(number)
    await town.live(minutes=5)
    assert (town.phase(number), town.runs(number)) == (Phase.WAITING, first)
    assert town.ups(number) == [first]
    approve(town, number)
    await town.live(minutes=1)
    assert town.runs(number) == town.head(number)


async def test_a_push_between_approval_and_checkout_is_not_built(town: Town) -> None:
    """The operation is given the approved commit, and the branch has moved on by the time it looks."""
    number = town.open(by="mallory", from_fork=True)
    approved = town.head(number)
    approve(town, number)
    ref = town.hold(number)
    await town.cycle()
    town.push(number)
    await town.live(seconds=10)
    town.release(ref)
    await town.live(minutes=5)
    assert town.ups(number) == [approved]


async def test_approval_of_an_older_commit_lets_the_newer_wait(town: Town) -> None:
    number = town.open(by="mallory", from_fork=True)
    old = town.head(number)
    town.push(number)
    approve(town, number, old)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.WAITING
    assert town.stacks.started == []


async def test_what_a_fork_writes_into_eph_yaml_decides_nothing(town: Town) -> None:
    """Neither before the approval nor after it: the file is the base branch's."""
    theirs = EPH_YAML.replace("python3 web.py", "steal").replace("name: shop", "name: theirs")
    number = town.open(by="mallory", from_fork=True, files={"eph.yaml": theirs})
    approve(town, number)
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    assert view.name.startswith("shop-")
    [up] = [each for each in town.stacks.started if each.spec is not None]
    assert up.spec is not None
    assert [service.command for service in up.spec.services] == ["python3 web.py"]
    assert (up.spec.source.commit, dict(up.spec.env)) == (town.head(number), {})


async def test_marks_that_cannot_be_read_are_no_approval(town: Town) -> None:
    number = town.open(by="mallory", from_fork=True)
    approve(town, number)
    town.forge.fail_next(ForgeUnavailable("502"), "decisions", count=2)
    await town.cycle()
    assert town.phase(number) is Phase.WAITING
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_a_withdrawn_approval_keeps_the_next_build_from_starting(town: Town) -> None:
    number = town.open(by="mallory", from_fork=True)
    approve(town, number)
    await town.live(minutes=1)
    town.forge.mark(town.shop, town.head(number), APPROVED, "")
    town.forge.push(town.shop, "main", yaml("build: {command: make}\n"))
    await town.live(minutes=5)
    assert len(town.ups(number)) == 1


@pytest.mark.parametrize(
    ("policy", "words"),
    [({"forks": False}, "this server runs nothing of one"), ({"approval_is_trust": False}, "approved or not")],
)
async def test_a_server_may_refuse_what_is_approved(policy: dict[str, bool], words: str) -> None:
    """Y4: ``forks.allow`` and ``forks.guarded``."""
    town = Town(**policy)
    number = town.open(by="mallory", from_fork=True)
    approve(town, number)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.REFUSED
    assert town.stacks.started == []
    assert words in town.comment(number)
    await town.close()


async def test_a_pull_request_whose_fork_was_deleted_still_waits(town: Town) -> None:
    """Pitfall 11: the host tells no head repository any more, which counts as a fork."""
    number = town.open(by="mallory", from_fork=True)
    town.forge.change(town.shop, number, head_ref="unknown repository")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.WAITING
