"""From a tag to its digest: what runs is what was looked up, whoever moves the tag meanwhile.

One question of a registry's API v2, with the token dance that public registries ask for. Credentials are the server's
own, from the file that is also the pull secret.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx

from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings, words

HUB = "registry-1.docker.io"
SECONDS = 15.0
ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class NotThere(KubernetesError):
    """The registry answered, and has no such image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image by name: ``host`` empty for Docker's own registry, as everywhere."""

    host: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}" if self.host else self.repository

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    name, _, digest = text.partition("@")
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "", name
    repository, _, tag = rest.partition(":")
    good = (
        _NAME.fullmatch(repository) and (not tag or _TAG.fullmatch(tag)) and (not digest or _DIGEST.fullmatch(digest))
    )
    if not good or re.search(r"[^A-Za-z0-9.:-]", host):
        raise KubernetesError(f"image {text[:200]!r} is not a reference; write registry/repository:tag")
    return Reference(host, repository, tag or "latest", digest)


def allowed(on: Settings, reference: Reference) -> bool:
    """Whether the server lets images come from there: a registry, or what a name begins with."""
    chosen = words(on.registries)
    name = f"{reference.name}/"
    return not chosen or any(name.startswith(f"{item.rstrip('/')}/") for item in chosen)


def pin(on: Settings, texts: str) -> str:
    """The first of these references that is there, by digest."""
    *sooner, last = texts.split() or [texts]
    for text in sooner:
        try:
            return _pin(on, text)
        except NotThere:
            continue
    return _pin(on, last)


def _pin(on: Settings, text: str) -> str:
    """One that has a digest is taken at its word."""
    reference = parse(text)
    if not allowed(on, reference):
        raise KubernetesError(f"image {text}: this server takes images from {on.registries} only")
    if reference.digest:
        return str(reference)
    digest = _digest(on, reference)
    return str(Reference(reference.host, reference.repository, reference.tag, digest))


def _digest(on: Settings, reference: Reference) -> str:
    plain = reference.host in words(on.plain_http)
    repository = reference.repository
    if not reference.host and "/" not in repository:
        repository = f"library/{repository}"
    url = f"http{'' if plain else 's'}://{reference.host or HUB}/v2/{repository}/manifests/{reference.tag}"
    try:
        with httpx.Client(timeout=SECONDS, headers={"Accept": ACCEPT}, follow_redirects=False) as http:
            answer = _ask(http, url, _credentials(on, reference.host))
    except httpx.HTTPError as error:
        raise KubernetesError(f"image {reference}: its registry does not answer ({type(error).__name__})") from error
    return _read(answer, reference)


def _ask(http: httpx.Client, url: str, credentials: str) -> httpx.Response:
    basic = {"Authorization": f"Basic {credentials}"} if credentials else {}
    answer = http.head(url)
    if answer.status_code != httpx.codes.UNAUTHORIZED:
        return answer
    challenge = answer.headers.get("WWW-Authenticate", "")
    if not challenge.lower().startswith("bearer "):
        return http.head(url, headers=basic) if basic else answer
    asked = dict(_CHALLENGE.findall(challenge))
    query = urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
    given = http.get(f"{asked.get('realm', '')}?{query}", headers=basic)
    if given.is_error:
        return answer
    found = given.json()
    return http.head(url, headers={"Authorization": f"Bearer {found.get('token') or found.get('access_token', '')}"})


def _read(answer: httpx.Response, reference: Reference) -> str:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise KubernetesError(f"image {reference}: its registry does not let this server in; see the pull secret")
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise NotThere(f"image {reference} is not in its registry; has CI pushed it, and by this tag?")
    digest = answer.headers.get("Docker-Content-Digest", "")
    if answer.is_error or not _DIGEST.fullmatch(digest):
        raise KubernetesError(f"image {reference}: its registry answered {answer.status_code} without a digest")
    return str(digest)


def _credentials(on: Settings, host: str) -> str:
    """Base64 of user and password for that registry, from a Docker configuration file."""
    if not on.pull_secret_file:
        return ""
    try:
        listed: Mapping[str, Mapping[str, str]] = json.loads(Path(on.pull_secret_file).read_text()).get("auths", {})
    except (OSError, ValueError, AttributeError) as error:
        raise KubernetesError("setting 'pull_secret_file' is no Docker configuration with 'auths'") from error
    for name in (host, f"https://{host}", "https://index.docker.io/v1/" if not host else ""):
        entry = listed.get(name)
        if entry:
            both = f"{entry.get('username', '')}:{entry.get('password', '')}"
            return entry.get("auth") or base64.b64encode(both.encode()).decode()
    return ""
