"""Brings comment and check of every pull request to what its view says, and touches nothing that is already so.

What was sent is remembered as a digest only; after a restart everything is offered once more, and the adapter writes
nothing where the text is the same. Writes are paced: what changes often is sent every few seconds at most, with
whatever is newest by then; a final state is sent at once. Comment and check of each pull request are delivered apart,
so an error (a token that may not write checks, say) delays that one thing alone; a Git host that names a time to come
back is left alone by all until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.model import Key
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import (
    CheckReport,
    Conclusion,
    Forge,
    ForgeRefused,
    ForgeUnavailable,
    NotThere,
    Repository,
)
from orchestrator.surfaces import checks, comment

PACE = timedelta(seconds=5)
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=30)
GIVEN_UP = 7
"""Refusals in a row, over ten minutes, after which a last word is given up. One alone proves nothing: a Git host in
trouble says 404 and 403 too, and what it refused would be untrue until the next try."""
_UNDER_WAY = frozenset({Phase.QUEUED, Phase.WAITING, Phase.CREATING, Phase.UPDATING, Phase.STARTING, Phase.DESTROYING})


@dataclass(slots=True)
class _Sent:
    """What a comment or a check says, as far as we know, and when it may be written again."""

    digest: str = ""
    phase: Phase | None = None
    written: datetime | None = None
    failures: int = 0
    refused: bool = False
    not_before: datetime | None = None
    turning: str = ""
    """The commit whose check we left in progress."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A comment (no ``check``) or a check, as it should read now."""

    repository: Repository
    key: Key
    phase: Phase
    body: str
    commit: str = ""
    check: CheckReport | None = None

    @property
    def what(self) -> str:
        return "comment" if self.check is None else "check"

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.body, self.commit, self.check)).encode()).hexdigest()


class Reporter:
    """Blocking; called from one thread at a time. ``clock`` gives the time in UTC."""

    def __init__(self, forge: Forge, clock: Callable[[], datetime], pace: timedelta = PACE) -> None:
        self._forge = forge
        self._clock = clock
        self._pace = pace
        self._sent: dict[tuple[Key, str], _Sent] = {}
        self._silent_until: datetime | None = None
        self.behind = False
        """Whether the last ``report`` left anything unsaid: held back by pacing, or failed."""

    def report(self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository]) -> list[str]:
        """Gives a sentence for each comment or check that could not be brought up to date; it is tried again."""
        letters = [letter for view in views for letter in self._letters(view, repositories)]
        living = {(letter.key, letter.what) for letter in letters}
        self._sent = {key: sent for key, sent in self._sent.items() if key in living}
        failed = [sentence for letter in letters if (sentence := self._deliver(letter))]
        self.behind = any(self._sent[letter.key, letter.what].digest != letter.digest for letter in letters)
        return failed

    def tell(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> bool:
        """One pull request, now: before the record of its environment goes. False: it may work later, ask again.

        True also when the Git host refused: a cleaning must not wait for a permission that may never come.
        """
        letters = self._letters(view, repositories)
        for letter in letters:
            self._deliver(letter)
        sent = [(letter.digest, self._sent[letter.key, letter.what]) for letter in letters]
        return all(known.digest == digest or known.refused for digest, known in sent)

    def settled(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> bool:
        """Whether all of it was said, or was refused so often that it is given up."""
        letters = self._letters(view, repositories)
        sent = [(letter.digest, self._sent.get((letter.key, letter.what), _Sent())) for letter in letters]
        return all(known.digest == digest or (known.refused and known.failures >= GIVEN_UP) for digest, known in sent)

    def _letters(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> list[_Letter]:
        repository = repositories.get(view.key.repository) if view.key is not None else None
        if repository is None or view.key is None:
            return []
        now, commit = self._clock(), checks.commit_of(view)
        letters = [_Letter(repository, view.key, view.phase, comment.render(view, now))]
        if commit:
            letters.append(_Letter(repository, view.key, view.phase, "", commit, checks.report(view, now)))
        return letters

    def _deliver(self, letter: _Letter) -> str:
        sent = self._sent.setdefault((letter.key, letter.what), _Sent())
        if sent.digest == letter.digest or not self._may_write(letter, sent):
            return ""
        try:
            self._write(letter, sent)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one pull request, the others go on
            return self._failed(letter, sent, error)
        sent.digest, sent.phase, sent.written = letter.digest, letter.phase, self._clock()
        sent.failures, sent.refused, sent.not_before = 0, False, None
        return ""

    def _may_write(self, letter: _Letter, sent: _Sent) -> bool:
        now = self._clock()
        if any(until is not None and now < until for until in (self._silent_until, sent.not_before)):
            return False
        if letter.phase is not sent.phase and letter.phase not in _UNDER_WAY:
            return True
        return sent.written is None or now - sent.written >= self._pace

    def _write(self, letter: _Letter, sent: _Sent) -> None:
        if letter.check is None:
            self._forge.upsert_comment(letter.repository, letter.key.number, comment.marker(letter.key), letter.body)
            return
        if sent.turning not in ("", letter.commit):
            self._forge.report_check(letter.repository, sent.turning, checks.NAME, checks.superseded(letter.commit))
            sent.turning = ""
        self._forge.report_check(letter.repository, letter.commit, checks.NAME, letter.check)
        sent.turning = letter.commit if letter.check.conclusion is Conclusion.IN_PROGRESS else ""

    def _failed(self, letter: _Letter, sent: _Sent, error: Exception) -> str:
        sent.failures += 1
        sent.refused = isinstance(error, ForgeRefused | NotThere)
        sent.not_before = self._clock() + _wait(sent.failures, error)
        if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
            self._silent_until = sent.not_before
        where = f"{letter.repository.full_name}#{letter.key.number}"
        why = str(error).strip() or type(error).__name__
        again = sent.not_before.strftime("%H:%M:%S UTC")
        return f"{where}: the {letter.what} could not be brought up to date, and is tried again at {again}: {why}"


def _wait(failures: int, error: Exception) -> timedelta:
    if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    factor: int = 2 ** min(failures - 1, 16)
    return min(LONGEST_WAIT, FIRST_WAIT * factor)
