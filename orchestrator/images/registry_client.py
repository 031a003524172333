"""A client for registries by API v2: the digest of a tag, the metadata of an image, the list of tags.

A digest is trusted once the content was verified against it. Content with a digest never changes, so it is read once
and cached. A tag is queried each time, by HEAD, which is cheap and doesn't count as a pull at public registries.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from orchestrator.images import registry_policy, wording
from orchestrator.images.errors import ImageNotFound, RegistryRefused
from orchestrator.images.port import ImageInfo
from orchestrator.images.registry_http import HttpReply, RegistryHttp
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.images.registry_tokens import RegistryTokens
from programs import image_references
from programs.image_references import ImageReference
from programs.kit.caches import BoundedCache, ExpiringCache

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join(INDEXES + MANIFESTS)
MAX_MANIFEST_BYTES = 4 * 1024**2
MAX_CONFIG_BYTES = 4 * 1024**2
MAX_TAGS_BYTES = 2 * 1024**2
MAX_PAGES = 20
PER_PAGE = 1000
MAX_CACHED = 5000
TAG_CACHE_SECONDS = 5.0
"""Seconds for which responses are cached, because many commits may wait for one tag."""
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')
K = TypeVar("K")
V = TypeVar("V")


class RegistryClient:
    """A client for all registries: each image names its own. Thread-safe."""

    def __init__(self, policy: RegistryPolicy, http: RegistryHttp, now: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._http = http
        self._tokens = RegistryTokens(policy, http, now)
        self._images: BoundedCache[str, ImageInfo] = BoundedCache(MAX_CACHED)
        self._digests: ExpiringCache[str, str] = ExpiringCache(MAX_CACHED, TAG_CACHE_SECONDS, now)
        self._tags: ExpiringCache[str, tuple[str, ...]] = ExpiringCache(MAX_CACHED, TAG_CACHE_SECONDS, now)

    def digest(self, image: ImageReference) -> str:
        """The digest of its tag."""
        name = f"{image.name}:{image.tag}"
        known = self._digests.get(name)
        return known if known is not None else self._digests.put(name, self._digest(image))

    def image(self, image: ImageReference) -> ImageInfo:
        """The image with its digest. For an index, one of the cluster's architectures represents all."""
        name = f"{image.name}@{image.digest}"
        known = self._images.get(name)
        if known is not None:
            return known
        found = self._image(image)
        return found if found.unread_reason else self._images.put(name, found)

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        known = self._tags.get(image.name)
        return known if known is not None else self._tags.put(image.name, self._all_tags(image))

    # --- questions

    def _digest(self, image: ImageReference) -> str:
        reply = self._request("HEAD", image, f"manifests/{image.tag}", 0)
        header_digest = reply.headers.get("docker-content-digest", "")
        return (
            header_digest
            if image_references.is_digest(header_digest)
            else _hash(self._request("GET", image, f"manifests/{image.tag}").body)
        )

    def _image(self, image: ImageReference) -> ImageInfo:
        manifest = self._manifest(image)
        listed = manifest.get("manifests")
        if not isinstance(listed, list):
            return self._single(image, manifest)
        found = dict(_platform(item) for item in reversed(listed) if _platform(item)[0])
        wanted = next((found[name] for name in self._policy.architectures if name in found), "")
        if not wanted:
            return ImageInfo(frozenset(found))
        one = self._single(image, self._manifest(image.with_digest(wanted)))
        return ImageInfo(frozenset(found), one.created, one.labels, one.unread_reason)

    def _single(self, image: ImageReference, manifest: Mapping[str, Any]) -> ImageInfo:
        digest = _dig(manifest, "config", "digest")
        if not isinstance(digest, str) or not image_references.is_digest(digest):
            raise RegistryRefused(wording.OLD_FORMAT)
        try:
            reply = self._request("GET", image, f"blobs/{digest}", MAX_CONFIG_BYTES)
        except (
            RegistryRefused
        ) as error:  # It is stored on a host that we may not contact: acceptable unless the details are needed.
            return ImageInfo(frozenset(), unread_reason=str(error))
        if _hash(reply.body) != digest:
            raise RegistryRefused(wording.digest_differs(digest[:19]))
        config = _json_object(reply)
        labels = _dig(config, "config", "Labels")
        return ImageInfo(
            architectures=frozenset({str(config.get("architecture") or "")}) - {""},
            created=_time(config.get("created")),
            labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        )

    def _manifest(self, image: ImageReference) -> Mapping[str, Any]:
        reply = self._request("GET", image, f"manifests/{image.digest}")
        if _hash(reply.body) != image.digest:
            raise RegistryRefused(wording.digest_differs(image.digest[:19]))
        return _json_object(reply)

    def _all_tags(self, image: ImageReference) -> tuple[str, ...]:
        found: list[str] = []
        path = f"tags/list?n={PER_PAGE}"
        for _ in range(MAX_PAGES):
            reply = self._request("GET", image, path, MAX_TAGS_BYTES)
            listed = _json_object(reply).get("tags")
            found += [tag for tag in listed if isinstance(tag, str) and image_references.is_tag(tag)] if listed else []
            path = _next_page(reply, image)
            if not path:
                return tuple(found)
        raise RegistryRefused(wording.too_many_tags(MAX_PAGES * PER_PAGE))

    # --- asking

    def _request(self, method: str, image: ImageReference, path: str, max_bytes: int = MAX_MANIFEST_BYTES) -> HttpReply:
        host = registry_policy.host_of(image)
        scheme = "http" if host in self._policy.plain_http else "https"
        url = f"{scheme}://{host}/v2/{registry_policy.repository_of(image)}/{path}"
        reply = self._request_once(method, url, image, self._tokens.cached_header(image), max_bytes)
        if reply.status == 401:
            header = self._tokens.authenticate(image, reply.headers.get("www-authenticate", ""))
            reply = self._request_once(method, url, image, header, max_bytes) if header else reply
        return _check_status(reply, host)

    def _request_once(
        self, method: str, url: str, image: ImageReference, authorization: str, max_bytes: int
    ) -> HttpReply:
        headers = {"Accept": ACCEPT, **({"Authorization": authorization} if authorization else {})}
        return self._http.request(method, url, registry_policy.host_of(image), headers, max_bytes)


