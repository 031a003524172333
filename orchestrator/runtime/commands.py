"""Chat commands: found in comments at every look, obeyed once, and only from people who may write to the repository.

Nothing here needs a webhook: one merely makes the look come early. Our reaction on the comment is the memory of having
obeyed it, kept by the Git host: eyes before anything is done, and a last word (thumb up, thumb down, confused) once it
is. A life that finds eyes alone does it again, so a kill loses nothing; what takes a moment to reach its home (an
extension is a tag) gets its last word only there. Comments older than an hour are history. What strangers write costs
a reaction at most, and not even that when there is much of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.core import commands
from orchestrator.core.commands import WORD, Answer, Command, Misunderstood, Reply
from orchestrator.core.model import Key, RepositoryFacts
from orchestrator.forge.port import Forge, ForgeError, NotThere, Reaction, Remark, Repository, Unsupported
from orchestrator.ledger import kinds
from orchestrator.runtime import spoken
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Shown

log = logging.getLogger("eph.commands")

HEARD_FOR = timedelta(hours=1)
REPLY_FOR = timedelta(hours=6)
WINDOW = timedelta(minutes=10)
MOST_OBEYED = 10
"""Comments of one pull request within the window; the next ones wait for their turn."""
MOST_REFUSED = 20
"""Reactions to strangers, in one repository within the window."""
AT_ONCE = 8
_LAST = frozenset({Reaction.DONE, Reaction.CONFUSED, Reaction.REFUSED})


@dataclass(frozen=True, slots=True)
class Asked:
    """Where something was asked for, by whom, and when they wrote it."""

    repository: Repository
    key: Key
    by: str
    at: datetime


class Hands(Protocol):
    async def obey(self, command: Command, asked: Asked) -> Answer:
        """A ForgeError: not just now; it is asked for again."""

    def is_in_place(self, key: Key, asked: datetime) -> bool:
        """Whether everything that was asked for until then has reached its home."""


@dataclass(slots=True)
class _Waiting:
    """Obeyed, and not yet where it will be found after a kill."""

    asked: Asked
    since: datetime
    reaction: Reaction


@dataclass(slots=True)
class _Heard:
    """What this life knows of comments, by their ids; forgotten when they are history."""

    done: dict[int, datetime] = field(default_factory=dict)
    waiting: dict[int, _Waiting] = field(default_factory=dict)


class Commands:
    """``changed`` is called after every answer: facts may differ, and there is something new to show."""

    def __init__(self, forge: Forge, hands: Hands, journal: Journal, clock: Clock) -> None:
        self._forge = forge
        self._hands = hands
        self._journal = journal
        self._clock = clock
        self._began = clock()
        self._heard = _Heard()
        self._shown = Shown()
        self._listened: dict[int, RepositoryFacts] = {}
        self._fresh = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._times: dict[object, deque[datetime]] = {}
        self._silent: set[int] = set()
        self._replies: dict[Key, tuple[datetime, Reply]] = {}
        self.changed: Callable[[Key], None] = lambda _: None
        self.leads: Callable[[], bool] = lambda: True
        """Asked before each comment that is heard: another replica may obey it by now."""

    @property
    def replies(self) -> Mapping[Key, Reply]:
        return {key: reply for key, (_, reply) in self._replies.items()}

    def begin(self) -> None:
        """A term of leading begins: what another leader did not finish has eyes alone, and is done again."""
        self._heard = _Heard()
        self._listened = {}
        self._replies = {}

    def show(self, shown: Shown) -> None:
        """After every cycle. What a reply was about goes with its environment."""
        before = {view.key for view in self._shown.views}
        now = {view.key for view in shown.views}
        self._replies = {key: reply for key, reply in self._replies.items() if key in now or key not in before}
        self._shown = shown
        self._fresh.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            try:
                await self.turn()
            except Exception as error:
                log.exception("comments could not be looked at")
                self._journal.trouble(f"comments could not be looked at: {type(error).__name__}: {error}")

    async def turn(self) -> None:
        """Once: repositories that were read since the last turn, and what waits for its last word."""
        forge = self._shown.forge
        fresh = [facts for number, facts in forge.facts.items() if self._listened.get(number) is not facts]
        self._listened = dict(forge.facts)
        self._forget()
        homes = [(forge.repositories[facts.id], facts) for facts in fresh if facts.id in forge.repositories]
        await asyncio.gather(*(self._listen(home, facts) for home, facts in homes if facts.open))
        await self._finish_waiting()

    # --- listening

    async def _listen(self, home: Repository, facts: RepositoryFacts) -> None:
        """One repository's trouble is its own."""
        since = self._clock() - HEARD_FOR
        try:
            async with self._slots:
                words = (WORD, *facts.watched.phrases)
                found = await asyncio.to_thread(self._forge.comments_since, home, since, words)
            for remark in found:
                if self._is_for_us(remark, facts) and self.leads():
                    await self._hear(home, remark, facts.watched.phrases)
        except Unsupported as error:
            if home.id not in self._silent:
                self._silent.add(home.id)
                self._journal.trouble(str(error))
        except ForgeError as error:
            self._journal.trouble(f"{home.full_name}: comments could not be read or answered: {error}")
        except Exception as error:
            log.exception("comments of %s broke", home.full_name)
            self._journal.trouble(f"{home.full_name}: comments broke: {type(error).__name__}: {error}")

    def _is_for_us(self, remark: Remark, facts: RepositoryFacts) -> bool:
        """A comment on an issue, on a closed pull request, by a program, or answered before is none."""
        known = remark.id in self._heard.done or remark.id in self._heard.waiting or remark.answered & _LAST
        return not known and not remark.by_program and remark.number in facts.open

    async def _hear(self, home: Repository, remark: Remark, phrases: tuple[str, ...]) -> None:
        said = commands.parse(await asyncio.to_thread(_spoken, remark.body), phrases)
        if not said:
            self._heard.done[remark.id] = remark.created
            return
        asked = Asked(home, Key(home.id, remark.number), remark.author, remark.created)
        if not await asyncio.to_thread(self._forge.may_write, home, remark.author):
            await self._refuse(asked, remark)
        elif self._may_go_on(asked.key, MOST_OBEYED):
            await self._claim(asked, remark, said)

    async def _refuse(self, asked: Asked, remark: Remark) -> None:
        if not self._may_go_on(asked.repository.id, MOST_REFUSED):
            return
        self._heard.done[remark.id] = remark.created
        self._tell(kinds.COMMAND_REFUSED, asked, remark.body.strip().splitlines()[0], "no write access")
        await self._react(asked.repository, remark.id, Reaction.REFUSED)

    async def _claim(self, asked: Asked, remark: Remark, said: tuple[commands.Said, ...]) -> None:
        """Where the host has no reactions, only this life's memory keeps it from happening twice."""
        if Reaction.SEEN not in remark.answered:
            remembered = await self._react(asked.repository, remark.id, Reaction.SEEN)
            if not remembered and remark.created < self._began:
                return
        answers = [(one, await self._answer(one, asked)) for one in said]
        for one, answer in answers:
            self._reply(one, answer, asked)
        well = all(answer.ok for _, answer in answers)
        reaction = Reaction.DONE if well else Reaction.CONFUSED
        self._heard.waiting[remark.id] = _Waiting(asked, self._clock(), reaction)
        self.changed(asked.key)

    # --- answering

    async def _answer(self, said: commands.Said, asked: Asked) -> Answer:
        if isinstance(said, Misunderstood):
            return Answer(False, f"{said.why}; these are understood:", commands.HELP)
        return await self._hands.obey(said, asked)

    def _reply(self, said: commands.Said, answer: Answer, asked: Asked) -> None:
        what = said.line if isinstance(said, Misunderstood) else said.verb.value
        self._replies[asked.key] = self._clock(), Reply(f"{WORD} {what}", asked.by, answer)
        kind = kinds.COMMAND_OBEYED if answer.ok else kinds.COMMAND_REFUSED
        self._tell(kind, asked, f"{WORD} {what}", answer.text)

    def _tell(self, kind: str, asked: Asked, what: str, answer: str) -> None:
        where = f"{asked.repository.full_name}#{asked.key.number}"
        self._journal.tell(kind, f"{what[:80]} on {where}: {answer[:300]}", where, asked.by)

    async def _finish_waiting(self) -> None:
        for comment, waiting in list(self._heard.waiting.items()):
            if not self._hands.is_in_place(waiting.asked.key, waiting.since):
                continue
            try:
                await self._react(waiting.asked.repository, comment, waiting.reaction)
            except ForgeError as error:
                where = f"{waiting.asked.repository.full_name}#{waiting.asked.key.number}"
                self._journal.trouble(f"{where}: a command could not be answered: {error}")
                continue
            del self._heard.waiting[comment]
            self._heard.done[comment] = waiting.asked.at

    async def _react(self, home: Repository, comment: int, reaction: Reaction) -> bool:
        """Whether the host remembers it."""
        try:
            await asyncio.to_thread(self._forge.react, home, comment, reaction)
        except (Unsupported, NotThere):
            return False
        return True

    # --- bounds

    def _may_go_on(self, what: object, most: int) -> bool:
        now = self._clock()
        times = self._times.setdefault(what, deque())
        while times and now - times[0] >= WINDOW:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True

    def _forget(self) -> None:
        now = self._clock()
        self._heard.done = {one: at for one, at in self._heard.done.items() if now - at < 2 * HEARD_FOR}
        self._times = {what: times for what, times in self._times.items() if times and now - times[-1] < WINDOW}
        self._replies = {key: found for key, found in self._replies.items() if now - found[0] < REPLY_FOR}


def _spoken(body: str) -> list[str]:
    return list(spoken.lines(body))
