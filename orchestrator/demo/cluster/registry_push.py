"""A registry's API v2, as much of it as CI needs: to ask whether it lets us in, and to push an image."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from orchestrator.demo.cluster import oci
from orchestrator.demo.cluster.oci import OciImage

REGISTRY_TIMEOUT = 60.0


class PushFailed(Exception):
    """The registry did not take it, or did not answer; the message says what it said."""


class RegistryUnreachable(PushFailed):
    """Nothing answers there."""


@dataclass(frozen=True)
class DemoRegistry:
    """``url`` without a path. ``user`` and ``password`` for basic authentication; empty: nobody is asked for any."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """With its port: how images are called that lie there."""
        return self.url.partition("://")[2]

    @property
    def plain_http(self) -> bool:
        return self.url.startswith("http://")

    def check(self) -> None:
        """Raises when it is no registry, or does not let us in."""
        with self._client() as client:
            _request(client, "GET", "/v2/")

    def push(self, image: OciImage, repository: str, tag: str) -> str:
        """Gives the manifest's digest. What is there already is not sent again."""
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
    """Whether it is an address of this machine or of a private network, which no proxy leads to."""
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
        raise PushFailed(f"{client.base_url} wants it pushed to {urlsplit(place).netloc}; name that registry instead")
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
    """``allow_missing``: whether what is not there is an answer, too."""
    try:
        answer = client.request(method, url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegistryUnreachable(f"{client.base_url} does not answer: {type(error).__name__}: {error}") from error
    if answer.is_success or (allow_missing and answer.status_code == httpx.codes.NOT_FOUND):
        return answer
    raise PushFailed(
        f"{client.base_url} answers {answer.status_code} to {method} {answer.url.path}: {_rejection_reason(answer)}"
    )


def _rejection_reason(answer: httpx.Response) -> str:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        scheme = answer.headers.get("WWW-Authenticate", "").partition(" ")[0]
        return f"it wants to know who asks ({scheme or 'without saying how'})"
    return answer.text[:200].strip() or answer.reason_phrase
