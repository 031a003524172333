"""Resets of databases, by request and by label (D4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from orchestrator.forges.port import ForgeUnavailable
from orchestrator.service.changes.label_requests import RESET_LABEL
from orchestrator.service.port import RefusalReason
from stacks.model import OperationVerb
from tests.service.change_requests import built_spec, refused
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

TWO_DATABASES = EPH_YAML + "database:\n  instances:\n    - {name: main}\n    - {name: extra, variable: EXTRA_URL}\n"


def resets(town: World, number: int) -> list[tuple[str, ...]]:
    """Of each update of the environment."""
    return [each.resets for each in town.stacks.started if each.ref == town.ref(number) and each.spec is not None]


async def test_reset_is_an_update_that_drops_the_database_once(town: World) -> None:
    town.forge.push(town.shop, "main", {"eph.yaml": TWO_DATABASES})
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    assert town.system.service.resettable_databases(name) == ["extra", "main"]
    with refused(RefusalReason.RESET_UNAVAILABLE):
        await town.system.service.reset_database(name, "", "ada")
    with refused(RefusalReason.RESET_UNAVAILABLE):
        await town.system.service.reset_database(name, "nothing", "ada")
    assert await town.system.service.reset_database(name, "main", "ada") == "main"
    assert await town.system.service.reset_database(name, "extra", "bob") == "extra"
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]
    last = next(each for each in reversed(town.stacks.started) if each.resets)
    assert (last.refresh, last.commit) == (True, town.head(number))
    asked = [(each.actor, each.kind) for each in town.ledger.events(limit=99) if "reset" in each.kind]
    assert asked == [("ada", "intent.reset_database"), ("bob", "intent.reset_database")]


async def test_a_label_resets_every_database_once_and_is_removed(town: World) -> None:
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]
    assert RESET_LABEL not in town.forge.pull(town.shop, number).labels
    asked = {(each.actor, each.kind) for each in town.ledger.events(limit=99) if "reset" in each.kind}
    assert asked == {("label", "intent.reset_database")}
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra"), ("main", "extra")], "each label is a request"


async def test_nothing_is_reset_while_the_label_cant_be_removed(town: World) -> None:
    """Otherwise each cycle would delete the data again."""
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeUnavailable("502"), "remove_label")
    town.label(number, RESET_LABEL)
    await town.run_for(seconds=2)
    assert resets(town, number) == [()]
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]


async def test_a_label_without_databases_is_removed_and_answered(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=2)
    assert RESET_LABEL not in town.forge.pull(town.shop, number).labels
    assert resets(town, number) == [()]
    assert RESET_LABEL in town.comment(number)


async def test_a_reset_that_fails_is_not_repeated_but_an_interrupted_one_is(town: World) -> None:
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    ref = town.hold(number)
    await town.system.service.reset_database(f"acme/shop#{number}", "main", "ada")
    await town.run_for(seconds=10)
    town.push(number)  # a newer commit interrupts it
    await town.run_for(minutes=1)
    town.stacks.fail(ref, "the seed ended with 1", verb=OperationVerb.UP)
    town.release(ref)
    await town.run_for(minutes=10)
    assert town.running_commit(number) == town.head(number)
    assert resets(town, number) == [(), ("main",), ("main",), ()], "created, interrupted, failed, tried again"


async def test_an_environment_that_is_not_there_has_nothing_to_reset(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    assert built_spec(town, number).databases == ()
    with refused(RefusalReason.RESET_UNAVAILABLE):
        await town.system.service.reset_database(name, "", "ada")
    other = town.open_pull(files={"eph.yaml": "nonsense: 1"})
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_CREATED):
        await town.system.service.reset_database(f"acme/shop#{other}", "", "ada")


async def test_a_stop_ends_requests_that_have_begun(town: World) -> None:
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeUnavailable("502"), "remove_label")
    town.label(number, RESET_LABEL)
    await town.run_for(seconds=2)
    town.now += timedelta(minutes=1)
    before = asyncio.all_tasks()
    town.system.labels.on_cycle(town.last_cycle)
    assert asyncio.all_tasks() > before
    await town.system.labels.close()
    assert asyncio.all_tasks() == before
    assert RESET_LABEL in town.forge.pull(town.shop, number).labels
