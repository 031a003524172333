"""Registries that mean harm, or are unwell: where a look-up may lead, how much of an answer is read, how long it takes.

S3, S4 (credentials), I2. The host names in an eph.yaml and everything in an answer are somebody else's.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.images import registry as registries
from orchestrator.images import wire as wires
from orchestrator.images.access import HUB, Access, Credentials, host_of, repository_of
from orchestrator.images.errors import Absent, Refused, RegistryError, Unavailable
from orchestrator.images.registry import Registry
from orchestrator.images.tokens import Challenge, read
from orchestrator.images.wire import is_public
from programs import images
from tests.images.registries import serving, wire

DIGEST = f"sha256:{'b' * 64}"
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Script:
    """What it answers to each path; what it was asked, with which Authorization."""

    host: str = ""
    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def says(self, path: str, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.answers[path] = (status, {key.replace("_", "-"): value for key, value in headers.items()}, body)


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, self.headers.get("Authorization", "")))
            found = made.answers.get(self.path, (404, {}, b""))
            status, headers, body = found() if callable(found) else found
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name is the standard library's

        def log_message(self, *_: object) -> None:
            """Silent."""

    with serving(Handler) as made.host:
        yield made


class Client:
    def __init__(self, *hosts: str, **access: object) -> None:
        self.seconds = 0.0
        self.access = Access(plain_http=frozenset(hosts), **access)
        self.registry = Registry(self.access, wire(self.access, lambda: self.seconds), lambda: self.seconds)


def image(host: str, tag: str = "1") -> images.Reference:
    return images.parse(f"{host}/acme/shop:{tag}")


MANIFEST = "/v2/acme/shop/manifests/1"


def test_private_hosts_are_asked_only_when_the_operator_names_them(script: Script) -> None:
    """A pull request that names an address of the server's own network learns nothing of it."""
    script.says(MANIFEST, Docker_Content_Digest=DIGEST)
    port = script.host.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "169.254.169.254", "10.0.0.1", "[::1]:5000"):
        reference = images.Reference(host, "acme/shop", "1")
        with pytest.raises(Refused, match="lies in a private network"):
            Client().registry.digest(reference)
    assert script.asked == []
    assert Client(script.host).registry.digest(image(script.host)) == DIGEST


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
        ("0.0.0.0", False),  # noqa: S104 - an address that is judged
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1%eth0", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_name_is_connected_to_at_the_address_that_was_looked_at(script: Script) -> None:
    """It may turn to another address in between (rebinding): the one that was judged is the one that is asked."""
    judged: list[str] = []

    def judge(address: str) -> bool:
        judged.append(address)
        return True

    with pytest.raises(Unavailable, match="does not answer"):  # TLS, which this server does not speak
        wire(Access(), public=judge).ask(
            "GET", f"https://localhost:{script.host.rpartition(':')[2]}/v2/", "localhost", {}, 10
        )
    assert set(judged) <= {"127.0.0.1", "::1"}
    assert judged


def test_without_tls_only_whom_the_operator_says_so_of(script: Script) -> None:
    script.says(MANIFEST, 302, Location="http://registry.test/elsewhere")
    with pytest.raises(Refused, match=r"not reached by TLS \(the setting kubernetes.plain_http\)"):
        Client(script.host).registry.digest(image(script.host))


