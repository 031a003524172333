"""A real registry, used like Eph does: open, with a password, with tokens; single images and indexes (I1, I2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.model.image_lookup import ImageRequest
from orchestrator.core.planning.plan_actions import Find
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import Repository
from orchestrator.images import wording
from orchestrator.images.errors import ImageNotFound, RegistryRefused, RegistryUnavailable
from orchestrator.images.image_resolver import ImageResolver
from orchestrator.images.registry_client import RegistryClient
from orchestrator.images.registry_policy import DockerCredentials, RegistryPolicy
from orchestrator.runtime.observation.image_finder import ImageFinder
from programs import image_references
from stacks import keys
from stacks.model import StackRef
from tests.images import registry_server as real
from tests.images.registry_server import NOW, PASSWORD, USER

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def program() -> str:
    found = real.registry_program()
    if found is None:
        pytest.skip("docker-registry is not on this machine and could not be installed")
    return found


@pytest.fixture(scope="module")
def open_registry(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.RegistryServer]:
    with real.open_registry(program, tmp_path_factory.mktemp("open")) as made:
        yield made


@pytest.fixture(scope="module")
def password_registry(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.RegistryServer]:
    with real.password_registry(program, tmp_path_factory.mktemp("basic")) as made:
        yield made


@pytest.fixture(scope="module")
def token_registry(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.RegistryServer]:
    with real.token_registry(program, tmp_path_factory.mktemp("token")) as made:
        yield made


class ClientUnderTest:
    """What ephd would have for such a registry. ``now`` is moved by hand."""

    def __init__(self, server: real.RegistryServer, **access: Any) -> None:
        self.seconds = 0.0
        beside = (server.token_host,) if server.token_host else ()
        options = {"hosts": beside, **access}
        self.access = RegistryPolicy(plain_http=frozenset({server.host, *beside}), **options)
        self.registry = RegistryClient(self.access, real.wire(self.access, lambda: self.seconds), lambda: self.seconds)
        self.host = server.host

    def reference(self, name: str) -> image_references.ImageReference:
        return image_references.parse(f"{self.host}/{name}")


def docker_json(path: Path, host: str, password: str = PASSWORD) -> DockerCredentials:
    path.write_text(json.dumps({"auths": {host: {"username": USER, "password": password}}}))
    return DockerCredentials(path)


def test_tag_resolves_to_its_digest_and_metadata(open_registry: real.RegistryServer) -> None:
    client = ClientUnderTest(open_registry)
    pushed = open_registry.push("acme/shop", "pr-1-abc", labels={"team": "red"})
    image = client.reference("acme/shop:pr-1-abc")
    assert client.registry.digest(image) == pushed
    found = client.registry.image(image.with_digest(pushed))
    assert (found.architectures, found.labels) == (frozenset({"amd64"}), {"team": "red"})
    assert found.created == NOW.replace(microsecond=123456)
    with pytest.raises(ImageNotFound, match=wording.NOT_IN_REGISTRY):
        client.registry.digest(client.reference("acme/shop:never"))
    with pytest.raises(ImageNotFound, match=wording.NOT_IN_REGISTRY):
        client.registry.tags(client.reference("acme/nothing"))


def test_moved_tag_is_detected_after_a_moment(open_registry: real.RegistryServer) -> None:
    client = ClientUnderTest(open_registry)
    image = client.reference("acme/moved:latest")
    first = open_registry.push("acme/moved", "latest", labels={"n": "1"})
    assert client.registry.digest(image) == first
    second = open_registry.push("acme/moved", "latest", labels={"n": "2"})
    assert client.registry.digest(image) == first, "many commits may ask for one tag within a second"
    client.seconds += 10
    assert client.registry.digest(image) == second
    assert client.registry.image(image.with_digest(first)).labels == {"n": "1"}


def test_index_reports_its_architectures(open_registry: real.RegistryServer) -> None:
    """I2: the index is pinned, and each node pulls its own image."""
    client = ClientUnderTest(open_registry, architectures=("arm64",))
    parts = [
        (name, open_registry.push("acme/multi", f"one-{name}", labels={"of": name}, architecture=name))
        for name in ("amd64", "arm64")
    ]
    index = open_registry.index("acme/multi", "both", parts)
    image = client.reference("acme/multi:both")
    assert client.registry.digest(image) == index
    found = client.registry.image(image.with_digest(index))
    assert (found.architectures, found.labels) == (frozenset({"amd64", "arm64"}), {"of": "arm64"})
    finder = ImageResolver(client.access, client.registry, lambda: NOW)
    wish = ImageRequest("api", image.name, tag="both")
    pin = finder.find(wish, str, False).pin
    assert pin is not None
    assert pin.reference == f"{image.name}@{index}"
    single = finder.find(ImageRequest("api", image.name, tag="one-amd64"), str, False)
    assert single.messages == ("tag_template: one-amd64 does not support arm64, only amd64",)


def test_the_newest_match_is_the_one_that_was_built_last(open_registry: real.RegistryServer) -> None:
    for tag, hours in (("pr-7-old", 40), ("pr-7-new", 1), ("pr-7-mid", 3), ("pr-70-other", 0)):
        open_registry.push("acme/scanned", tag, created=NOW - timedelta(hours=hours))
    client = ClientUnderTest(open_registry)
    finder = ImageResolver(client.access, client.registry, lambda: NOW)
    answer = finder.find(ImageRequest("api", f"{open_registry.host}/acme/scanned", pattern="pr-7-*"), str, False)
    assert answer.pin is not None
    assert answer.pin.how == "tag_pattern: pr-7-*: pr-7-new, built 2026-03-02 11:00:00 UTC, the newest of 3 matches"


def test_password_works_if_the_registry_requires_one(password_registry: real.RegistryServer, tmp_path: Path) -> None:
    pushed = password_registry.push("acme/shop", "1")
    file = tmp_path / "docker.json"
    client = ClientUnderTest(password_registry, credentials=docker_json(file, password_registry.host))
    assert client.registry.digest(client.reference("acme/shop:1")) == pushed
    assert client.registry.tags(client.reference("acme/shop")) == ("1",)
    for wrong in (DockerCredentials(None), docker_json(tmp_path / "wrong.json", password_registry.host, "guessed")):
        other = ClientUnderTest(password_registry, credentials=wrong)
        with pytest.raises(RegistryRefused, match=r"denies this server access .*pull_secret_file"):
            other.registry.digest(other.reference("acme/shop:1"))
    file.write_text("{}")
    with pytest.raises(RegistryRefused, match="not a readable Docker configuration"):
        ClientUnderTest(password_registry, credentials=DockerCredentials(file)).registry.digest(
            client.reference("acme/shop:1")
        )


def test_repository_reads_images_with_its_own_credentials_only(
    password_registry: real.RegistryServer, tmp_path: Path
) -> None:
    """S3: what Eph could read for one repository, it doesn't tell another one, not even from its cache."""
    password_registry.push("acme/own", "1", architecture="amd64")
    file = tmp_path / "docker.json"
    docker_json(file, password_registry.host)
    policy = RegistryPolicy.from_settings(
        {"plain_http": password_registry.host, "pull_secrets": f"acme/*={file}", "pull_secret_file": ""}
    )
    finder = ImageFinder(
        {"kubernetes": policy},
        lambda access: RegistryClient(access, real.wire(access, lambda: 0.0), lambda: 0.0),
        FakeForge(),
        lambda: NOW,
    )
    wish = ImageRequest("api", f"{password_registry.host}/acme/own", tag="1")
    ref = StackRef("eph-shop-1", "pr-7")
    action = Find(ref, keys.pull_request(1, 7), "a" * 40, "kubernetes", (wish,), (wish,), frozenset(), NOW, "")
    own, other = (finder.find(action, Repository(1, name, "", "main")) for name in ("acme/shop", "other/shop"))
    assert own[0].pin is not None
    assert other[0].pin is None
    assert wording.access_denied(password_registry.host) in other[0].error


