"""The only place that creates names of environments: Pulumi project and stack, and the unguessable words (Y3).

A project is ``eph-<repository>-<its numeric ID in base 36>``. The ID comes last and complete, so a project is ours if
it parses to a number, and a renamed repository keeps its stacks: ``parse`` looks at the ID, never at the slug. A stack
is ``pr-42``, or for a branch or tag ``branch-1k3zc9f0p2``: a number derived from its name that is above every pull
request's number, even for a branch and odd for a tag. So one number names one thing in a repository.

The words come from an HMAC under the server's key over repository ID and number: they stay the same after a restart, a
rename or a transfer, and have 36 bits that can't be derived without the key (docs/decisions: two words and four
letters).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from stacks.model import RefKind, StackRef
from stacks.word_lists import ADJECTIVES, NOUNS

PREFIX = "eph"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = "bcdfghjkmnpqrstvwxz23456789aeuly"
_PROJECT = re.compile(rf"{PREFIX}-(?:[a-z0-9-]+-)?([0-9a-z]+)")
ENVIRONMENT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The format of an environment's name: a DNS label."""
_STACK = re.compile(r"pr-([1-9][0-9]{0,9})|(branch|tag)-([1-9a-z][0-9a-z]{5,11})")
FIRST_REF_NUMBER = 10**10
"""Numbers from here on belong to branches and tags. They stay below 2**53, which JSON parsers read exactly."""
_MAX_SLUG_LENGTH = 40


def base36(number: int) -> str:
    if number < 0:
        raise ValueError(f"{number} is negative, but repository IDs aren't")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def slug(text: str, max_length: int = _MAX_SLUG_LENGTH) -> str:
    """Lowercase letters, digits and single dashes, never at an end. May be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:max_length].strip("-")


def project_name(repository: int, repository_name: str) -> str:
    """``acme/shop`` with the ID 12345 is ``eph-shop-9ix``. Without any valid letter, the slug is left out."""
    middle = slug(repository_name.rpartition("/")[2])
    return "-".join(part for part in (PREFIX, middle, base36(repository)) if part)


def stack_ref(repository: int, repository_name: str, number: int) -> StackRef:
    return StackRef(project_name(repository, repository_name), stack_name(number))


def stack_name(number: int) -> str:
    kind = ref_kind(number)
    return f"{kind}-{number if kind is RefKind.PULL else base36(number)}"


def ref_kind(number: int) -> RefKind:
    if number < FIRST_REF_NUMBER:
        return RefKind.PULL
    return RefKind.TAG if number % 2 else RefKind.BRANCH


def ref_number(kind: RefKind, name: str) -> int:
    """Two names are as unlikely to share a number as two commits to share their first twelve digits."""
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    return FIRST_REF_NUMBER + 2 * int.from_bytes(digest[:6], "big") + (kind is RefKind.TAG)


def parse(ref: StackRef) -> tuple[int, int] | None:
    """Repository ID and number of one of our stacks; None for any other stack."""
    repository = parse_project(ref.project)
    stack = _STACK.fullmatch(ref.stack)
    if repository is None or stack is None:
        return None
    number = int(stack[1] or int(stack[3], 36))
    return (repository, number) if stack_name(number) == ref.stack else None


def parse_project(name: str) -> int | None:
    """The repository ID in a project's name; None if the project isn't ours."""
    found = _PROJECT.fullmatch(name)
    if found is None or (len(found[1]) > 1 and found[1].startswith("0")):
        return None
    return int(found[1], 36)


def unguessable_words(key: bytes, repository: int, number: int) -> str:
    """``gentle-stream-k7wq``: eight bits, eight bits and four letters of five bits each."""
    digest = hmac.new(key, f"{repository}/{number}".encode(), hashlib.sha256).digest()
    letters = "".join(_LETTERS[byte % 32] for byte in digest[2:6])
    return f"{ADJECTIVES[digest[0]]}-{NOUNS[digest[1]]}-{letters}"


def incarnation(key: bytes, ref: StackRef, nonce: str) -> str:
    """Distinguishes this stack from an earlier one of the same name."""
    return hmac.new(key, f"{ref}#{nonce}".encode(), hashlib.sha256).hexdigest()[:8]
