"""Executes chat commands: the same actions as the API, plus adding the trigger label for ``up``."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import assert_never

from orchestrator.core.chat_commands import ChatCommand, ChatVerb, CommandResult
from orchestrator.core.model.world import TAG_INTENTS
from orchestrator.core.views import comment_markers
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.core.wording.chat import HELP
from orchestrator.forges.port import Forge, ForgeRefused
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.service import wording as service_wording
from orchestrator.service.changes import wording as change_wording
from orchestrator.service.chat import wording
from orchestrator.service.chat.command_listener import CommandOrigin
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.port import EnvironmentNotFound, RequestRefused, TemporarilyUnavailable
from stacks import names
from stacks.model import Key

LOG_LINES = 20


class ChatActions:
    def __init__(self, control_plane: LocalControlPlane, forge: Forge, intents: PendingIntents) -> None:
        self._control_plane = control_plane
        self._forge = forge
        self._intents = intents

    async def execute(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        try:
            return await self._execute(command, origin)
        except EnvironmentNotFound:
            return CommandResult(False, wording.no_environment(self._forge.words.pull_request))
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
                return CommandResult(True, wording.retrying(view.name))
            case ChatVerb.DOWN:
                view = await self._control_plane.down(_stack_name(self._view(origin)), origin.author)
                return CommandResult(True, wording.destroying(view.name))
            case ChatVerb.EXTEND:
                return await self._extend(command, origin)
            case ChatVerb.KEEP | ChatVerb.UNKEEP:
                keep = command.verb is ChatVerb.KEEP
                view = await self._control_plane.keep(_stack_name(self._view(origin)), keep, origin.author)
                return CommandResult(True, wording.kept(view.name, keep))
            case ChatVerb.SLEEP:
                view = await self._control_plane.sleep(_stack_name(self._view(origin)), origin.author)
                return CommandResult(True, wording.falling_asleep(view.name))
            case ChatVerb.WAKE:
                return await self._wake(self._view(origin), origin.author)
            case ChatVerb.RESTART:
                view = self._view(origin)
                services = await self._control_plane.restart(_stack_name(view), command.service, origin.author)
                return CommandResult(True, change_wording.restart_reply(view.name, services))
            case ChatVerb.RESET_DB:
                return await self._reset_database(self._view(origin), command.database, origin.author)
            case ChatVerb.APPROVE:
                return await self._approve(command, origin)
            case ChatVerb.LOGS:
                return await self._logs(self._view(origin))
            case ChatVerb.WHY:
                view = self._view(origin)
                return CommandResult(True, wording.explanation(view.name, view.phase.value), view.reasons)
            case ChatVerb.HELP:
                return CommandResult(True, wording.COMMANDS, HELP)
            case _:
                assert_never(command.verb)

    def _view(self, origin: CommandOrigin) -> EnvironmentView:
        for view in self._control_plane.environments():
            if view.key == origin.key:
                return view
        raise EnvironmentNotFound(str(origin.key))

    async def _up(self, origin: CommandOrigin) -> CommandResult:
        found = await self._control_plane.pull_requests.request(origin.repository, origin.key.number, origin.author)
        return CommandResult(True, wording.label_added(found.label) if found.added else wording.RETRYING_NOW)

    async def _extend(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        seconds = int(command.duration.total_seconds())
        view = await self._control_plane.extend(_stack_name(self._view(origin)), seconds, origin.author)
        return CommandResult(True, wording.extended(view.name, view.expires_at))

    async def _approve(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        """Approve the newest commit.

        A full SHA proves that the author reviewed that commit. With a prefix or none, Eph's comment must have offered
        that commit before: a second commit with the same prefix can be created within minutes.
        """
        view = self._view(origin)
        head, named = view.wanted_commit, command.commit
        if named and not head.startswith(named):
            return CommandResult(False, wording.approve_newest(head, named))
        if named != head and not await self._was_offered(head, origin):
            return CommandResult(False, service_wording.name_the_commit(head))
        await self._control_plane.approve_commit(_stack_name(view), head, origin.author)
        return CommandResult(True, wording.approved(head))

    async def _was_offered(self, commit: str, origin: CommandOrigin) -> bool:
        """Whether Eph's comment already offered the commit for approval when the command was written. Both times are
        the Git host's; what changed within the same second counts as later."""
        posted = await asyncio.to_thread(
            self._forge.posted_comment, origin.repository, origin.key.number, comment_markers.marker(origin.key)
        )
        return (
            posted is not None
            and posted.updated < origin.at
            and comment_markers.parse_approvable(posted.body) == commit
        )

    async def _wake(self, view: EnvironmentView, by: str) -> CommandResult:
        """Wake it, or keep it awake for a while: whoever sends the command wants to use it."""
        await self._control_plane.wake_up(_stack_name(view), by)
        return CommandResult(True, wording.waking(view.name, view.phase is Phase.ASLEEP))

    async def _reset_database(self, view: EnvironmentView, database: str, by: str) -> CommandResult:
        """Naming the database is the confirmation."""
        known = self._control_plane.resettable_databases(_stack_name(view))
        if not database and known:
            return CommandResult(False, change_wording.confirm_reset(view.name, known))
        chosen = await self._control_plane.reset_database(_stack_name(view), database, by)
        return CommandResult(True, change_wording.resetting(view.name, chosen))

    async def _logs(self, view: EnvironmentView) -> CommandResult:
        lines = await self._control_plane.all_logs(_stack_name(view), LOG_LINES)
        if lines:
            return CommandResult(True, wording.latest_logs(view.name), tuple(lines[-LOG_LINES:]), verbatim=True)
        lines = await self._control_plane.operation_log(_stack_name(view), LOG_LINES)
        if lines:
            return CommandResult(True, wording.OPERATION_LOG, tuple(lines[-LOG_LINES:]), verbatim=True)
        return CommandResult(True, wording.no_logs(view.name))


def _stack_name(view: EnvironmentView) -> str:
    return str(view.ref)
