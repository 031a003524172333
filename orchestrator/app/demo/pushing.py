"""A registry's API v2, as much of it as CI needs: to ask whether it lets us in, and to push an image."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from orchestrator.app.demo import oci
from orchestrator.app.demo.oci import Image

SECONDS = 60.0


class NotPushed(Exception):
    """The registry did not take it, or did not answer; the message says what it said."""


class Silent(NotPushed):
    """Nothing answers there."""


@dataclass(frozen=True)
class Registry:
    """``url`` without a path. ``user`` and ``password`` for basic authentication; empty: nobody is asked for any."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """With its port: how images are called that lie there."""
        return self.url.partition("://")[2]

    @property
    def plain(self) -> bool:
        return self.url.startswith("http://")

    def check(self) -> None:
        """Raises when it is no registry, or does not let us in."""
        with self._client() as client:
            _asked(client, "GET", "/v2/")

    def push(self, image: Image, repository: str, tag: str) -> str:
        """Gives the manifest's digest. What is there already is not sent again."""
        config, data = image.config, image.manifest()
        with self._client() as client:
            for layer in image.layers:
                if not _has(client, repository, layer.blob["digest"]):
                    _send(client, repository, layer.packed())
            if not _has(client, repository, oci.digest(config)):
                _send(client, repository, config)
            about = {"Content-Type": oci.TYPES["manifest"]}
            _asked(client, "PUT", f"/v2/{repository}/manifests/{tag}", data, about)
        return oci.digest(data)

    def _client(self) -> httpx.Client:
        basic = httpx.BasicAuth(self.user, self.password) if self.user else None
        local = is_private(self.host)
        return httpx.Client(base_url=self.url, auth=basic, timeout=SECONDS, trust_env=not local)


def is_private(host: str) -> bool:
    """Whether it is an address of this machine or of a private network, which no proxy leads to."""
    name = host.rpartition(":")[0] if ":" in host else host
    try:
        return not ipaddress.ip_address(name.strip("[]")).is_global
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _has(client: httpx.Client, repository: str, digest: str) -> bool:
    return _asked(client, "HEAD", f"/v2/{repository}/blobs/{digest}", missing=True).is_success


def _send(client: httpx.Client, repository: str, blob: bytes) -> None:
    begun = _asked(client, "POST", f"/v2/{repository}/blobs/uploads/", b"")
    place = urljoin(str(begun.url), begun.headers.get("Location", ""))
    if urlsplit(place).netloc != begun.url.netloc.decode():
        raise NotPushed(f"{client.base_url} wants it pushed to {urlsplit(place).netloc}; name that registry instead")
    joiner = "&" if "?" in place else "?"
    about = {"Content-Type": "application/octet-stream"}
    _asked(client, "PUT", f"{place}{joiner}digest={oci.digest(blob)}", blob, about)


def _asked(
    client: httpx.Client,
    method: str,
    url: str,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    missing: bool = False,
) -> httpx.Response:
    """``missing``: whether what is not there is an answer, too."""
    try:
        answer = client.request(method, url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Silent(f"{client.base_url} does not answer: {type(error).__name__}: {error}") from error
    if answer.is_success or (missing and answer.status_code == httpx.codes.NOT_FOUND):
        return answer
    raise NotPushed(f"{client.base_url} answers {answer.status_code} to {method} {answer.url.path}: {_why(answer)}")


def _why(answer: httpx.Response) -> str:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        scheme = answer.headers.get("WWW-Authenticate", "").partition(" ")[0]
        return f"it wants to know who asks ({scheme or 'without saying how'})"
    return answer.text[:200].strip() or answer.reason_phrase
