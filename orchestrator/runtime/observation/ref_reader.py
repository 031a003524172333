"""Reads branches and tags that get environments, like pull requests.

The default branch's eph.yaml selects them; if it selects none, nothing is read. A repository may have thousands of
tags, so only a limited number is used: first those with an environment, then the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from orchestrator.core.model.world import RecipeError, WatchedRefs
from orchestrator.core.util import natural_sort
from orchestrator.forges.port import Forge, ForgeError, Repository
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.sources.recipe_reader import RecipeReader
from stacks import keys
from stacks.model import Key, RefKind

KINDS = (RefKind.BRANCH, RefKind.TAG)


@dataclass(frozen=True, slots=True)
class RefFacts:
    """``selected`` are the ones in use, ``matching`` the keys of all matches. ``note`` says how many are skipped."""

    selected: tuple[PullRequest, ...] = ()
    matching: frozenset[Key] = frozenset()
    complete: bool = True
    reason: str = ""
    watched_refs: WatchedRefs = field(default_factory=WatchedRefs)
    note: str = ""


def read(
    forge: Forge, recipes: RecipeReader, repository: Repository, existing: Collection[Key], limit: int
) -> RefFacts:
    """Blocking. ``existing`` are the keys of existing environments."""
    watched = recipes.watched_refs(repository)
    if isinstance(watched, RecipeError):
        why = "; ".join(watched.problems)
        return RefFacts(complete=False, reason=f"eph.yaml of {repository.default_branch} could not be read: {why}")
    found: dict[Key, PullRequest] = {}
    reason = ""
    for kind in KINDS:
        patterns = watched.patterns_for(kind)
        if not patterns:
            continue
        try:
            refs = forge.refs(repository, kind, patterns)
        except ForgeError as error:
            reason = reason or str(error)
            continue
        reason = reason or ("" if refs.complete else refs.reason or "the list was incomplete")
        for name in sorted(refs.commits, key=natural_sort.sort_key, reverse=kind is RefKind.TAG):
            pull = _as_pull_request(repository, kind, name, refs.commits[name])
            found.setdefault(pull.key, pull)
    chosen = sorted(found.values(), key=lambda pull: pull.key not in existing)[:limit]
    note = f"{repository.full_name}: {len(found)} branches and tags match; only {limit} are used (limits.refs)"
    return RefFacts(
        tuple(chosen), frozenset(found), not reason, reason, watched, note if len(found) > len(chosen) else ""
    )


def _as_pull_request(repository: Repository, kind: RefKind, name: str, commit: str) -> PullRequest:
    key = keys.ref(repository.id, kind, name)
    return PullRequest(
        key, PullState.OPEN, f"{repository.full_name}@{name}", frozenset(), "", commit, name,
        repository.default_branch, "",
    )  # fmt: skip
