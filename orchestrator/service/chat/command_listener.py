"""Finds chat commands in comments and executes each once, if its author may write to the repository.

Comments are read in every cycle; a webhook only makes that happen earlier. Our reaction on a comment records its state
at the Git host: eyes before anything is done, and a final reaction (thumbs up, thumbs down or confused) afterwards. A
process that finds only eyes executes the command again, so a kill loses nothing. A command whose effect takes a moment
(an extension is a tag) gets its final reaction once the effect is stored. Comments older than an hour are ignored. A
comment by someone without access costs at most one reaction, and those are rate-limited.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.core import chat_commands
from orchestrator.core.chat_commands import PREFIX, ChatCommand, ChatReply, CommandResult, InvalidCommand
from orchestrator.core.model.world import RepositoryFacts
from orchestrator.core.wording.chat import HELP
from orchestrator.forges.port import (
    ChatComment,
    Forge,
    ForgeError,
    ForgeNotFound,
    ForgeUnsupported,
    Reaction,
    Repository,
)
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import wording as service_wording
from orchestrator.service.chat import comment_text, wording
from orchestrator.service.chat.replies import ChatReplies
from stacks import keys
from stacks.model import Key

log = logging.getLogger("eph.commands")

MAX_COMMENT_AGE = timedelta(hours=1)
REPLIES_KEPT_FOR = timedelta(hours=6)
RATE_WINDOW = timedelta(minutes=10)
MAX_COMMANDS_PER_PULL = 10
"""Comments per pull request and window; further ones wait."""
MAX_REFUSALS_PER_REPOSITORY = 20
"""Reactions to people without access, per repository and window."""
MAX_CONCURRENT = 8
_FINAL_REACTIONS = frozenset({Reaction.DONE, Reaction.CONFUSED, Reaction.REFUSED})


@dataclass(frozen=True, slots=True)
class CommandOrigin:
    """The pull request, author and time of a command."""

    repository: Repository
    key: Key
    author: str
    at: datetime


class CommandHandler(Protocol):
    async def execute(self, command: ChatCommand, origin: CommandOrigin) -> CommandResult:
        """Execute a command. After a ForgeError it is retried."""

    def is_applied(self, key: Key, until: datetime) -> bool:
        """Whether the effects of all commands until then are stored."""


@dataclass(slots=True)
class _PendingReaction:
    """The final reaction to a command whose effect isn't stored yet."""

    origin: CommandOrigin
    since: datetime
    reaction: Reaction


