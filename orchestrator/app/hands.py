"""What a chat command does: the same as the API's actions, and a label for ``up``. What cannot be done says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from orchestrator.app.desk import LocalDesk
from orchestrator.core import commands
from orchestrator.core.commands import Answer, Command, Verb
from orchestrator.core.model import Key, PullRequest
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import Forge, ForgeRefused, Repository
from orchestrator.runtime.commands import Asked
from orchestrator.runtime.memory import Memory
from orchestrator.surfaces.phrases import when
from orchestrator.surfaces.port import NoSuchEnvironment, Refused, Unavailable
from programs.insides import Reading
from stacks import names

LINES = 20
_HOMELESS = ("extend", "keep", "unkeep", "sleep", "wake")
"""Wishes that are on their way into the stack's tag: until they are there, a kill loses them."""

Labels = Callable[[Repository, PullRequest], frozenset[str]]
"""Those that ask for an environment, as that pull request's eph.yaml says. Blocking."""


class DeskHands:
    def __init__(self, desk: LocalDesk, forge: Forge, memory: Memory, labels: Labels) -> None:
        self._desk = desk
        self._forge = forge
        self._memory = memory
        self._labels = labels

    async def obey(self, command: Command, asked: Asked) -> Answer:
        try:
            return await self._obey(command, asked)
        except NoSuchEnvironment:
            return Answer(False, "There is no environment for this pull request; /eph up asks for one.")
        except (Refused, Unavailable, ForgeRefused) as error:
            return Answer(False, f"{error}")

    def is_in_place(self, key: Key, asked: datetime) -> bool:
        intents = self._memory.intents.values()
        mine = [each for each in intents if names.parse(each.ref) == (key.repository, key.number)]
        return not any(each.kind in _HOMELESS and each.at <= asked for each in mine)

    async def _obey(self, command: Command, asked: Asked) -> Answer:
        match command.verb:
            case Verb.UP:
                return await self._up(asked)
            case Verb.RETRY:
                view = await self._desk.up(_ref(self._view(asked)), asked.by)
                return Answer(True, f"{view.name} is tried again now.")
            case Verb.DOWN:
                view = await self._desk.down(_ref(self._view(asked)), asked.by)
                return Answer(True, f"{view.name} is taken down; /eph up asks for it again.")
            case Verb.EXTEND:
                return await self._extend(command, asked)
            case Verb.KEEP | Verb.UNKEEP:
                view = await self._desk.keep(_ref(self._view(asked)), command.verb is Verb.KEEP, asked.by)
                kept = "is kept: it does not expire" if command.verb is Verb.KEEP else "expires again as it would have"
                return Answer(True, f"{view.name} {kept}.")
            case Verb.SLEEP:
                view = await self._desk.sleep(_ref(self._view(asked)), asked.by)
                return Answer(True, f"{view.name} falls asleep; a visit or /eph wake wakes it.")
            case Verb.WAKE:
                return await self._wake(self._view(asked), asked.by)
            case Verb.APPROVE:
                return await self._approve(command, asked)
            case Verb.LOGS:
                return await self._logs(self._view(asked))
            case Verb.WHY:
                view = self._view(asked)
                return Answer(True, f"{view.name} is {view.phase.value}:", view.reasons)
            case Verb.HELP:
                return Answer(True, "Commands, each on a line of its own:", commands.HELP)
            case _:
                assert_never(command.verb)

    def _view(self, asked: Asked) -> EnvironmentView:
        for view in self._desk.environments():
            if view.key == asked.key:
                return view
        raise NoSuchEnvironment(str(asked.key))

    async def _up(self, asked: Asked) -> Answer:
        """The label first: without it nothing is wanted. An environment that has one already is tried again."""
        pull = await asyncio.to_thread(self._forge.pull, asked.repository, asked.key.number)
        wanted = await asyncio.to_thread(self._labels, asked.repository, pull)
        label = min(wanted, default="")
        if not label:
            return Answer(False, "Its eph.yaml names no label that asks for an environment.")
        put_on = not wanted & pull.labels
        if put_on:
            await asyncio.to_thread(self._forge.add_label, asked.repository, asked.key.number, label)
        try:
            await self._desk.up(_ref(self._view(asked)), asked.by)
        except NoSuchEnvironment:
            self._desk.wake("labelled")
        return Answer(True, f"The label {label} asks for an environment." if put_on else "It is tried again now.")

    async def _extend(self, command: Command, asked: Asked) -> Answer:
        seconds = int(command.span.total_seconds())
        view = await self._desk.extend(_ref(self._view(asked)), seconds, asked.by)
        until = f" until {when(view.expires_at)}, or as long as this server allows" if view.expires_at else ""
        return Answer(True, f"{view.name} lives{until}.")

    async def _approve(self, command: Command, asked: Asked) -> Answer:
        """A commit that is named whole is the one that was looked at; else it is the newest, if it was there by then:
        two commits that begin alike are made in minutes."""
        view = self._view(asked)
        head, named = view.wanted_commit, command.commit
        if named and not head.startswith(named):
            return Answer(False, f"the newest commit is {head[:7]}, not {named[:7]}; look at it, then approve that one")
        await self._desk.approve_commit(_ref(view), head, asked.by, None if named == head else asked.at)
        return Answer(True, f"Commit {head[:7]} may run. A push needs a new approval.")

    async def _wake(self, view: EnvironmentView, by: str) -> Answer:
        """One that is awake is kept so for a while: whoever asks wants to use it."""
        await self._desk.rouse(_ref(view), by)
        asleep = view.phase is Phase.ASLEEP
        return Answer(True, f"{view.name} {'is woken' if asleep else 'is not asleep, and stays awake for a while'}.")

    async def _logs(self, view: EnvironmentView) -> Answer:
        lines = await self._desk.logs(_ref(view), Reading(lines=LINES))
        if lines:
            return Answer(True, f"What {view.name} printed last:", tuple(lines[-LINES:]), verbatim=True)
        lines = await self._desk.operation_log(_ref(view), LINES)
        if lines:
            return Answer(True, "What its last operation printed:", tuple(lines[-LINES:]), verbatim=True)
        return Answer(True, f"{view.name} has printed nothing yet.")


def _ref(view: EnvironmentView) -> str:
    return str(view.ref)
