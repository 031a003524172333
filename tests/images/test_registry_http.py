"""Malicious or broken registries: where a lookup may connect to, how much of a response is read, how long it takes.

S3, S4 (credentials), I2. The host names in an eph.yaml and everything in a response are untrusted.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.images import registry_client as registries
from orchestrator.images import registry_http as wires
from orchestrator.images import wording
from orchestrator.images.errors import ImageNotFound, RegistryError, RegistryRefused, RegistryUnavailable
from orchestrator.images.registry_client import RegistryClient
from orchestrator.images.registry_http import is_public
from orchestrator.images.registry_policy import DOCKER_HUB, DockerCredentials, RegistryPolicy, host_of, repository_of
from orchestrator.images.registry_tokens import Challenge, parse_challenge
from programs import image_references
from tests.images.registry_server import serve, wire

DIGEST = f"sha256:{'b' * 64}"
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class ScriptedRegistry:
    """Its response for each path; the requests, with their Authorization."""

    host: str = ""
    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def respond(self, path: str, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.answers[path] = (status, {key.replace("_", "-"): value for key, value in headers.items()}, body)


@pytest.fixture
def scripted_registry() -> Iterator[ScriptedRegistry]:
    made = ScriptedRegistry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append((self.path, self.headers.get("Authorization", "")))
            found = made.answers.get(self.path, (404, {}, b""))
            status, headers, body = found() if callable(found) else found
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with serve(Handler) as made.host:
        yield made


class ClientUnderTest:
    def __init__(self, *hosts: str, **access: Any) -> None:
        self.seconds = 0.0
        self.access = RegistryPolicy(plain_http=frozenset(hosts), **access)
        self.registry = RegistryClient(self.access, wire(self.access, lambda: self.seconds), lambda: self.seconds)


def words(sentence: str) -> str:
    return re.escape(sentence)


def reference(host: str, tag: str = "1") -> image_references.ImageReference:
    return image_references.parse(f"{host}/acme/shop:{tag}")


MANIFEST = "/v2/acme/shop/manifests/1"


def test_private_hosts_are_contacted_only_if_configured(scripted_registry: ScriptedRegistry) -> None:
    """A pull request that names an address in the server's own network learns nothing about it."""
    scripted_registry.respond(MANIFEST, Docker_Content_Digest=DIGEST)
    port = scripted_registry.host.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "169.254.169.254", "10.0.0.1", "[::1]:5000"):
        private = image_references.ImageReference(host, "acme/shop", "1")
        with pytest.raises(RegistryRefused, match=words(wording.private_network(""))):
            ClientUnderTest().registry.digest(private)
    assert scripted_registry.requests == []
    assert ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host)) == DIGEST


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1%eth0", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_connects_to_the_address_that_was_checked(scripted_registry: ScriptedRegistry) -> None:
    """DNS may return another address in between (rebinding): the address that was checked is the one that is used."""
    judged: list[str] = []
    port = scripted_registry.host.rpartition(":")[2]

    def judge(address: str) -> bool:
        judged.append(address)
        return True

    with pytest.raises(
        RegistryUnavailable, match=words(wording.no_response(f"localhost:{port}", "ConnectError"))
    ):  # TLS, which this server doesn't support
        wire(RegistryPolicy(), is_public_address=judge).request(
            "GET", f"https://localhost:{port}/v2/", "localhost", {}, 10
        )
    assert set(judged) <= {"127.0.0.1", "::1"}
    assert judged


def test_without_tls_only_configured_registries(scripted_registry: ScriptedRegistry) -> None:
    scripted_registry.respond(MANIFEST, 302, Location="http://registry.test/elsewhere")
    with pytest.raises(RegistryRefused, match=words(wording.no_tls("registry.test"))):
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))


def test_redirects_stay_within_allowed_hosts_and_carry_no_secret(
    scripted_registry: ScriptedRegistry, tmp_path: Path
) -> None:
    here, there = scripted_registry.host, scripted_registry.host.replace("127.0.0.1", "localhost")
    config = json.dumps({"architecture": "amd64", "config": {"Labels": {"a": "b"}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = json.dumps({"config": {"digest": digest}}).encode()
    pinned = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    scripted_registry.respond(f"/v2/acme/shop/manifests/{pinned}", body=manifest)
    scripted_registry.respond(f"/v2/acme/shop/blobs/{digest}", 307, Location=f"http://{there}/store")
    scripted_registry.respond("/store", body=config)
    open_ = ClientUnderTest(here, there)
    open_.registry._tokens._cache(reference(here), "Bearer secret", 1000)
    assert open_.registry.image(reference(here).with_digest(pinned)).labels == {"a": "b"}
    assert scripted_registry.requests[-2:] == [(f"/v2/acme/shop/blobs/{digest}", "Bearer secret"), ("/store", "")]
    scripted_registry.respond(f"/v2/acme/shop/blobs/{digest}", 307, Location="https://localhost/store")
    listed = RegistryPolicy(registries=(here,), plain_http=frozenset({here}))
    found = RegistryClient(listed, wire(listed)).image(reference(here).with_digest(pinned))
    assert found.unread_reason == wording.redirect_not_allowed("localhost")


@pytest.mark.parametrize(
    "location",
    ["http://", "https://user:secret@registry.test/x", "ftp://registry.test/x", "file:///etc/passwd", "//[::"],
)
def test_invalid_redirect_is_rejected(scripted_registry: ScriptedRegistry, location: str) -> None:
    scripted_registry.respond(MANIFEST, 302, Location=location)
    with pytest.raises(RegistryError):
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))


def test_redirects_are_limited(scripted_registry: ScriptedRegistry) -> None:
    scripted_registry.respond(MANIFEST, 302, Location=MANIFEST)
    with pytest.raises(RegistryRefused, match=words(wording.redirects_endlessly(scripted_registry.host))):
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))


