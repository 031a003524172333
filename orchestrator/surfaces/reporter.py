"""Brings comment, check and deployment of every pull request to what its view says, and touches nothing that is so.

What was sent is remembered as a digest only; after a restart everything is offered once more, and the adapter writes
nothing where the text is the same. Writes are paced: what changes often is sent every few seconds at most, with
whatever is newest by then; a final state is sent at once. The letters of each pull request are delivered apart, so an
error (a token that may not write checks, say) delays that one thing alone; a Git host that names a time to come back is
left alone by all until then. What a Git host has not at all, or forbids us for a whole repository, is said once and
counts as delivered; every hour one letter asks whether that is still so. Pull requests of one commit share its check:
one of them speaks there (``letters.speakers``), and the others are silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from orchestrator.core.commands import Reply
from orchestrator.core.model import Key
from orchestrator.core.moments import Rest, lasts
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import (
    Conclusion,
    Forbidden,
    Forge,
    ForgeRefused,
    ForgeUnavailable,
    NotThere,
    Repository,
    Unsupported,
)
from orchestrator.surfaces import checks, comment, letters
from orchestrator.surfaces.letters import Check, Comment, Deployment, Letter, Place

PACE = timedelta(seconds=5)
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=30)
WITHOUT_FOR = timedelta(hours=1)
"""What was forbidden is tried again soon at first, and each time later: a host in trouble forbids what it allows.
Permissions are given while we run; what a host has not at all seldom comes."""
GIVEN_UP = 7
"""Refusals in a row, over ten minutes, after which a last word is given up. One alone proves nothing: a Git host in
trouble says 404 and 403 too, and what it refused would be untrue until the next try."""
CLEANINGS = 3
"""Failed tries to retire deployments after which an environment's own cleaning goes on; they are retired after it."""
_UNDER_WAY = frozenset(
    {Phase.QUEUED, Phase.WAITING, Phase.IMAGE, Phase.CREATING, Phase.UPDATING, Phase.STARTING, Phase.DESTROYING}
)


@dataclass(slots=True)
class _Sent:
    """What a comment, a check or a deployment says, as far as we know, and when it may be written again."""

    digest: str = ""
    phase: Phase | None = None
    written: datetime | None = None
    failures: int = 0
    refused: bool = False
    rest: Rest | None = None
    uncleaned: int = 0
    """How often the last cleaning failed; what is said of the same environment in between does not count."""
    turning: str = ""
    """The commit whose check we left in progress."""


