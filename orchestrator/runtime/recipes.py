"""eph.yaml at one commit, read once: a commit never changes, so what it says is kept until it is no longer asked for.

For a fork the file comes from the base branch: what a stranger wrote decides nothing (S2). The base branch moves, so
what stands on it (a fork's recipe, the labels that count where a commit's own file cannot say them) is kept for a
minute only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from orchestrator.config import availability
from orchestrator.config.bounds import Grants, ServerPolicy, target_of, withheld_secrets
from orchestrator.config.parsing import Document, parse
from orchestrator.config.problems import InvalidConfig
from orchestrator.config.reading import Limits
from orchestrator.config.recipe import Context, labels_of, recipe, watched_by
from orchestrator.config.vault import Vault
from orchestrator.core.model import PullRequest, Recipe, RecipeError, Watched
from orchestrator.core.moments import Rest
from orchestrator.forge.port import Forge, ForgeRefused, ForgeUnavailable, NotThere, Repository
from orchestrator.runtime.clock import Clock
from stacks import names

FILE = "eph.yaml"
LARGEST = 64 * 1024
KEPT = 20_000
"""More than open pull requests with labels: fewer, and each cycle would read them all again."""
BASES_KEPT = 500
PARSED_KEPT = 500
"""Most commits of a repository hold the same file, and reading YAML takes longer than all the rest."""
BASE_FOR = timedelta(minutes=1)
UNPUSHED_FOR = timedelta(hours=6)
"""Nobody pushed, so it says what it said."""
K = TypeVar("K")
V = TypeVar("V")
MISSING = f"{FILE} is not in this commit; add one (`eph init` writes a first), or take the label away"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the server adds to every file: bounds, the key that makes names, the domain, the targets' settings."""

    bounds: ServerPolicy
    key: bytes
    domain: str
    settings: Mapping[str, Mapping[str, str]]
    largest: int = LARGEST
    vault: Vault = field(default_factory=Vault)


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why there is no document: ``problems`` of the file itself, or a Git host that did not give it just now."""

    problems: tuple[str, ...]
    transient: bool = False
    lasting: bool = True
    """The commit itself says so, and will for ever."""


@dataclass(frozen=True, slots=True)
class _Kept:
    made: Recipe | RecipeError
    fresh: Rest | None = None
    """None: for as long as there is room."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a default branch's file said. ``state``: the last push then, and which branch it was."""

    state: tuple[str, str]
    fresh: Rest
    watched: Watched


Read = Document | _Unread


