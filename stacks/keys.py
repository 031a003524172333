"""The only place that creates, prints and parses the key of an environment.

A stack is named ``pr-42``, ``branch-1k3zc9f0p2``, ``tag-1k3zc9f0p3`` or ``deploy-b3i0kzq5wx``: the kind, then the id.
The id of a branch, a tag or a label deploy is a digest of its kind and name, because a stack name is too short for the
name itself.

The ids are those of earlier versions, which knew a key as one number per repository: a pull request's number is its
own, a branch's or a tag's is the value of its id in base 36, above every pull request's. Stack tags, operation records
and pending reports still hold that number, so either version reads what the other wrote (docs/decisions/0025).
"""

from __future__ import annotations

import hashlib
import re

from stacks.model import Key, RefKind

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_STACK = re.compile(r"pr-([1-9][0-9]{0,9})|(branch|tag|deploy)-([1-9a-z][0-9a-z]{5,11})")
_FIRST_REF_NUMBER = 10**10
"""The numbers of branches and tags start here and stay below 2**53, so JSON readers keep them exact."""
_FIRST_DEPLOY_NUMBER = 2**50
"""The numbers of label deploys start here, above those of all branches and tags."""


def pull_request(repository: int, number: int) -> Key:
    return Key(repository, RefKind.PULL, str(number))


def ref(repository: int, kind: RefKind, name: str) -> Key:
    """The key of a branch, a tag or a label deploy. Two names share a key as rarely as two commits share
    their first twelve digits."""
    if kind is RefKind.PULL:
        raise ValueError("a pull request is identified by its number, not by a name")
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    value = int.from_bytes(digest[:6], "big")
    if kind is RefKind.DEPLOY:
        return Key(repository, kind, base36(_FIRST_DEPLOY_NUMBER + value))
    return Key(repository, kind, base36(_FIRST_REF_NUMBER + 2 * value + (kind is RefKind.TAG)))


def stack_name(key: Key) -> str:
    return f"{key.kind}-{key.id}"


def parse_stack_name(repository: int, stack: str) -> Key | None:
    """The inverse of ``stack_name``; None for a name that no key has."""
    found = _STACK.fullmatch(stack)
    if found is None:
        return None
    key = from_number(repository, int(found[1] or int(found[3], 36)))
    return key if stack_name(key) == stack else None


def to_number(key: Key) -> int:
    """The number that stands for the key in stored data."""
    return key.number if key.kind is RefKind.PULL else int(key.id, 36)


def from_number(repository: int, number: int) -> Key:
    """The inverse of ``to_number``. Of branches and tags, tags have the odd numbers."""
    if number < _FIRST_REF_NUMBER:
        return pull_request(repository, number)
    if number >= _FIRST_DEPLOY_NUMBER:
        return Key(repository, RefKind.DEPLOY, base36(number))
    return Key(repository, RefKind.TAG if number % 2 else RefKind.BRANCH, base36(number))


def base36(number: int) -> str:
    if number < 0:
        raise ValueError(f"{number} is negative, but repository IDs aren't")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