def test_redirects_lead_only_where_they_may_and_carry_no_secret(script: Script, tmp_path: Path) -> None:
    here, there = script.host, script.host.replace("127.0.0.1", "localhost")
    config = json.dumps({"architecture": "amd64", "config": {"Labels": {"a": "b"}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = json.dumps({"config": {"digest": digest}}).encode()
    pinned = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    script.says(f"/v2/acme/shop/manifests/{pinned}", body=manifest)
    script.says(f"/v2/acme/shop/blobs/{digest}", 307, Location=f"http://{there}/store")
    script.says("/store", body=config)
    open_ = Client(here, there)
    open_.registry._tokens._keep(image(here), "Bearer secret", 1000)
    assert open_.registry.image(image(here).at(pinned)).labels == {"a": "b"}
    assert script.asked[-2:] == [(f"/v2/acme/shop/blobs/{digest}", "Bearer secret"), ("/store", "")]
    script.says(f"/v2/acme/shop/blobs/{digest}", 307, Location="https://localhost/store")
    listed = Access(registries=(here,), plain_http=frozenset({here}))
    found = Registry(listed, wire(listed)).image(image(here).at(pinned))
    assert "sends us to localhost" in found.unread
    assert "images.hosts" in found.unread


@pytest.mark.parametrize(
    "location",
    ["http://", "https://user:secret@registry.test/x", "ftp://registry.test/x", "file:///etc/passwd", "//[::"],
)
def test_a_redirect_to_what_is_no_place_is_refused(script: Script, location: str) -> None:
    script.says(MANIFEST, 302, Location=location)
    with pytest.raises(RegistryError):
        Client(script.host).registry.digest(image(script.host))


def test_redirects_end(script: Script) -> None:
    script.says(MANIFEST, 302, Location=MANIFEST)
    with pytest.raises(Refused, match="without end"):
        Client(script.host).registry.digest(image(script.host))


def test_patience_is_kept_once_it_is_asked_for(script: Script) -> None:
    script.says(MANIFEST, 429, Retry_After="120")
    client = Client(script.host)
    with pytest.raises(Unavailable, match="asks for patience") as first:
        client.registry.digest(image(script.host))
    assert first.value.pause == 120
    script.says(MANIFEST, Docker_Content_Digest=DIGEST)
    client.seconds += 119
    with pytest.raises(Unavailable) as second:
        client.registry.digest(image(script.host, "2"))
    assert (second.value.pause, len(script.asked)) == (1, 1), "nothing was sent"
    client.seconds += 1
    assert client.registry.digest(image(script.host)) == DIGEST


@pytest.mark.parametrize(("told", "pause"), [("", 30), ("soon", 30), ("999999999999", 3600), ("-5", 30)])
def test_how_long_is_bounded_whatever_is_asked(script: Script, told: str, pause: float) -> None:
    script.says(MANIFEST, 429, **({"Retry_After": told} if told else {}))
    with pytest.raises(Unavailable) as error:
        Client(script.host).registry.digest(image(script.host))
    assert error.value.pause == pause


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, Absent, "is not in its registry"),
        (401, Refused, "does not let this server in"),
        (403, Refused, "does not let this server in"),
        (400, Refused, "answers 400"),
        (500, Unavailable, "answers 500"),
        (503, Unavailable, "answers 503"),
    ],
)
def test_each_answer_means_what_it_says(script: Script, status: int, kind: type[RegistryError], words: str) -> None:
    script.says(MANIFEST, status)
    with pytest.raises(kind, match=words) as error:
        Client(script.host).registry.digest(image(script.host))
    assert type(error.value) is kind