class Reporter:
    """Blocking; called from one thread at a time. ``clock`` gives the time in UTC."""

    def __init__(self, forge: Forge, clock: Callable[[], datetime], pace: timedelta = PACE) -> None:
        self._forge = forge
        self._clock = clock
        self._pace = pace
        self._sent: dict[tuple[Key, str], _Sent] = {}
        self._silent: Rest | None = None
        self._without: dict[tuple[int, str], tuple[Rest, bool]] = {}
        """By repository and kind of letter: until when none is offered, and whether it is only forbidden."""
        self._said: set[str] = set()
        self._speakers: Mapping[Place, Key] = {}
        self.replies: Mapping[Key, Reply] = {}
        """What chat commands were answered, which stands in the comment of their pull request."""
        self.alone: frozenset[Key] = frozenset()
        """Those of them whose pull request has no environment."""
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each thing that is written."""
        self.behind = False
        """Whether the last ``report`` left anything unsaid: held back by pacing, or failed."""

    def recall(self, views: Iterable[EnvironmentView]) -> None:
        """What an earlier life told: a check that it left in progress stays so for ever when a newer commit came."""
        for view in views:
            if view.key is not None and checks.is_turning(view):
                self._sent[view.key, Check.what] = _Sent(turning=checks.commit_of(view))

    def report(self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository]) -> list[str]:
        """Gives a sentence for each letter that could not be delivered; it is tried again."""
        offered = [letter for view in views for letter in self._letters(view, repositories)]
        offered += self._alone(repositories)
        living = {letter.key for letter in offered}
        self._sent = {what: sent for what, sent in self._sent.items() if what[0] in living}
        self._speakers = letters.speakers(offered)
        offered = self._spoken(offered)
        failed = [sentence for letter in offered if (sentence := self._deliver(letter))]
        self.behind = any(not self._is_said(letter) for letter in offered)
        return failed

    def tell(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> bool:
        """One pull request, now: before the record of its environment goes. False: it may work later, ask again.

        True also when the Git host refused, or when retiring deployments failed again and again: an environment's end
        must not wait for what may never come.
        """
        offered = self._spoken(self._letters(view, repositories))
        for letter in offered:
            self._deliver(letter)
        return all(self._is_said(letter) or _is_hopeless(letter, self._of(letter)) for letter in offered)

    def settled(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> bool:
        """Whether all of it was said, or was refused so often that it is given up."""
        offered = [(letter, self._of(letter)) for letter in self._spoken(self._letters(view, repositories))]
        return all(self._is_said(letter) or (sent.refused and sent.failures >= GIVEN_UP) for letter, sent in offered)

    def _letters(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> list[Letter]:
        repository = repositories.get(view.key.repository) if view.key is not None else None
        if repository is None or view.key is None:
            return []
        return list(letters.of(view, repository, self._clock(), self.replies.get(view.key)))

    def _spoken(self, offered: Iterable[Letter]) -> list[Letter]:
        """Where another pull request's check stands, this one's says nothing."""
        return [letters.silenced(one) if self._is_covered(one.place, one.key) else one for one in offered]

    def _is_covered(self, place: Place | None, key: Key) -> bool:
        return place is not None and self._speakers.get(place, key) != key

    def _alone(self, repositories: Mapping[int, Repository]) -> list[Letter]:
        homes = [(key, repositories.get(key.repository), self.replies.get(key)) for key in sorted(self.alone)]
        return [letters.alone(key, home, reply) for key, home, reply in homes if home is not None and reply is not None]

    def _of(self, letter: Letter) -> _Sent:
        return self._sent.setdefault((letter.key, letter.what), _Sent())

    def _is_said(self, letter: Letter) -> bool:
        return self._of(letter).digest == letter.digest or self._is_without(letter)

    def _is_without(self, letter: Letter) -> bool:
        rest, forbidden = self._without.get((letter.repository.id, letter.what), (None, False))
        # A host in trouble forbids too what it allowed before, and then there is something to clean up.
        return rest is not None and rest.lasts(self._clock()) and not (forbidden and letter.is_cleaning)

    def _deliver(self, letter: Letter) -> str:
        sent = self._of(letter)
        if self._is_said(letter) or not self._may_write(letter, sent):
            return ""
        try:
            left = self._write(letter, sent)
        except (Unsupported, Forbidden) as error:
            sentence = self._failed(letter, sent, error)
            return sentence if letter.what == "comment" else self._do_without(letter, error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one pull request, the others go on
            return self._failed(letter, sent, error)
        sent.digest, sent.phase, sent.written = letter.digest, letter.phase, self._clock()
        sent.failures, sent.refused, sent.rest = 0, False, None
        self._without.pop((letter.repository.id, letter.what), None)
        sent.uncleaned = 0 if letter.is_cleaning else sent.uncleaned
        return self._once(letter.repository, left)

    def _do_without(self, letter: Letter, error: ForgeRefused) -> str:
        what = (letter.repository.id, letter.what)
        before = self._without.get(what)
        forbidden = isinstance(error, Forbidden)
        length = WITHOUT_FOR
        if forbidden:
            length = FIRST_WAIT if before is None else min(WITHOUT_FOR, 2 * before[0].length)
        self._without[what] = Rest(self._clock(), length), forbidden
        return self._once(letter.repository, f"pull requests show no {letter.what}: {error}")

    def _once(self, repository: Repository, sentence: str) -> str:
        """Said of each repository once in a life."""
        whole = f"{repository.full_name}: {sentence}" if sentence else ""
        if whole in self._said:
            return ""
        self._said.add(whole)
        return whole

    def _may_write(self, letter: Letter, sent: _Sent) -> bool:
        now = self._clock()
        if not self.may_write():
            return False
        if any(rest is not None and rest.lasts(now) for rest in (self._silent, sent.rest)):
            return False
        if letter.phase is not sent.phase and letter.phase not in _UNDER_WAY:
            return True
        return sent.written is None or not lasts(sent.written, self._pace, now)

    def _write(self, letter: Letter, sent: _Sent) -> str:
        """Gives what had to be left undone."""
        repository = letter.repository
        match letter.says:
            case Comment(body):
                self._forge.upsert_comment(repository, letter.key.number, comment.marker(letter.key), body)
            case Check():
                self._write_check(letter, letter.says, sent)
            case Deployment(environment, commit, report):
                if report is None:
                    return self._forge.retire_deployment(repository, environment)
                self._forge.report_deployment(repository, commit, environment, report)
            case _:
                assert_never(letter.says)
        return ""

    def _write_check(self, letter: Letter, check: Check, sent: _Sent) -> None:
        left = Place(letter.repository.id, sent.turning, check.name)
        if sent.turning not in ("", check.commit) and not self._is_covered(left, letter.key):
            self._forge.report_check(letter.repository, sent.turning, check.name, checks.superseded(check.commit))
        sent.turning = ""
        if check.report is not None:
            self._forge.report_check(letter.repository, check.commit, check.name, check.report)
            sent.turning = check.commit if check.report.conclusion is Conclusion.IN_PROGRESS else ""

    def _failed(self, letter: Letter, sent: _Sent, error: Exception) -> str:
        sent.failures += 1
        sent.uncleaned += letter.is_cleaning
        sent.refused = isinstance(error, ForgeRefused | NotThere)
        sent.rest = Rest(self._clock(), _wait(sent.failures, error))
        if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
            self._silent = sent.rest
        where = f"{letter.repository.full_name}#{letter.key.number}"
        why = str(error).strip() or type(error).__name__
        again = sent.rest.until.strftime("%H:%M:%S UTC")
        return f"{where}: the {letter.what} could not be brought up to date, and is tried again at {again}: {why}"


def _is_hopeless(letter: Letter, sent: _Sent) -> bool:
    return sent.refused or (letter.is_cleaning and sent.uncleaned >= CLEANINGS)


def _wait(failures: int, error: Exception) -> timedelta:
    if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    factor: int = 2 ** min(failures - 1, 16)
    return min(LONGEST_WAIT, FIRST_WAIT * factor)
