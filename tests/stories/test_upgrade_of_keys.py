"""Stacks that the previous version wrote, which knew a branch by a number, are carried over. L2, L7, Y3.

The old form is spelled out here, so that a change of today's code can't move it along.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from orchestrator.core.views.phases import Phase
from stacks import keys, tags
from stacks.model import RefKind, StackRef
from tests.stories.test_branches_and_tags import set_up_branches
from tests.worlds.world import World

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def old_number(kind: RefKind, name: str) -> int:
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    return 10**10 + 2 * int.from_bytes(digest[:6], "big") + (kind is RefKind.TAG)


def old_base36(number: int) -> str:
    return (old_base36(number // 36) if number >= 36 else "") + DIGITS[number % 36]


def store_in_old_form(world: World, kind: RefKind, name: str) -> StackRef:
    """Replaces the record of an environment by the one that the previous version left, kept by a person."""
    record = world.stacks.records.pop(world.ref(keys.ref(world.shop.id, kind, name)))
    old, number = record.tag, old_number(kind, name)
    assert old is not None
    text = (
        f'{{"v":1,"env":"{old.name}","pr":"acme/shop#{number}","repo":{world.shop.id},"inc":"{old.incarnation}",'
        f'"sha":"{old.commit}","seen":{int(old.seen.timestamp())},"ref":"{name}","keep":1}}'
    )
    ref = StackRef(f"eph-shop-{old_base36(world.shop.id)}", f"{kind}-{old_base36(number)}")
    world.stacks.records[ref] = replace(record, ref=ref, tag=tags.decode(text))
    return ref


@pytest.mark.long
async def test_stacks_of_the_previous_version_are_neither_destroyed_nor_created_again(world: World) -> None:
    world.forge.tag(world.shop, "v1")
    await set_up_branches(world, "release/1")
    number = world.open_pull()
    await world.run_for(minutes=2)
    refs = [store_in_old_form(world, RefKind.BRANCH, "release/1"), store_in_old_form(world, RefKind.TAG, "v1")]
    before = dict(world.stacks.records)
    await world.crash()
    world.stacks.started.clear()
    await world.run_for(hours=1)
    assert world.stacks.started == []
    assert world.stacks.records == before
    for ref in refs:
        shown = next(view for view in world.last_cycle.views if view.ref == ref)
        assert (shown.phase, shown.kept) == (Phase.READY, True)
    assert world.phase(number) is Phase.READY


async def test_stack_of_the_previous_version_lives_on_under_its_name(world: World) -> None:
    await set_up_branches(world, "release/1", "release/2")
    ref = store_in_old_form(world, RefKind.BRANCH, "release/1")
    await world.crash()
    commit = world.forge.push(world.shop, "release/1", {"text": "more"})
    await world.run_for(minutes=2)
    updated = world.stacks.records[ref]
    assert updated.built is not None
    assert updated.tag is not None
    assert (updated.built.commit, updated.tag.keep, len(world.stacks.records)) == (commit, True, 2)
    world.forge.delete_branch(world.shop, "release/1")
    await world.run_for(minutes=2)
    assert ref not in world.stacks.records
    assert len(world.stacks.records) == 1