def test_retry_after_is_obeyed(scripted_registry: ScriptedRegistry) -> None:
    scripted_registry.respond(MANIFEST, 429, Retry_After="120")
    client = ClientUnderTest(scripted_registry.host)
    with pytest.raises(
        RegistryUnavailable, match=words(wording.asks_to_wait_with(scripted_registry.host, 429))
    ) as first:
        client.registry.digest(reference(scripted_registry.host))
    assert first.value.retry_after == 120
    scripted_registry.respond(MANIFEST, Docker_Content_Digest=DIGEST)
    client.seconds += 119
    with pytest.raises(RegistryUnavailable) as second:
        client.registry.digest(reference(scripted_registry.host, "2"))
    assert (second.value.retry_after, len(scripted_registry.requests)) == (1, 1), "nothing was sent"
    client.seconds += 1
    assert client.registry.digest(reference(scripted_registry.host)) == DIGEST


@pytest.mark.parametrize(("told", "pause"), [("", 30), ("soon", 30), ("999999999999", 3600), ("-5", 30)])
def test_delay_is_limited_whatever_is_requested(scripted_registry: ScriptedRegistry, told: str, pause: float) -> None:
    headers = {"Retry_After": told} if told else {}
    scripted_registry.respond(MANIFEST, 429, b"", **headers)
    with pytest.raises(RegistryUnavailable) as error:
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))
    assert error.value.retry_after == pause


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (404, ImageNotFound, lambda _: wording.NOT_IN_REGISTRY),
        (401, RegistryRefused, wording.access_denied),
        (403, RegistryRefused, wording.access_denied),
        (400, RegistryRefused, lambda host: wording.responds_with(host, 400)),
        (500, RegistryUnavailable, lambda host: wording.unavailable(host, 500)),
        (503, RegistryUnavailable, lambda host: wording.unavailable(host, 503)),
    ],
)
def test_each_status_has_its_meaning(
    scripted_registry: ScriptedRegistry, status: int, kind: type[RegistryError], sentence: Callable[[str], str]
) -> None:
    scripted_registry.respond(MANIFEST, status)
    with pytest.raises(kind, match=words(sentence(scripted_registry.host))) as error:
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))
    assert type(error.value) is kind


def test_response_size_is_limited(scripted_registry: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_registry.respond(f"/v2/acme/shop/manifests/{DIGEST}", body=b" " * (registries.MAX_MANIFEST_BYTES + 1))
    client = ClientUnderTest(scripted_registry.host)
    with pytest.raises(RegistryRefused, match=words(wording.response_too_large(4194304))):
        client.registry.image(reference(scripted_registry.host).with_digest(DIGEST))

    def drip() -> Answer:
        client.seconds += wires.REQUEST_SECONDS + 1
        return 200, {}, b"{}"

    scripted_registry.answers[f"/v2/acme/shop/tags/list?n={registries.PER_PAGE}"] = drip
    with pytest.raises(RegistryUnavailable, match=words(wording.timed_out(scripted_registry.host))):
        client.registry.tags(reference(scripted_registry.host))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"config": 7}', b'{"config": {"digest": "x"}}']
)
def test_invalid_manifest_is_rejected_with_a_message(scripted_registry: ScriptedRegistry, body: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    scripted_registry.respond(f"/v2/acme/shop/manifests/{digest}", body=body)
    with pytest.raises(RegistryRefused):
        ClientUnderTest(scripted_registry.host).registry.image(reference(scripted_registry.host).with_digest(digest))


def test_content_that_does_not_match_its_digest_is_rejected(scripted_registry: ScriptedRegistry) -> None:
    scripted_registry.respond(f"/v2/acme/shop/manifests/{DIGEST}", body=b'{"config": {}}')
    with pytest.raises(RegistryRefused, match=words(wording.digest_differs(DIGEST[:19]))):
        ClientUnderTest(scripted_registry.host).registry.image(reference(scripted_registry.host).with_digest(DIGEST))


def test_manifest_is_requested_if_the_registry_sends_no_digest(scripted_registry: ScriptedRegistry) -> None:
    scripted_registry.respond(MANIFEST, body=b"{}")
    assert (
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))
        == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    )


