"""Names of images: registry, repository, tag and digest.

Programs don't look images up. They receive references pinned to a digest and run exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from programs import wording

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_DOCKER_HUB = ("", "docker.io", "index.docker.io", "registry-1.docker.io")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class InvalidReference(ValueError):
    """The text isn't a valid image name; the message says why."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image by name. An empty ``host`` means Docker Hub, as everywhere."""

    host: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}" if self.host else self.repository

    @property
    def canonical_name(self) -> str:
        """One spelling for each repository: ``nginx`` and ``docker.io/library/nginx`` are the same."""
        repository = self.repository.removeprefix("library/") if self.host in _DOCKER_HUB else self.repository
        return repository if self.host in _DOCKER_HUB else f"{self.host}/{repository}"

    def with_digest(self, digest: str) -> ImageReference:
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> ImageReference:
    name, _, digest = text.partition("@")
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "", name
    repository, _, tag = rest.partition(":")
    good = _NAME.fullmatch(repository) and (not tag or is_tag(tag)) and (not digest or is_digest(digest))
    if not good or re.search(r"[^A-Za-z0-9.:-]", host):
        raise InvalidReference(wording.invalid_image(text[:200]))
    return ImageReference(host, repository, tag or "latest", digest)


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def is_allowed(prefixes: Iterable[str], reference: ImageReference) -> bool:
    """Whether the image matches one of these prefixes. An empty list allows every image."""
    chosen = [f"{item.rstrip('/')}/" for item in prefixes]
    return not chosen or f"{reference.name}/".startswith(tuple(chosen))
