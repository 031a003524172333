"""A registry in three questions, by API v2: which digest has this tag, what is that image, which tags are there.

A digest is believed once the content was seen to have it. What has a digest never changes, so it is read once and
kept; a tag is asked for anew, by HEAD, which is cheap and which public registries do not count as a pull.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

from orchestrator.images import access
from orchestrator.images.access import Access
from orchestrator.images.errors import Absent, Refused
from orchestrator.images.port import Image
from orchestrator.images.tokens import Tokens
from orchestrator.images.wire import Reply, Wire
from programs import images
from programs.images import Reference

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join(INDEXES + MANIFESTS)
MANIFEST_MOST = 4 * 1024**2
CONFIG_MOST = 4 * 1024**2
TAGS_MOST = 2 * 1024**2
PAGES = 20
PER_PAGE = 1000
KEPT = 5000
AGAIN = 5.0
"""Seconds in which the same question has the same answer: many commits may wait for one tag."""
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')
K = TypeVar("K")
V = TypeVar("V")


class Registry:
    """All registries, really: each image names its own. Safe for several threads."""

    def __init__(self, reach: Access, wire: Wire, now: Callable[[], float] = time.monotonic) -> None:
        self._access = reach
        self._wire = wire
        self._tokens = Tokens(reach, wire, now)
        self._images: _Kept[str, Image] = _Kept(now)
        self._digests: _Kept[str, str] = _Kept(now, AGAIN)
        self._tags: _Kept[str, tuple[str, ...]] = _Kept(now, AGAIN)

    def digest(self, image: Reference) -> str:
        """Of the tag that it names."""
        name = f"{image.name}:{image.tag}"
        known = self._digests.get(name)
        return known if known is not None else self._digests.keep(name, self._digest(image))

    def image(self, image: Reference) -> Image:
        """Of the digest that it names: of an index, one of the cluster's architectures speaks for all."""
        name = f"{image.name}@{image.digest}"
        known = self._images.get(name)
        if known is not None:
            return known
        found = self._image(image)
        return found if found.unread else self._images.keep(name, found)

    def tags(self, image: Reference) -> tuple[str, ...]:
        known = self._tags.get(image.name)
        return known if known is not None else self._tags.keep(image.name, self._all_tags(image))

    # --- questions

    def _digest(self, image: Reference) -> str:
        reply = self._ask("HEAD", image, f"manifests/{image.tag}", 0)
        told = reply.headers.get("docker-content-digest", "")
        return told if images.is_digest(told) else _hash(self._ask("GET", image, f"manifests/{image.tag}").body)

    def _image(self, image: Reference) -> Image:
        manifest = self._manifest(image)
        listed = manifest.get("manifests")
        if not isinstance(listed, list):
            return self._single(image, manifest)
        found = dict(_platform(item) for item in reversed(listed) if _platform(item)[0])
        wanted = next((found[name] for name in self._access.architectures if name in found), "")
        if not wanted:
            return Image(frozenset(found))
        one = self._single(image, self._manifest(image.at(wanted)))
        return Image(frozenset(found), one.created, one.labels, one.unread)

    def _single(self, image: Reference, manifest: Mapping[str, Any]) -> Image:
        digest = _at(manifest, "config", "digest")
        if not isinstance(digest, str) or not images.is_digest(digest):
            raise Refused("is of an old kind, without a configuration: push it in OCI's or Docker's second format")
        try:
            reply = self._ask("GET", image, f"blobs/{digest}", CONFIG_MOST)
        except Refused as error:  # It lies elsewhere, where we may not follow: good enough unless somebody asks.
            return Image(frozenset(), unread=str(error))
        if _hash(reply.body) != digest:
            raise Refused(f"cannot be read: what its registry gives for {digest[:19]}… is something else")
        config = _object(reply)
        labels = _at(config, "config", "Labels")
        return Image(
            architectures=frozenset({str(config.get("architecture") or "")}) - {""},
            created=_moment(config.get("created")),
            labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        )

    def _manifest(self, image: Reference) -> Mapping[str, Any]:
        reply = self._ask("GET", image, f"manifests/{image.digest}")
        if _hash(reply.body) != image.digest:
            raise Refused(f"cannot be read: what its registry gives for {image.digest[:19]}… is something else")
        return _object(reply)

    def _all_tags(self, image: Reference) -> tuple[str, ...]:
        found: list[str] = []
        path = f"tags/list?n={PER_PAGE}"
        for _ in range(PAGES):
            reply = self._ask("GET", image, path, TAGS_MOST)
            listed = _object(reply).get("tags")
            found += [tag for tag in listed if isinstance(tag, str) and images.is_tag(tag)] if listed else []
            path = _next(reply, image)
            if not path:
                return tuple(found)
        raise Refused(
            f"cannot be scanned: its repository has more than {PAGES * PER_PAGE} tags; name one by tag_template"
        )

    # --- asking

    def _ask(self, method: str, image: Reference, path: str, most: int = MANIFEST_MOST) -> Reply:
        host = access.host_of(image)
        scheme = "http" if host in self._access.plain_http else "https"
        url = f"{scheme}://{host}/v2/{access.repository_of(image)}/{path}"
        reply = self._once(method, url, image, self._tokens.held(image), most)
        if reply.status == 401:
            header = self._tokens.answer(image, reply.headers.get("www-authenticate", ""))
            reply = self._once(method, url, image, header, most) if header else reply
        return _well(reply, host)

    def _once(self, method: str, url: str, image: Reference, authorization: str, most: int) -> Reply:
        headers = {"Accept": ACCEPT, **({"Authorization": authorization} if authorization else {})}
        return self._wire.ask(method, url, access.host_of(image), headers, most)


