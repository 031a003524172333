"""What the Git host says should exist, read whole or said to be partial; one repository's trouble is its own.

While a repository cannot be read, what was last read of the environments that exist still counts, marked as not
complete: they are watched and repaired, and nothing is destroyed. A pull request whose file breaks our own code is
that pull request's trouble alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.core import globs
from orchestrator.core.model import Candidate, CheckState, Key, PullRequest, Recipe, RecipeError, RepositoryFacts
from orchestrator.forge.port import (
    APPROVED,
    EXPIRED,
    LABEL_LEFT,
    LABEL_OFF,
    Forge,
    ForgeError,
    Pulls,
    Repository,
    expired_mark,
)
from orchestrator.runtime import clock, ref_facts
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.recipes import FILE, MISSING, Recipes
from orchestrator.runtime.ref_facts import RefFacts
from orchestrator.runtime.settled import Settled
from orchestrator.runtime.wakeups import NO_LIMIT, Only
from stacks import names as stack_names
from stacks.model import RefKind

log = logging.getLogger("eph.forge")

AT_ONCE = 8
MOST_REFS = 20
TOUCHED_KEPT = 20_000
T = TypeVar("T")
Names = Mapping[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class ForgeFacts:
    """``trouble`` are sentences about what could not be read at all, or is not looked at."""

    facts: Mapping[int, RepositoryFacts] = field(default_factory=dict)
    repositories: Mapping[int, Repository] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()


class ForgeReader:
    """``guarded_targets`` run only what people with write access pushed, so who that is must be asked. ``most_refs``:
    so many branches and tags of a repository are looked at."""

    def __init__(
        self,
        forge: Forge,
        recipes: Recipes,
        guarded_targets: frozenset[str],
        now: Clock = clock.system,
        most_refs: int = MOST_REFS,
    ) -> None:
        self._most_refs = most_refs
        self._notes: dict[int, str] = {}
        self._forge = forge
        self._recipes = recipes
        self._guarded = guarded_targets
        self._settled = Settled(now)
        self._known: Mapping[int, Repository] = {}
        self._last: Mapping[int, RepositoryFacts] = {}
        self._given = ForgeFacts()
        self._touched: dict[tuple[object, ...], bool] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, names: Names, only: Only = NO_LIMIT) -> ForgeFacts:
        """``names`` are those of the environments that exist: they keep them. ``only``: what was said to have changed;
        of everything else the last reading still counts."""
        changed = {key.repository if isinstance(key, Key) else key for key in only}
        self._given = await (self._read_some(names, changed) if only else self._read_all(names))
        return self._given

    async def _read_some(self, names: Names, changed: set[int]) -> ForgeFacts:
        """One that is not known yet is none of ours, or new: the next whole look will tell."""
        asked = [item for item in self._known.values() if item.id in changed]
        for item in asked:
            self._settled.changed(item.id)
        found = {item.id: item for item in await self._read_these(asked, names, changed)}
        self._last = {**self._last, **found}
        return replace(self._given, facts={**self._given.facts, **found})

    async def _read_all(self, names: Names) -> ForgeFacts:
        try:
            listed = await asyncio.to_thread(self._forge.repositories)
        except ForgeError as error:
            # Nothing is known of any repository: those of the last reading are incomplete, and nothing is destroyed.
            facts = {item.id: self._unread(item, str(error), names) for item in self._known.values()}
            return ForgeFacts(facts, self._known, (f"the repositories could not be listed: {error}",))
        self._known = {item.id: item for item in listed}
        found = await self._read_these(listed, names)
        self._last = {item.id: item for item in found}
        notes = [note for item in listed if (note := self._notes.get(item.id))]
        return ForgeFacts(self._last, self._known, (*self._forge.problems().values(), *notes))

    async def _read_these(
        self, repositories: Sequence[Repository], names: Names, changed: Collection[int] = ()
    ) -> list[RepositoryFacts]:
        """First which pull requests there are, then what their commits say: together, where the host can."""
        listed = await asyncio.gather(*(self._pulls(item, names) for item in repositories))
        await self._look_ahead([pulls for pulls in listed if isinstance(pulls, Pulls)], changed)
        return await asyncio.gather(
            *(self._judged(found, names) if isinstance(found, Pulls) else _itself(found) for found in listed)
        )

    async def _look_ahead(self, listed: Sequence[Pulls], changed: Collection[int]) -> None:
        labelled = [(pulls.repository, pull.head_sha) for pulls in listed for pull in pulls.open if pull.labels]
        commits = {(repository.id, sha) for repository, sha in labelled}
        anew = frozenset(commit for commit in commits if self._settled.is_waiting(commit) or commit[0] in changed)
        if not changed:
            self._settled.watched &= commits
        if labelled:
            await asyncio.to_thread(self._forge.ahead, labelled, FILE, anew)

    async def _pulls(self, repository: Repository, names: Names) -> Pulls | RepositoryFacts:
        try:
            return await self._in_thread(lambda: self._forge.pulls(repository))
        except ForgeError as error:
            return self._unread(repository, str(error), names)
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unread(repository, f"{type(error).__name__}: {error}", names)

    async def _judged(self, pulls: Pulls, names: Names) -> RepositoryFacts:
        repository = pulls.repository
        existing = [number for home, number in names if home == repository.id]
        try:
            refs = await self._in_thread(
                lambda: ref_facts.read(self._forge, self._recipes, repository, existing, self._most_refs)
            )
            asked = [*(pull for pull in pulls.open if pull.labels), *refs.wanted]
            candidates = await asyncio.gather(*(self._candidate(repository, pull, names) for pull in asked))
        except ForgeError as error:
            return self._unread(repository, str(error), names)
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unread(repository, f"{type(error).__name__}: {error}", names)
        self._notes[repository.id] = refs.note
        facts = _facts(pulls, refs, [candidate for candidate in candidates if candidate is not None])
        return facts if facts.complete and facts.refs_complete else self._with_last(facts, names)

    def _unread(self, repository: Repository, reason: str, names: Names) -> RepositoryFacts:
        nothing = RepositoryFacts(repository.id, repository.full_name, complete=False, reason=reason)
        return self._with_last(nothing, names)

    def _with_last(self, facts: RepositoryFacts, names: Names) -> RepositoryFacts:
        """What was read now, and of what exists already what was read last."""
        last = self._last.get(facts.id)
        if last is None:
            return facts
        kept = {
            number: candidate
            for number, candidate in last.candidates.items()
            if number not in facts.open and (facts.id, number) in names and not facts.is_whole(number)
        }
        return replace(facts, candidates={**kept, **facts.candidates}, open=facts.open | kept.keys())

    async def _candidate(self, repository: Repository, pull: PullRequest, names: Names) -> Candidate | None:
        existing = names.get((pull.key.repository, pull.key.number), "")
        try:
            return await self._in_thread(lambda: self._judge(repository, pull, existing))
        except Exception as error:
            log.exception("%s#%s could not be judged", repository.full_name, pull.key.number)
            problem = f"this commit could not be judged ({type(error).__name__}); the log of ephd has the details"
            return Candidate(pull, RecipeError((problem,), frozenset(), transient=True)) if existing else None

    def _judge(self, repository: Repository, pull: PullRequest, existing: str) -> Candidate | None:
        recipe = self._recipes.of(repository, pull, existing)
        if not isinstance(recipe, Recipe):
            if pull.key.kind is not RefKind.PULL:  # A tag of before there was such a file is not worth a word.
                quiet = not existing and recipe.problems == (MISSING,)
                return None if quiet else self._marked(repository, Candidate(pull, recipe))
            # A file that is wrong cannot say which labels it means: what exists stays, as long as any label is there.
            if not (existing or recipe.labels & pull.labels):
                return None
            return self._marked(repository, Candidate(pull, recipe))
        is_pull = pull.key.kind is RefKind.PULL
        if is_pull and not recipe.labels & pull.labels:
            return None
        if recipe.spec.target in self._guarded and is_pull and not pull.from_fork:
            pull = replace(pull, author_trusted=self._trusted(repository, pull))
        checks = self._checks(repository, pull.head_sha, recipe.wait_for_checks) if recipe.wait_for_checks else {}
        touches = self._touches(repository, pull, recipe.paths)
        return self._marked(repository, Candidate(pull, recipe, checks, touches=touches))

    def _touches(self, repository: Repository, pull: PullRequest, paths: tuple[str, ...]) -> bool | None:
        """Asked once for each commit and base. Of more files than are read, some may count: then it is wanted."""
        if not paths:
            return True
        question = (pull.key, pull.head_sha, pull.base_ref, paths)
        known = self._touched.get(question)
        if known is None:
            try:
                changes = self._forge.changed_files(repository, pull.key.number)
            except ForgeError:
                return None
            known = not changes.complete or any(globs.any_matches(paths, path) for path in sorted(changes.paths))
            self._touched[question] = known
            while len(self._touched) > TOUCHED_KEPT:
                self._touched.pop(next(iter(self._touched)), None)
        return known

    def _trusted(self, repository: Repository, pull: PullRequest) -> bool | None:
        if self._settled.trusted(pull):
            return True
        try:
            trusted = self._forge.may_write(repository, pull.author)
        except ForgeError:
            return None
        if trusted:
            self._settled.trust(pull)
        return trusted

    def _checks(self, repository: Repository, sha: str, wanted: Collection[str]) -> Mapping[str, CheckState]:
        """Checks that could not be read are missing, which waits."""
        passed = self._settled.passed((repository.id, sha))
        if passed is not None and all(passed.get(name) is CheckState.PASSED for name in wanted):
            return passed  # Another environment of the same commit may have waited for others.
        try:
            found = self._forge.checks(repository, sha)
        except ForgeError:
            found = {}
        self._settled.checked((repository.id, sha), wanted, found)
        return found

    def _marked(self, repository: Repository, candidate: Candidate) -> Candidate:
        """With our marks on that very commit. Marks that could not be read count as absent: the tag still has the
        time, and expires it again; and a fork waits."""
        try:
            said = self._forge.decisions(repository, candidate.pull.head_sha)
        except ForgeError:
            return candidate
        expired = said.get(expired_mark(stack_names.stack_name(candidate.pull.key.number))) or said.get(EXPIRED, "")
        label_off = True if expired.startswith(LABEL_OFF) else False if expired.startswith(LABEL_LEFT) else None
        approved = said.get(APPROVED, "")
        return replace(candidate, expired=bool(expired), expired_why=expired, label_off=label_off, approved=approved)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._slots:
            return await asyncio.to_thread(work)


async def _itself(facts: RepositoryFacts) -> RepositoryFacts:
    return facts


def _facts(pulls: Pulls, refs: RefFacts, candidates: list[Candidate]) -> RepositoryFacts:
    return RepositoryFacts(
        id=pulls.repository.id,
        full_name=pulls.repository.full_name,
        complete=pulls.complete,
        reason=pulls.reason,
        candidates={candidate.pull.key.number: candidate for candidate in candidates},
        open=frozenset(pull.key.number for pull in pulls.open) | refs.listed,
        refs_complete=refs.complete,
        refs_reason=refs.reason,
        watched=refs.watched,
    )
