"""Worlds for the tests of this room: one whose Eph reads comments, and one with a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.forges.port import Reaction
from tests.service.change_requests import ActionsSetup
from tests.worlds.world import World

DONE = frozenset({Reaction.SEEN, Reaction.DONE})
CONFUSED = frozenset({Reaction.SEEN, Reaction.CONFUSED})


class ChatWorld:
    """A world whose Eph reads comments. ``ask`` writes one and lets some time go by; gives our reactions to it."""

    def __init__(self) -> None:
        self.world = World(chat=True)

    async def kill(self) -> None:
        await self.world.crash()

    async def ask(self, number: int, body: str, by: str = "ada", **span: float) -> frozenset[Reaction]:
        comment = self.say(number, body, by)
        await self.world.run_for(**(span or {"minutes": 1}))
        return self.reactions(comment)

    def say(self, number: int, body: str, by: str = "ada") -> int:
        return self.world.forge.add_comment(self.world.shop, number, body, self.world.host_clock(), by)

    def reactions(self, comment: int) -> frozenset[Reaction]:
        return self.world.forge.reactions(self.world.shop, comment)


@pytest.fixture
async def chat_world() -> AsyncIterator[ChatWorld]:
    made = ChatWorld()
    yield made
    await made.world.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[World]:
    """Its server has a folder for what it keeps."""
    found = World(folder=tmp_path)
    yield found
    await found.close()


@pytest.fixture
def setup(town: World) -> ActionsSetup:
    return ActionsSetup(town, town.system.service)