@dataclass(slots=True)
class _CommentState:
    """What this process knows about comments, by id."""

    done: dict[int, datetime] = field(default_factory=dict)
    pending: dict[int, _PendingReaction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatDependencies:
    """What handles requests on a pull request and replies there. ``is_leader`` is asked before each request is handled.
    ``on_reply`` is called after each reply."""

    forge: Forge
    journal: Journal
    clock: Clock
    replies: ChatReplies
    is_leader: Callable[[], bool]
    on_reply: Callable[[], None]


class CommandListener:
    def __init__(self, dependencies: ChatDependencies, handler: CommandHandler) -> None:
        self._dependencies, self._handler = dependencies, handler
        self._forge = dependencies.forge
        self._journal = dependencies.journal
        self._clock = dependencies.clock
        self._replies = dependencies.replies
        self._started_at = self._clock()
        self._comments = _CommentState()
        self._last_cycle = CycleResult()
        self._last_read: dict[int, RepositoryFacts] = {}
        self._cycle_ready = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._rate_windows: dict[object, deque[datetime]] = {}
        self._unsupported: set[int] = set()

    def start_term(self) -> None:
        """This replica becomes the leader. What another leader didn't finish has only eyes and is executed again."""
        self._comments = _CommentState()
        self._last_read = {}
        self._replies.clear()

    def on_cycle(self, cycle: CycleResult) -> None:
        """Called after every cycle. Forgets replies about environments that are gone."""
        before = {view.key for view in self._last_cycle.views}
        now = {view.key for view in cycle.views}
        self._replies.keep(lambda key, _: key in now or key not in before)
        self._last_cycle = cycle
        self._cycle_ready.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._cycle_ready.wait()
            self._cycle_ready.clear()
            try:
                await self.process()
            except Exception as error:
                log.exception("comments couldn't be checked")
                self._journal.record_problem(service_wording.comments_failed(error))

    async def process(self) -> None:
        """Handle repositories read since the last call, and add final reactions that are due."""
        forge = self._last_cycle.forge
        fresh = [facts for number, facts in forge.facts.items() if self._last_read.get(number) is not facts]
        self._last_read = dict(forge.facts)
        self._forget()
        homes = [(forge.repositories[facts.id], facts) for facts in fresh if facts.id in forge.repositories]
        await asyncio.gather(*(self._read_comments(home, facts) for home, facts in homes if facts.open))
        await self._finish_pending()

    # --- listening

    async def _read_comments(self, repository: Repository, facts: RepositoryFacts) -> None:
        """Handle one repository. Its failure doesn't affect the others."""
        since = self._clock() - MAX_COMMENT_AGE
        try:
            async with self._slots:
                phrases = (PREFIX, *facts.phrases)
                comments = await asyncio.to_thread(self._forge.comments_since, repository, since, phrases)
            for comment in comments:
                if self._is_candidate(comment, facts) and self._dependencies.is_leader():
                    await self._handle_comment(repository, comment, facts.phrases)
        except ForgeUnsupported as error:
            if repository.id not in self._unsupported:
                self._unsupported.add(repository.id)
                self._journal.record_problem(str(error))
        except ForgeError as error:
            self._journal.record_problem(service_wording.comments_unavailable(repository.full_name, error))
        except Exception as error:
            log.exception("processing comments of %s failed", repository.full_name)
            self._journal.record_problem(service_wording.comments_broken(repository.full_name, error))

    def _is_candidate(self, comment: ChatComment, facts: RepositoryFacts) -> bool:
        """False for comments on issues or closed pull requests, by bots, and for those already answered."""
        known = (
            comment.id in self._comments.done
            or comment.id in self._comments.pending
            or comment.our_reactions & _FINAL_REACTIONS
        )
        return not known and not comment.by_bot and keys.pull_request(facts.id, comment.number) in facts.open

    async def _handle_comment(self, repository: Repository, comment: ChatComment, phrases: tuple[str, ...]) -> None:
        commands = chat_commands.parse(await asyncio.to_thread(_authored_lines, comment.body), phrases)
        if not commands:
            self._comments.done[comment.id] = comment.created
            return
        origin = CommandOrigin(
            repository, keys.pull_request(repository.id, comment.number), comment.author, comment.created
        )
        if not await asyncio.to_thread(self._forge.may_write, repository, comment.author):
            await self._refuse(origin, comment)
        elif self._within_rate_limit(origin.key, MAX_COMMANDS_PER_PULL):
            await self._run_commands(origin, comment, commands)

    async def _refuse(self, origin: CommandOrigin, comment: ChatComment) -> None:
        if not self._within_rate_limit(origin.repository.id, MAX_REFUSALS_PER_REPOSITORY):
            return
        self._comments.done[comment.id] = comment.created
        self._record(
            EventKind.COMMAND_REFUSED, origin, comment.body.strip().splitlines()[0], service_wording.NO_WRITE_ACCESS
        )
        await self._react(origin.repository, comment.id, Reaction.REFUSED)

    async def _run_commands(
        self, origin: CommandOrigin, comment: ChatComment, parsed: tuple[chat_commands.ParsedLine, ...]
    ) -> None:
        """Execute the commands. If the host has no reactions, only this process's memory prevents a repetition."""
        if Reaction.SEEN not in comment.our_reactions:
            remembered = await self._react(origin.repository, comment.id, Reaction.SEEN)
            if not remembered and comment.created < self._started_at:
                return
        results = [(line, await self._execute(line, origin)) for line in parsed]
        for line, result in results:
            self._reply(line, result, origin)
        reaction = Reaction.DONE if all(result.ok for _, result in results) else Reaction.CONFUSED
        self._comments.pending[comment.id] = _PendingReaction(origin, self._clock(), reaction)
        self._dependencies.on_reply()

    # --- answering

    async def _execute(self, parsed: chat_commands.ParsedLine, origin: CommandOrigin) -> CommandResult:
        if isinstance(parsed, InvalidCommand):
            return CommandResult(False, wording.invalid_command(parsed.reason), HELP)
        return await self._handler.execute(parsed, origin)

    def _reply(self, parsed: chat_commands.ParsedLine, result: CommandResult, origin: CommandOrigin) -> None:
        command = f"{PREFIX} {parsed.line if isinstance(parsed, InvalidCommand) else parsed.verb.value}"
        self._replies.add(origin.key, self._clock(), ChatReply(command, origin.author, result))
        kind = EventKind.COMMAND_OBEYED if result.ok else EventKind.COMMAND_REFUSED
        self._record(kind, origin, command, result.text)

    def _record(self, kind: EventKind, origin: CommandOrigin, command: str, result: str) -> None:
        where = f"{origin.repository.full_name}#{origin.key.number}"
        self._journal.record(kind, service_wording.command_result(command, where, result), where, origin.author)

    async def _finish_pending(self) -> None:
        for comment, waiting in list(self._comments.pending.items()):
            if not self._handler.is_applied(waiting.origin.key, waiting.since):
                continue
            try:
                await self._react(waiting.origin.repository, comment, waiting.reaction)
            except ForgeError as error:
                origin = waiting.origin
                where = self._forge.words.reference(origin.repository.full_name, origin.key)
                self._journal.record_problem(service_wording.reaction_failed(where, error))
                continue
            del self._comments.pending[comment]
            self._comments.done[comment] = waiting.origin.at

    async def _react(self, repository: Repository, comment_id: int, reaction: Reaction) -> bool:
        """Add a reaction. Returns whether the host stores it."""
        try:
            await asyncio.to_thread(self._forge.react, repository, comment_id, reaction)
        except (ForgeUnsupported, ForgeNotFound):
            return False
        return True

    # --- bounds

    def _within_rate_limit(self, key: object, limit: int) -> bool:
        now = self._clock()
        times = self._rate_windows.setdefault(key, deque())
        while times and now - times[0] >= RATE_WINDOW:
            times.popleft()
        if len(times) >= limit:
            return False
        times.append(now)
        return True

    def _forget(self) -> None:
        now = self._clock()
        self._comments.done = {one: at for one, at in self._comments.done.items() if now - at < 2 * MAX_COMMENT_AGE}
        self._rate_windows = {
            what: times for what, times in self._rate_windows.items() if times and now - times[-1] < RATE_WINDOW
        }
        self._replies.keep(lambda _, at: now - at < REPLIES_KEPT_FOR)


def _authored_lines(body: str) -> list[str]:
    return list(comment_text.authored_lines(body))