def _check_status(reply: HttpReply, host: str) -> HttpReply:
    match reply.status:
        case 200:
            return reply
        case 401 | 403:
            raise RegistryRefused(wording.access_denied(host))
        case 404:
            raise ImageNotFound(wording.NOT_IN_REGISTRY)
        case status:
            raise RegistryRefused(wording.responds_with(host, status))


def _platform(item: Any) -> tuple[str, str]:
    """Architecture and digest of one entry of an index; empty for entries that no Linux node can run."""
    system, architecture = _dig(item, "platform", "os"), _dig(item, "platform", "architecture")
    digest = _dig(item, "digest")
    good = (
        system == "linux"
        and isinstance(architecture, str)
        and isinstance(digest, str)
        and image_references.is_digest(digest)
    )
    return (architecture, digest) if good else ("", "")


def _next_page(reply: HttpReply, image: ImageReference) -> str:
    """The next page, from the same list of the same registry, whatever else the link contains."""
    found = _NEXT.search(reply.headers.get("link", ""))
    if not found:
        return ""
    next_url = urlsplit(urljoin(reply.url, found[1]))
    if next_url.path != f"/v2/{registry_policy.repository_of(image)}/tags/list":
        raise RegistryRefused(wording.TAGS_ON_OTHER_HOST)
    return f"tags/list?{next_url.query}"


def _json_object(reply: HttpReply) -> Mapping[str, Any]:
    data = reply.json()
    if not isinstance(data, dict):
        raise RegistryRefused(wording.NOT_API_V2)
    return data


def _dig(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _hash(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
