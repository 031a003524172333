"""Why a resource is an orphan."""

from __future__ import annotations

from orchestrator.core.util import formatting
from stacks.model import Key, RefKind


def orphaned_environment(name: str) -> str:
    return f"no stack or pull request exists for {name}"


def leftover(target: str, name: str) -> str:
    return f"the target {target} still has {name}, but no stack or pull request exists for it"


def unsupervised(ref: object) -> str:
    return f"no live process supervises it, and no operation on {ref} is running"


def not_in_stack(count: int, ref: object) -> str:
    return f"it isn't among the {formatting.count(count, 'resource')} of stack {ref}"


def unreadable_stack(ref: object, problem: str) -> str:
    return f"stack {ref}: {problem}"


def title(key: Key) -> str:
    what = f"pull request {key.number}" if key.kind is RefKind.PULL else f"{key.kind} {key.id}"
    return f"{what} of repository {key.repository}"