def test_no_more_is_read_than_is_worth_reading(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script.says(f"/v2/acme/shop/manifests/{DIGEST}", body=b" " * (registries.MANIFEST_MOST + 1))
    client = Client(script.host)
    with pytest.raises(Refused, match="more than 4194304 bytes"):
        client.registry.image(image(script.host).at(DIGEST))

    def drip() -> Answer:
        client.seconds += wires.SECONDS + 1
        return 200, {}, b"{}"

    script.answers[f"/v2/acme/shop/tags/list?n={registries.PER_PAGE}"] = drip
    with pytest.raises(Unavailable, match="does not answer in time"):
        client.registry.tags(image(script.host))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"config": 7}', b'{"config": {"digest": "x"}}']
)
def test_what_is_no_manifest_is_refused_in_words(script: Script, body: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    script.says(f"/v2/acme/shop/manifests/{digest}", body=body)
    with pytest.raises(Refused):
        Client(script.host).registry.image(image(script.host).at(digest))


def test_content_that_is_not_what_its_digest_says_is_not_believed(script: Script) -> None:
    script.says(f"/v2/acme/shop/manifests/{DIGEST}", body=b'{"config": {}}')
    with pytest.raises(Refused, match="is something else"):
        Client(script.host).registry.image(image(script.host).at(DIGEST))


def test_a_registry_that_tells_no_digest_is_asked_for_the_manifest_itself(script: Script) -> None:
    script.says(MANIFEST, body=b"{}")
    assert Client(script.host).registry.digest(image(script.host)) == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"


def test_pages_of_tags_are_followed_within_the_list(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = "/v2/acme/shop/tags/list?n=1000", "/v2/acme/shop/tags/list?n=1000&last=b"
    script.says(first, body=b'{"tags": ["a", "b", 7, "no tag"]}', Link=f'<{second}>; rel="next"')
    script.says(second, body=b'{"tags": ["c"]}')
    assert Client(script.host).registry.tags(image(script.host)) == ("a", "b", "c")
    script.says(first, body=b'{"tags": null}')
    assert Client(script.host).registry.tags(image(script.host)) == ()
    script.says(first, body=b"{}", Link='</v2/other/tags/list?n=1>; rel="next"')
    with pytest.raises(Refused, match="goes on elsewhere"):
        Client(script.host).registry.tags(image(script.host))
    script.says(first, body=b"{}", Link=f'<{first}>; rel="next"')
    with pytest.raises(Refused, match="more than 20000 tags"):
        Client(script.host).registry.tags(image(script.host))


def test_a_challenge_cannot_talk_us_into_more_than_to_pull(script: Script) -> None:
    realm = f"http://{script.host}/token"
    script.says(MANIFEST, 401, WWW_Authenticate=f'Bearer realm="{realm}",service="r",scope="registry:catalog:*"')
    script.says("/token?scope=repository%3Aacme%2Fshop%3Apull&service=r", body=b'{"access_token": "good"}')
    with pytest.raises(Refused):
        Client(script.host).registry.digest(image(script.host))
    assert script.asked[1:] == [
        ("/token?scope=repository%3Aacme%2Fshop%3Apull&service=r", ""),
        (MANIFEST, "Bearer good"),
    ]


@pytest.mark.parametrize("token", [b"", b"{}", b"[]", b'{"token": 7}', b'{"token": "a\\r\\nX-Evil: 1"}'])
def test_a_token_that_is_none_is_refused(script: Script, token: bytes) -> None:
    script.says(MANIFEST, 401, WWW_Authenticate=f'Bearer realm="http://{script.host}/token"')
    script.says("/token?scope=repository%3Aacme%2Fshop%3Apull", body=token)
    with pytest.raises(Refused):
        Client(script.host).registry.digest(image(script.host))


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
    assert read(header) == challenge


def test_the_hub_has_many_names_and_one_host(tmp_path: Path) -> None:
    file = tmp_path / "docker.json"
    file.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"}}}))
    for text in ("acme/shop:1", "docker.io/acme/shop:1"):
        assert (host_of(images.parse(text)), repository_of(images.parse(text))) == (HUB, "acme/shop")
    assert repository_of(images.parse("postgres")) == "library/postgres"
    access = Access(registries=("docker.io/acme",), credentials=Credentials(file))
    assert access.secret_for(HUB, "auth.docker.io") == "dTpw"
    assert access.may_follow(HUB, "production.cloudflare.docker.com")
    assert not access.may_follow(HUB, "evil.test")
    with pytest.raises(Refused, match="does not name"):
        access.secret_for(HUB, "evil.test")


def test_only_registries_that_the_server_allows() -> None:
    """Y4: with a reason that says which are."""
    access = Access(registries=("registry.test/acme",))
    access.check(images.parse("registry.test/acme/shop"))
    for other in ("registry.test/acme-evil/shop", "registry.test.evil/acme/shop", "acme/shop"):
        with pytest.raises(Refused, match=r"takes images from registry\.test/acme only"):
            access.check(images.parse(other))


def test_a_slow_registry_is_left_in_time(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> Answer:
        time.sleep(0.3)
        return 200, {"Docker-Content-Digest": DIGEST}, b""

    monkeypatch.setattr(wires, "TIMEOUT", 0.05)
    script.answers[MANIFEST] = late
    with pytest.raises(Unavailable, match="does not answer in time"):
        Client(script.host).registry.digest(image(script.host))
