"""The part of a registry's API v2 that CI needs: check access, and push an image."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from orchestrator.demo.cluster import oci, wording
from orchestrator.demo.cluster.oci import OciImage

REGISTRY_TIMEOUT = 60.0


class PushFailed(Exception):
    """The registry rejected the push or didn't respond; the message contains its response."""


class RegistryUnreachable(PushFailed):
    """The registry doesn't respond."""


@dataclass(frozen=True)
class DemoRegistry:
    """``url`` has no path. An empty ``user`` means no authentication; otherwise basic authentication is used."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """Host and port, as in image names."""
        return self.url.partition("://")[2]

    @property
    def plain_http(self) -> bool:
        return self.url.startswith("http://")

    def check(self) -> None:
        """Raise if this isn't a registry, or if it denies access."""
        with self._client() as client:
            _request(client, "GET", "/v2/")

    def push(self, image: OciImage, repository: str, tag: str) -> str:
        """Push an image and return its digest. Blobs that the registry has are skipped."""
        config, data = image.config, image.manifest()
        with self._client() as client:
            for layer in image.layers:
                if not _has_blob(client, repository, layer.blob["digest"]):
                    _upload_blob(client, repository, layer.tar_bytes())
            if not _has_blob(client, repository, oci.digest(config)):
                _upload_blob(client, repository, config)
            about = {"Content-Type": oci.MEDIA_TYPES["manifest"]}
            _request(client, "PUT", f"/v2/{repository}/manifests/{tag}", data, about)
        return oci.digest(data)

    def _client(self) -> httpx.Client:
        basic = httpx.BasicAuth(self.user, self.password) if self.user else None
        local = is_private(self.host)
        return httpx.Client(base_url=self.url, auth=basic, timeout=REGISTRY_TIMEOUT, trust_env=not local)


def is_private(host: str) -> bool:
    """Whether the address belongs to this machine or a private network, which a proxy can't reach."""
    name = host.rpartition(":")[0] if ":" in host else host
    try:
        return not ipaddress.ip_address(name.strip("[]")).is_global
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _has_blob(client: httpx.Client, repository: str, digest: str) -> bool:
    return _request(client, "HEAD", f"/v2/{repository}/blobs/{digest}", allow_missing=True).is_success


def _upload_blob(client: httpx.Client, repository: str, blob: bytes) -> None:
    begun = _request(client, "POST", f"/v2/{repository}/blobs/uploads/", b"")
    place = urljoin(str(begun.url), begun.headers.get("Location", ""))
    if urlsplit(place).netloc != begun.url.netloc.decode():
        raise PushFailed(wording.upload_elsewhere(client.base_url, urlsplit(place).netloc))
    joiner = "&" if "?" in place else "?"
    about = {"Content-Type": "application/octet-stream"}
    _request(client, "PUT", f"{place}{joiner}digest={oci.digest(blob)}", blob, about)


def _request(
    client: httpx.Client,
    method: str,
    url: str,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    allow_missing: bool = False,
) -> httpx.Response:
    """``allow_missing``: return a 404 response instead of raising."""
    try:
        answer = client.request(method, url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegistryUnreachable(wording.unreachable(client.base_url, error)) from error
    if answer.is_success or (allow_missing and answer.status_code == httpx.codes.NOT_FOUND):
        return answer
    reason = _rejection_reason(answer)
    raise PushFailed(wording.registry_answered(client.base_url, answer.status_code, method, answer.url.path, reason))


def _rejection_reason(answer: httpx.Response) -> str:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        scheme = answer.headers.get("WWW-Authenticate", "").partition(" ")[0]
        return wording.authentication_required(scheme)
    return answer.text[:200].strip() or answer.reason_phrase
