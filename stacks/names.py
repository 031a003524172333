"""The only place that creates names of environments: Pulumi project and stack, and the unguessable words (Y3).

A project is ``eph-<repository>-<its numeric ID in base 36>``. The ID comes last and complete, so a project is ours if
it parses to a number, and a renamed repository keeps its stacks: ``parse`` looks at the ID, never at the slug. The
stack's name is that of its key (``stacks.keys``).

The words come from an HMAC under the server's key over repository ID and number: they stay the same after a restart, a
rename or a transfer, and have 36 bits that can't be derived without the key (docs/decisions: two words and four
letters).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from stacks import keys
from stacks.model import Key, StackRef
from stacks.word_lists import ADJECTIVES, NOUNS

PREFIX = "eph"
_LETTERS = "bcdfghjkmnpqrstvwxz23456789aeuly"
_PROJECT = re.compile(rf"{PREFIX}-(?:[a-z0-9-]+-)?([0-9a-z]+)")
ENVIRONMENT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The format of an environment's name: a DNS label."""
_MAX_SLUG_LENGTH = 40


def slug(text: str, max_length: int = _MAX_SLUG_LENGTH) -> str:
    """Lowercase letters, digits and single dashes, never at an end. May be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:max_length].strip("-")


def project_name(repository: int, repository_name: str) -> str:
    """``acme/shop`` with the ID 12345 is ``eph-shop-9ix``. Without any valid letter, the slug is left out."""
    middle = slug(repository_name.rpartition("/")[2])
    return "-".join(part for part in (PREFIX, middle, keys.base36(repository)) if part)


def stack_ref(key: Key, repository_name: str) -> StackRef:
    return StackRef(project_name(key.repository, repository_name), keys.stack_name(key))


def parse(ref: StackRef) -> Key | None:
    """The key of one of our stacks; None for any other stack."""
    repository = parse_project(ref.project)
    return None if repository is None else keys.parse_stack_name(repository, ref.stack)


def parse_project(name: str) -> int | None:
    """The repository ID in a project's name; None if the project isn't ours."""
    found = _PROJECT.fullmatch(name)
    if found is None or (len(found[1]) > 1 and found[1].startswith("0")):
        return None
    return int(found[1], 36)


def unguessable_words(secret: bytes, key: Key) -> str:
    """``gentle-stream-k7wq``: eight bits, eight bits and four letters of five bits each."""
    digest = hmac.new(secret, f"{key.repository}/{keys.to_number(key)}".encode(), hashlib.sha256).digest()
    letters = "".join(_LETTERS[byte % 32] for byte in digest[2:6])
    return f"{ADJECTIVES[digest[0]]}-{NOUNS[digest[1]]}-{letters}"


def incarnation(key: bytes, ref: StackRef, nonce: str) -> str:
    """Distinguishes this stack from an earlier one of the same name."""
    return hmac.new(key, f"{ref}#{nonce}".encode(), hashlib.sha256).hexdigest()[:8]
