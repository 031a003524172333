"""What a chat command does: the same as the API's actions, and a label for ``up``. What cannot be done says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from orchestrator.core import chat_commands
from orchestrator.core.chat_commands import ChatCommand, ChatVerb, CommandResult
from orchestrator.core.model.world import TAG_INTENTS, PullRequest
from orchestrator.core.util.formatting import format_time
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Forge, ForgeRefused, Repository
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.service.command_listener import CommandOrigin
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.port import EnvironmentNotFound, RequestRefused, TemporarilyUnavailable
from programs.runtime_info import LogRequest
from stacks import names
from stacks.model import Key

LOG_LINES = 20

TriggerLabels = Callable[[Repository, PullRequest], frozenset[str]]
"""Those that ask for an environment, as that pull request's eph.yaml says. Blocking."""


class ChatActions:
    def __init__(
        self, control_plane: LocalControlPlane, forge: Forge, intents: PendingIntents, trigger_labels: TriggerLabels
    ) -> None:
        self._control_plane = control_plane
        self._forge = forge
        self._intents = intents
        self._trigger_labels = trigger_labels

    async def execute(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        try:
            return await self._execute(command, origin)
        except EnvironmentNotFound:
            what = self._forge.words.pull_request
            return CommandResult(False, f"This {what} has no environment. Comment /eph up to create one.")
        except (RequestRefused, TemporarilyUnavailable, ForgeRefused) as error:
            return CommandResult(False, f"{error}")

    def is_applied(self, key: Key, until: datetime) -> bool:
        mine = [each for each in self._intents.all() if names.parse(each.ref) == key]
        return not any(each.kind in TAG_INTENTS and each.at <= until for each in mine)

    async def _execute(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        match command.verb:
            case ChatVerb.UP:
                return await self._up(origin)
            case ChatVerb.RETRY:
                view = await self._control_plane.up(_stack_name(self._view(origin)), origin.author)
                return CommandResult(True, f"Retrying {view.name} now.")
            case ChatVerb.DOWN:
                view = await self._control_plane.down(_stack_name(self._view(origin)), origin.author)
                return CommandResult(True, f"Destroying {view.name}. Comment /eph up to recreate it.")
            case ChatVerb.EXTEND:
                return await self._extend(command, origin)
            case ChatVerb.KEEP | ChatVerb.UNKEEP:
                view = await self._control_plane.keep(
                    _stack_name(self._view(origin)), command.verb is ChatVerb.KEEP, origin.author
                )
                kept = "is kept: it doesn't expire" if command.verb is ChatVerb.KEEP else "expires again"
                return CommandResult(True, f"{view.name} {kept}.")
            case ChatVerb.SLEEP:
                view = await self._control_plane.sleep(_stack_name(self._view(origin)), origin.author)
                return CommandResult(True, f"Putting {view.name} to sleep. A visit or /eph wake wakes it.")
            case ChatVerb.WAKE:
                return await self._wake(self._view(origin), origin.author)
            case ChatVerb.APPROVE:
                return await self._approve(command, origin)
            case ChatVerb.LOGS:
                return await self._logs(self._view(origin))
            case ChatVerb.WHY:
                view = self._view(origin)
                return CommandResult(True, f"{view.name} is {view.phase.value}:", view.reasons)
            case ChatVerb.HELP:
                return CommandResult(True, "Commands, one per line:", chat_commands.HELP)
            case _:
                assert_never(command.verb)

    def _view(self, origin: CommandOrigin) -> EnvironmentView:
        for view in self._control_plane.environments():
            if view.key == origin.key:
                return view
        raise EnvironmentNotFound(str(origin.key))

    async def _up(self, origin: CommandOrigin) -> CommandResult:
        """The label first: without it nothing is wanted. An environment that has one already is tried again."""
        pull = await asyncio.to_thread(self._forge.pull, origin.repository, origin.key.number)
        wanted = await asyncio.to_thread(self._trigger_labels, origin.repository, pull)
        label = min(wanted, default="")
        if not label:
            return CommandResult(False, "Its eph.yaml defines no trigger label.")
        put_on = not wanted & pull.labels
        if put_on:
            await asyncio.to_thread(self._forge.add_label, origin.repository, origin.key.number, label)
        try:
            await self._control_plane.up(_stack_name(self._view(origin)), origin.author)
        except EnvironmentNotFound:
            self._control_plane.trigger_cycle("labelled")
        return CommandResult(
            True,
            f"Added the label {label}. The environment is created in the next cycle." if put_on else "Retrying now.",
        )

    async def _extend(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        seconds = int(command.duration.total_seconds())
        view = await self._control_plane.extend(_stack_name(self._view(origin)), seconds, origin.author)
        until = f" until {format_time(view.expires_at)} (or the longest this server allows)" if view.expires_at else ""
        return CommandResult(True, f"Expiry of {view.name} postponed{until}.")

    async def _approve(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        """A commit that is named whole is the one that was looked at; else it is the newest, if it was there by then:
        two commits that begin alike are made in minutes."""
        view = self._view(origin)
        head, named = view.wanted_commit, command.commit
        if named and not head.startswith(named):
            return CommandResult(
                False, f"The newest commit is {head[:7]}, not {named[:7]}. Review it, then approve that commit."
            )
        await self._control_plane.approve_commit(
            _stack_name(view), head, origin.author, None if named == head else origin.at
        )
        return CommandResult(True, f"Commit {head[:7]} is approved. Each push needs a new approval.")

    async def _wake(self, view: EnvironmentView, by: str) -> CommandResult:
        """One that is awake is kept so for a while: whoever asks wants to use it."""
        await self._control_plane.wake_up(_stack_name(view), by)
        asleep = view.phase is Phase.ASLEEP
        return CommandResult(
            True, f"{view.name} {'is waking up' if asleep else 'is already awake and stays awake for a while'}."
        )

    async def _logs(self, view: EnvironmentView) -> CommandResult:
        lines = await self._control_plane.logs(_stack_name(view), LogRequest(lines=LOG_LINES))
        if lines:
            return CommandResult(True, f"Latest log lines of {view.name}:", tuple(lines[-LOG_LINES:]), verbatim=True)
        lines = await self._control_plane.operation_log(_stack_name(view), LOG_LINES)
        if lines:
            return CommandResult(True, "Log of the last operation:", tuple(lines[-LOG_LINES:]), verbatim=True)
        return CommandResult(True, f"{view.name} has no log output yet.")


def _stack_name(view: EnvironmentView) -> str:
    return str(view.ref)