def test_pages_of_tags_are_followed_within_the_list(
    scripted_registry: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "/v2/acme/shop/tags/list?n=1000", "/v2/acme/shop/tags/list?n=1000&last=b"
    scripted_registry.respond(first, body=b'{"tags": ["a", "b", 7, "no tag"]}', Link=f'<{second}>; rel="next"')
    scripted_registry.respond(second, body=b'{"tags": ["c"]}')
    assert ClientUnderTest(scripted_registry.host).registry.tags(reference(scripted_registry.host)) == ("a", "b", "c")
    scripted_registry.respond(first, body=b'{"tags": null}')
    assert ClientUnderTest(scripted_registry.host).registry.tags(reference(scripted_registry.host)) == ()
    scripted_registry.respond(first, body=b"{}", Link='</v2/other/tags/list?n=1>; rel="next"')
    with pytest.raises(RegistryRefused, match=words(wording.TAGS_ON_OTHER_HOST)):
        ClientUnderTest(scripted_registry.host).registry.tags(reference(scripted_registry.host))
    scripted_registry.respond(first, body=b"{}", Link=f'<{first}>; rel="next"')
    with pytest.raises(RegistryRefused, match=words(wording.too_many_tags(20000))):
        ClientUnderTest(scripted_registry.host).registry.tags(reference(scripted_registry.host))


def test_challenge_cannot_request_more_than_pull(scripted_registry: ScriptedRegistry) -> None:
    realm = f"http://{scripted_registry.host}/token"
    scripted_registry.respond(
        MANIFEST, 401, WWW_Authenticate=f'Bearer realm="{realm}",service="r",scope="registry:catalog:*"'
    )
    scripted_registry.respond(
        "/token?scope=repository%3Aacme%2Fshop%3Apull&service=r", body=b'{"access_token": "good"}'
    )
    with pytest.raises(RegistryRefused):
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))
    assert scripted_registry.requests[1:] == [
        ("/token?scope=repository%3Aacme%2Fshop%3Apull&service=r", ""),
        (MANIFEST, "Bearer good"),
    ]


@pytest.mark.parametrize("token", [b"", b"{}", b"[]", b'{"token": 7}', b'{"token": "a\\r\\nX-Evil: 1"}'])
def test_invalid_token_is_rejected(scripted_registry: ScriptedRegistry, token: bytes) -> None:
    scripted_registry.respond(MANIFEST, 401, WWW_Authenticate=f'Bearer realm="http://{scripted_registry.host}/token"')
    scripted_registry.respond("/token?scope=repository%3Aacme%2Fshop%3Apull", body=token)
    with pytest.raises(RegistryRefused):
        ClientUnderTest(scripted_registry.host).registry.digest(reference(scripted_registry.host))


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ('Bearer realm="https://a/t",service="s",scope="x"', Challenge("https://a/t", "s")),
        ("bearer realm=https://a/t, service=s", Challenge("https://a/t", "s")),
        ('Basic realm="x", Bearer realm="https://a/t"', Challenge("https://a/t", "")),
        ('Basic realm="x"', Challenge()),
        ("Bearer", None),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_challenges(header: str, challenge: Challenge | None) -> None:
    assert parse_challenge(header) == challenge


def test_docker_hub_has_many_names_and_one_host(tmp_path: Path) -> None:
    file = tmp_path / "docker.json"
    file.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"}}}))
    for text in ("acme/shop:1", "docker.io/acme/shop:1"):
        assert (host_of(image_references.parse(text)), repository_of(image_references.parse(text))) == (
            DOCKER_HUB,
            "acme/shop",
        )
    assert repository_of(image_references.parse("postgres")) == "library/postgres"
    access = RegistryPolicy(registries=("docker.io/acme",), credentials=DockerCredentials(file))
    assert access.credentials_for(DOCKER_HUB, "auth.docker.io") == "dTpw"
    assert access.allows_redirect(DOCKER_HUB, "production.cloudflare.docker.com")
    assert not access.allows_redirect(DOCKER_HUB, "evil.test")
    with pytest.raises(RegistryRefused, match=words(wording.credentials_redirected("evil.test"))):
        access.credentials_for(DOCKER_HUB, "evil.test")


def test_only_registries_that_the_server_allows() -> None:
    """Y4: with a reason that lists them."""
    access = RegistryPolicy(registries=("registry.test/acme",))
    access.check_allowed(image_references.parse("registry.test/acme/shop"))
    for other in ("registry.test/acme-evil/shop", "registry.test.evil/acme/shop", "acme/shop"):
        with pytest.raises(RegistryRefused, match=words(wording.registry_not_allowed("registry.test/acme"))):
            access.check_allowed(image_references.parse(other))


def test_slow_registry_times_out(scripted_registry: ScriptedRegistry) -> None:
    def late() -> Answer:
        time.sleep(0.3)
        return 200, {"Docker-Content-Digest": DIGEST}, b""

    scripted_registry.answers[MANIFEST] = late
    policy = RegistryPolicy(plain_http=frozenset({scripted_registry.host}))
    registry = RegistryClient(policy, wire(policy, timeout=httpx.Timeout(0.05)))
    with pytest.raises(RegistryUnavailable, match=words(wording.timed_out(scripted_registry.host))):
        registry.digest(reference(scripted_registry.host))