class Recipes:
    """Called from several threads, never twice at once for one pull request."""

    def __init__(self, forge: Forge, rules: Rules, clock: Clock) -> None:
        self._forge = forge
        self._rules = rules
        self._clock = clock
        self._made: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()
        self._wrong: OrderedDict[tuple[int, str], _Unread] = OrderedDict()
        self._watched: dict[int, _Known] = {}
        self._bases: OrderedDict[tuple[int, str], tuple[Rest, Read]] = OrderedDict()
        self._parsed: OrderedDict[bytes, Document] = OrderedDict()

    def of(self, repository: Repository, pull: PullRequest, existing_name: str) -> Recipe | RecipeError:
        question = (
            pull.key,
            pull.head_sha,
            pull.labels,
            existing_name,
            repository.full_name,
            pull.base_ref,
            pull.from_fork,
            self._rules.vault.state(),
        )
        known = self._made.get(question)
        if known is not None and (known.fresh is None or known.fresh.lasts(self._clock())):
            return known.made
        made = self._fresh(repository, pull, existing_name)
        if not (isinstance(made, RecipeError) and made.transient):
            moves = pull.from_fork or isinstance(made, RecipeError)
            _keep(self._made, question, _Kept(made, Rest(self._clock(), BASE_FOR) if moves else None), KEPT)
        return made

    def watched(self, repository: Repository) -> Watched | RecipeError:
        """What the default branch's file says. A file that cannot be read, or is wrong, says nothing: what there is
        stays. Where the host tells of pushes, it is read when there was one, and again a minute later, for a host may
        tell of two in one second as one."""
        state = (repository.pushed, repository.default_branch)
        known = self._watched.get(repository.id)
        same = known is not None and known.state == state
        if known is not None and same and known.fresh.lasts(self._clock()):
            return known.watched
        found = self._read(repository, repository.default_branch)
        if isinstance(found, _Unread) and found.problems != (MISSING,):
            return RecipeError(found.problems, frozenset(), transient=found.transient)
        watched = watched_by(found) if isinstance(found, Document) else Watched()
        rest = UNPUSHED_FOR if same and repository.pushed else BASE_FOR
        self._watched[repository.id] = _Known(state, Rest(self._clock(), rest), watched)
        return watched

    def _fresh(self, repository: Repository, pull: PullRequest, existing_name: str) -> Recipe | RecipeError:
        found = self._base(repository, pull.base_ref) if pull.from_fork else self._head(repository, pull.head_sha)
        if isinstance(found, Document):
            return self._make(found, repository, pull, existing_name)
        if found.transient:
            return RecipeError(found.problems, self._rules.bounds.default_labels, transient=True)
        return RecipeError(found.problems, self._base_labels(repository, pull.base_ref))

    def _make(
        self, document: Document, repository: Repository, pull: PullRequest, existing_name: str
    ) -> Recipe | RecipeError:
        key, bounds = pull.key, self._rules.bounds
        context = Context(
            repository_id=key.repository,
            repository_name=repository.full_name,
            number=key.number,
            head_sha=pull.head_sha,
            head_ref=pull.head_ref,
            clone_url=repository.clone_url,
            words=names.words(self._rules.key, key.repository, key.number),
            existing_name=existing_name,
            domain=self._rules.domain,
            settings=self._rules.settings.get(target_of(document.config, bounds), {}),
            labels=pull.labels,
            kind=key.kind,
            grants=self._rules.vault.grants(repository.full_name, pull.from_fork),
        )
        try:
            made = recipe(document, context, bounds)
            return replace(made, notices=_notices(document, bounds, context.grants))
        except InvalidConfig as error:
            return error.as_recipe_error(labels_of(document, bounds.default_labels))

    def _head(self, repository: Repository, sha: str) -> Read:
        """What is wrong at a commit stays wrong; what is right is kept as the recipe that it gives."""
        place = (repository.id, sha)
        if place in self._wrong:
            return self._wrong[place]
        found = self._read(repository, sha)
        if isinstance(found, _Unread) and found.lasting:
            _keep(self._wrong, place, found, KEPT)
        return found

    def _base(self, repository: Repository, base: str) -> Read:
        place, now = (repository.id, base), self._clock()
        known = self._bases.get(place)
        if known is not None and known[0].lasts(now):
            return known[1]
        found = self._read(repository, base)
        if not (isinstance(found, _Unread) and found.transient):
            _keep(self._bases, place, (Rest(now, BASE_FOR), found), BASES_KEPT)
        return found

    def _read(self, repository: Repository, ref: str) -> Read:
        try:
            return self._parse(self._forge.file(repository, FILE, ref, self._rules.largest))
        except InvalidConfig as error:
            return _Unread(tuple(error.lines()))
        except NotThere:
            return _Unread((MISSING,))
        except ForgeUnavailable as error:
            return _Unread((str(error),), transient=True, lasting=False)
        except ForgeRefused as error:
            return _Unread((str(error),), lasting=False)

    def _parse(self, text: bytes) -> Document:
        known = self._parsed.get(text)
        if known is None:
            known = parse(text, limits=Limits(size=self._rules.largest))
            _keep(self._parsed, text, known, PARSED_KEPT)
        return known

    def _base_labels(self, repository: Repository, base: str) -> frozenset[str]:
        """Which labels mean us where the commit's own file cannot say it: the base's, else the server's own."""
        found, default = self._base(repository, base), self._rules.bounds.default_labels
        return labels_of(found, default) if isinstance(found, Document) else default


def _notices(document: Document, bounds: ServerPolicy, grants: Grants) -> tuple[str, ...]:
    """What people do not get though the file asks for it."""
    return (*map(str, withheld_secrets(document, grants)), *availability.notices(document, bounds))


def _keep(cache: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """The newest stay; those of commits that nobody asks for any more go first."""
    cache.pop(key, None)
    cache[key] = value
    while len(cache) > most:
        cache.popitem(last=False)