class _Kept(Generic[K, V]):
    """The newest answers; ``lasts`` seconds, or for ever."""

    def __init__(self, now: Callable[[], float], lasts: float = float("inf")) -> None:
        self._now, self._lasts = now, lasts
        self._lock = threading.Lock()
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        with self._lock:
            held = self._held.get(key)
        return held[1] if held is not None and held[0] > self._now() else None

    def keep(self, key: K, value: V) -> V:
        with self._lock:
            self._held.pop(key, None)
            self._held[key] = (self._now() + self._lasts, value)
            while len(self._held) > KEPT:
                self._held.popitem(last=False)
        return value


def _well(reply: Reply, host: str) -> Reply:
    match reply.status:
        case 200:
            return reply
        case 401 | 403:
            raise Refused(
                f"cannot be asked for: {host} does not let this server in (the setting kubernetes.pull_secret_file), "
                "or has no such repository"
            )
        case 404:
            raise Absent("is not in its registry")
        case status:
            raise Refused(f"cannot be asked for: {host} answers {status}")


def _platform(item: Any) -> tuple[str, str]:
    """Architecture and digest of one entry of an index; empty for what no Linux node would run."""
    system, architecture = _at(item, "platform", "os"), _at(item, "platform", "architecture")
    digest = _at(item, "digest")
    good = system == "linux" and isinstance(architecture, str) and isinstance(digest, str) and images.is_digest(digest)
    return (architecture, digest) if good else ("", "")


def _next(reply: Reply, image: Reference) -> str:
    """The page after it, of the same list of the same registry, whatever the link says besides."""
    found = _NEXT.search(reply.headers.get("link", ""))
    if not found:
        return ""
    there = urlsplit(urljoin(reply.url, found[1]))
    if there.path != f"/v2/{access.repository_of(image)}/tags/list":
        raise Refused("cannot be scanned: its registry's list of tags goes on elsewhere")
    return f"tags/list?{there.query}"


def _object(reply: Reply) -> Mapping[str, Any]:
    data = reply.json()
    if not isinstance(data, dict):
        raise Refused("cannot be read: its registry answers in another shape than API v2 has")
    return data


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _hash(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