def test_renewed_credentials_are_reloaded(password_registry: real.RegistryServer, tmp_path: Path) -> None:
    pushed = password_registry.push("acme/renewed", "1")
    file = tmp_path / "docker.json"
    client = ClientUnderTest(password_registry, credentials=docker_json(file, password_registry.host, "expired"))
    image = client.reference("acme/renewed:1")
    with pytest.raises(RegistryRefused):
        client.registry.digest(image)
    docker_json(file, password_registry.host)
    assert client.registry.digest(image) == pushed


def test_token_is_requested_once_per_repository_and_again_when_it_expires(
    token_registry: real.RegistryServer, tmp_path: Path
) -> None:
    pushed = token_registry.push("acme/shop", "1")
    client = ClientUnderTest(token_registry, credentials=docker_json(tmp_path / "docker.json", token_registry.host))
    image = client.reference("acme/shop:1")
    before = len(token_registry.tokens)
    assert client.registry.digest(image) == pushed
    assert client.registry.image(image.with_digest(pushed)).architectures == {"amd64"}
    assert client.registry.tags(image) == ("1",)
    asked = token_registry.tokens[before:]
    assert asked == [{"scope": "repository:acme/shop:pull", "service": "registry.test"}]
    client.seconds += 55
    assert client.registry.digest(image) == pushed
    assert len(token_registry.tokens) == before + 2


def test_without_credentials_a_token_only_opens_public_images(token_registry: real.RegistryServer) -> None:
    pushed = token_registry.push("open/shop", "1")
    token_registry.push("acme/closed", "1")
    client = ClientUnderTest(token_registry)
    assert client.registry.digest(client.reference("open/shop:1")) == pushed
    with pytest.raises(RegistryRefused, match="denies this server access"):
        client.registry.digest(client.reference("acme/closed:1"))


def test_unconfigured_token_server_gets_no_password(token_registry: real.RegistryServer, tmp_path: Path) -> None:
    """S4: the registry determines the realm, and whoever runs it can set it to anything."""
    before = len(token_registry.tokens)
    client = ClientUnderTest(
        token_registry, hosts=(), credentials=docker_json(tmp_path / "docker.json", token_registry.host)
    )
    with pytest.raises(RegistryRefused, match=r"with credentials, but the setting images\.hosts does not include"):
        client.registry.digest(client.reference("acme/shop:1"))
    assert len(token_registry.tokens) == before


def test_nothing_is_concluded_from_a_registry_that_is_down(program: str, tmp_path: Path) -> None:
    with real.open_registry(program, tmp_path / "gone") as at:
        at.push("acme/shop", "1")
    client = ClientUnderTest(at)
    with pytest.raises(RegistryUnavailable, match=f"{at.host} does not respond"):
        client.registry.digest(client.reference("acme/shop:1"))
