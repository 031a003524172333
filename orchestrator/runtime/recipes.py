"""eph.yaml at one commit, read once: a commit never changes, so what it says is kept until it is no longer asked for.

For a fork the file comes from the base branch: what a stranger wrote decides nothing (S2).
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from orchestrator.config.bounds import ServerPolicy
from orchestrator.config.parsing import Document, parse
from orchestrator.config.problems import InvalidConfig
from orchestrator.config.recipe import Context, labels_of, recipe
from orchestrator.core.model import PullRequest, Recipe, RecipeError
from orchestrator.forge.port import Forge, ForgeError, ForgeRefused, ForgeUnavailable, NotThere, Repository
from orchestrator.runtime.clock import Clock
from stacks import names

FILE = "eph.yaml"
LARGEST = 64 * 1024
KEPT = 4096
K = TypeVar("K")
V = TypeVar("V")
BASE_FOR = timedelta(minutes=1)
_MISSING = f"{FILE} is not in this commit; add one (`eph init` writes a first), or take the label away"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the server adds to every file: bounds, the key that makes names, the domain, the targets' settings."""

    bounds: ServerPolicy
    key: bytes
    domain: str
    settings: Mapping[str, Mapping[str, str]]


Read = Document | RecipeError


class Recipes:
    """Called from several threads, never twice at once for one pull request."""

    def __init__(self, forge: Forge, rules: Rules, clock: Clock) -> None:
        self._forge = forge
        self._rules = rules
        self._clock = clock
        self._files: OrderedDict[tuple[int, str], Read] = OrderedDict()
        self._made: OrderedDict[tuple[object, ...], Recipe | RecipeError] = OrderedDict()
        self._bases: dict[tuple[int, str], tuple[float, frozenset[str]]] = {}

    def of(self, repository: Repository, pull: PullRequest, existing_name: str) -> Recipe | RecipeError:
        question = (pull.key, pull.head_sha, pull.labels, existing_name, repository.full_name, pull.base_ref)
        known = self._made.get(question)
        if known is not None and not (pull.from_fork or isinstance(known, RecipeError)):
            return known
        found = self._read(repository, pull)
        made = found if isinstance(found, RecipeError) else self._make(found, repository, pull, existing_name)
        if not (isinstance(made, RecipeError) and made.transient):
            _keep(self._made, question, made)
        return made

    def _make(
        self, document: Document, repository: Repository, pull: PullRequest, existing_name: str
    ) -> Recipe | RecipeError:
        key = pull.key
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
            settings=self._rules.settings.get("local", {}),
            labels=pull.labels,
        )
        try:
            return recipe(document, context, self._rules.bounds)
        except InvalidConfig as error:
            return error.as_recipe_error(labels_of(document, self._rules.bounds.default_labels))

    def _read(self, repository: Repository, pull: PullRequest) -> Read:
        ref = pull.base_ref if pull.from_fork else pull.head_sha
        place = (pull.key.repository, ref)
        if not pull.from_fork and place in self._files:
            return self._files[place]
        try:
            found: Read = parse(self._forge.file(repository, FILE, ref, LARGEST))
        except InvalidConfig as error:
            found = error.as_recipe_error(self._base_labels(repository, pull.base_ref))
        except NotThere:
            found = RecipeError((_MISSING,), self._base_labels(repository, pull.base_ref))
        except ForgeUnavailable as error:
            return RecipeError((str(error),), self._rules.bounds.default_labels, transient=True)
        except ForgeRefused as error:
            found = RecipeError((str(error),), self._base_labels(repository, pull.base_ref))
        if not pull.from_fork:
            _keep(self._files, place, found)
        return found

    def _base_labels(self, repository: Repository, base: str) -> frozenset[str]:
        """Which labels mean us where the commit's own file cannot say it."""
        now = self._clock().timestamp()
        known = self._bases.get((repository.id, base))
        if known is not None and now - known[0] < BASE_FOR.total_seconds():
            return known[1]
        labels = self._rules.bounds.default_labels
        # The server's own labels stand in for those of a base whose file cannot be read.
        with contextlib.suppress(InvalidConfig, ForgeError):
            labels = labels_of(parse(self._forge.file(repository, FILE, base, LARGEST)), labels)
        self._bases[(repository.id, base)] = (now, labels)
        return labels


def _keep(cache: OrderedDict[K, V], key: K, value: V) -> None:
    cache[key] = value
    while len(cache) > KEPT:
        cache.popitem(last=False)
