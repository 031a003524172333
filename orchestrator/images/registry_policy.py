"""Which registries this server can contact, and with which credentials. Repositories name their registry, so the
operator decides.

Three rules. A host in a private network is contacted only if the operator configured it; otherwise a DNS name could
point anywhere. Only hosts that the operator configured are contacted without TLS. Credentials are sent to the registry
that they are for and to hosts that the operator configured, whatever a registry's response requests.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.images import wording
from orchestrator.images.errors import RegistryRefused
from orchestrator.images.helpers.issued_credentials import RenewedCredentials
from programs import image_references, pull_secrets
from programs.image_references import ImageReference

DOCKER_HUB = "registry-1.docker.io"
"""The registry of images without a host."""
DOCKER_HUB_NAMES = ("", "docker.io", "index.docker.io", DOCKER_HUB)
DOCKER_HUB_HOSTS = ("auth.docker.io", "*.docker.com", "*.cloudflarestorage.com")
"""The hosts that it uses for tokens and content."""
_DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io", DOCKER_HUB)
MAX_CREDENTIALS_BYTES = 1_000_000
NO_HELPERS: Mapping[str, RenewedCredentials] = MappingProxyType({})


class DockerCredentials:
    """A Docker configuration with ``auths``, reloaded when it changes: some credentials are renewed every few hours.
    ``helpers``: by host, registries whose credentials a cloud issues; the file's don't count for them."""

    def __init__(self, file: Path | None, helpers: Mapping[str, RenewedCredentials] = NO_HELPERS) -> None:
        self._file, self._helpers = file, helpers
        self._lock = threading.Lock()
        self._cached: tuple[object, Mapping[str, Any]] = (None, {})

    def for_host(self, host: str) -> str:
        """Base64 of user and password; empty if none are known. A cloud may have to be asked for them."""
        if host in self._helpers:
            return self._helpers[host].basic()
        entries = self._entries()
        for name in _DOCKER_HUB_KEYS if host == DOCKER_HUB else (host, f"https://{host}", f"https://{host}/v2/"):
            entry = entries.get(name)
            if isinstance(entry, Mapping):
                return _basic(entry)
        return ""

    def _entries(self) -> Mapping[str, Any]:
        if self._file is None:
            return {}
        try:
            found = self._file.stat()
            print_ = (found.st_mtime_ns, found.st_size, found.st_ino)
            with self._lock:
                if self._cached[0] != print_:
                    text = self._file.read_text(encoding="utf-8")[:MAX_CREDENTIALS_BYTES]
                    self._cached = (print_, dict(json.loads(text)["auths"]))
                return self._cached[1]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise RegistryRefused(wording.pull_secret_unreadable(type(error).__name__)) from None


def _basic(entry: Mapping[str, Any]) -> str:
    if entry.get("auth"):
        return str(entry["auth"])
    both = f"{entry.get('username') or ''}:{entry.get('password') or ''}"
    return base64.b64encode(both.encode()).decode() if both != ":" else ""


@dataclass(frozen=True, slots=True)
class RegistryPolicy:
    """``registries``: the allowed prefixes of images; empty allows any on the public internet. ``hosts``: other hosts
    that registries can redirect to; a leading ``*.`` includes subdomains. ``architectures``: those of the cluster's
    nodes, all of which an image must support."""

    registries: tuple[str, ...] = ()
    plain_http: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    credentials: DockerCredentials = field(default_factory=lambda: DockerCredentials(None))
    architectures: tuple[str, ...] = ("amd64",)
    by_repository: tuple[tuple[str, DockerCredentials], ...] = ()
    """Credentials for repositories that match a pattern, instead of the others."""

    @staticmethod
    def from_settings(
        settings: Mapping[str, str],
        hosts: Iterable[str] = (),
        architectures: Iterable[str] = (),
        helpers: Mapping[str, RenewedCredentials] = NO_HELPERS,
    ) -> RegistryPolicy:
        """From the settings of a target that runs images."""
        file = settings.get("pull_secret_file", "")
        pairs = pull_secrets.parse(_split_list(settings.get("pull_secrets", "")))
        return RegistryPolicy(
            registries=_split_list(settings.get("registries", "")),
            plain_http=frozenset(_split_list(settings.get("plain_http", ""))),
            hosts=tuple(hosts),
            credentials=DockerCredentials(Path(file) if file else None, helpers),
            architectures=tuple(architectures) or ("amd64",),
            by_repository=tuple((pattern, DockerCredentials(Path(own))) for pattern, own in pairs),
        )

    def for_repository(self, full_name: str) -> RegistryPolicy:
        """With the credentials of that repository only."""
        numbered = [(pattern, str(place)) for place, (pattern, _) in enumerate(self.by_repository)]
        found = pull_secrets.first_match(numbered, full_name)
        return replace(self, credentials=self.by_repository[int(found)][1]) if found else self

    def check_allowed(self, image: ImageReference) -> None:
        if not image_references.is_allowed(self.registries, image):
            raise RegistryRefused(wording.registry_not_allowed(", ".join(self.registries)))

    def is_configured(self, host: str) -> bool:
        """Whether the operator configured this exact host, in whatever network it is."""
        named = {item.partition("/")[0] for item in self.registries} | self.plain_http
        return (
            host in named or (host == DOCKER_HUB and bool(named & set(DOCKER_HUB_NAMES))) or _matches(self.hosts, host)
        )

    def allows_redirect(self, registry: str, host: str) -> bool:
        """Whether that registry can redirect there. Whoever configures the registries configures these, too."""
        known = _matches(DOCKER_HUB_HOSTS, host) if registry == DOCKER_HUB else False
        return host == registry or known or self.is_configured(host) or not self.registries

    def credentials_for(self, registry: str, host: str) -> str:
        """The credentials for the registry that are sent to that host."""
        known = registry == DOCKER_HUB and _matches(DOCKER_HUB_HOSTS, host)
        trusted = host == registry or known or _matches(self.hosts, host)
        found = self.credentials.for_host(registry)
        if found and not trusted:
            raise RegistryRefused(wording.credentials_redirected(host))
        return found


def host_of(image: ImageReference) -> str:
    return DOCKER_HUB if image.host in DOCKER_HUB_NAMES else image.host


def repository_of(image: ImageReference) -> str:
    """In the form that the registry's API uses."""
    official = image.host in DOCKER_HUB_NAMES and "/" not in image.repository
    return f"library/{image.repository}" if official else image.repository


def _matches(patterns: Iterable[str], host: str) -> bool:
    return any(host == item or (item.startswith("*.") and host.endswith(item[1:])) for item in patterns)


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
