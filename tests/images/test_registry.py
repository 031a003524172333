"""A real registry, asked as Eph asks: open, behind a password, behind tokens; single images and indexes (I1, I2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.images import ImageWish
from orchestrator.images.access import Access, Credentials
from orchestrator.images.errors import Absent, Refused, Unavailable
from orchestrator.images.finding import Finder
from orchestrator.images.registry import Registry
from programs import images
from tests.images import registries as real
from tests.images.registries import NOW, PASSWORD, USER

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def program() -> str:
    found = real.command()
    if found is None:
        pytest.skip("docker-registry is not on this machine and could not be installed")
    return found


@pytest.fixture(scope="module")
def open_one(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Registry]:
    with real.plain(program, tmp_path_factory.mktemp("open")) as made:
        yield made


@pytest.fixture(scope="module")
def with_password(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Registry]:
    with real.basic(program, tmp_path_factory.mktemp("basic")) as made:
        yield made


@pytest.fixture(scope="module")
def with_tokens(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Registry]:
    with real.by_token(program, tmp_path_factory.mktemp("token")) as made:
        yield made


class Client:
    """What ephd would have for such a registry. ``now`` is moved by hand."""

    def __init__(self, at: real.Registry, **access: object) -> None:
        self.seconds = 0.0
        beside = (at.token_host,) if at.token_host else ()
        given = {"plain_http": frozenset({at.host, *beside}), "hosts": beside, **access}
        self.access = Access(**given)
        self.registry = Registry(self.access, real.wire(self.access, lambda: self.seconds), lambda: self.seconds)
        self.host = at.host

    def reference(self, name: str) -> images.Reference:
        return images.parse(f"{self.host}/{name}")


def docker_json(path: Path, host: str, password: str = PASSWORD) -> Credentials:
    path.write_text(json.dumps({"auths": {host: {"username": USER, "password": password}}}))
    return Credentials(path)


def test_a_tag_leads_to_its_digest_and_to_what_the_image_says(open_one: real.Registry) -> None:
    client = Client(open_one)
    pushed = open_one.push("acme/shop", "pr-1-abc", labels={"team": "red"})
    image = client.reference("acme/shop:pr-1-abc")
    assert client.registry.digest(image) == pushed
    found = client.registry.image(image.at(pushed))
    assert (found.architectures, found.labels) == (frozenset({"amd64"}), {"team": "red"})
    assert found.created == NOW.replace(microsecond=123456)
    with pytest.raises(Absent, match="is not in its registry"):
        client.registry.digest(client.reference("acme/shop:never"))
    with pytest.raises(Absent, match="is not in its registry"):
        client.registry.tags(client.reference("acme/nothing"))


def test_a_tag_that_is_moved_is_seen_after_a_moment(open_one: real.Registry) -> None:
    client = Client(open_one)
    image = client.reference("acme/moved:latest")
    first = open_one.push("acme/moved", "latest", labels={"n": "1"})
    assert client.registry.digest(image) == first
    second = open_one.push("acme/moved", "latest", labels={"n": "2"})
    assert client.registry.digest(image) == first, "many commits may ask for one tag within a second"
    client.seconds += 10
    assert client.registry.digest(image) == second
    assert client.registry.image(image.at(first)).labels == {"n": "1"}


def test_an_index_speaks_for_its_architectures(open_one: real.Registry) -> None:
    """I2: what is pinned is the index, and each node takes what is its own."""
    client = Client(open_one, architectures=("arm64",))
    parts = [
        (name, open_one.push("acme/multi", f"one-{name}", labels={"of": name}, architecture=name))
        for name in ("amd64", "arm64")
    ]
    index = open_one.index("acme/multi", "both", parts)
    image = client.reference("acme/multi:both")
    assert client.registry.digest(image) == index
    found = client.registry.image(image.at(index))
    assert (found.architectures, found.labels) == (frozenset({"amd64", "arm64"}), {"of": "arm64"})
    finder = Finder(client.access, client.registry, lambda: NOW)
    wish = ImageWish("api", image.name, tag="both")
    pin = finder.find(wish, str, False).pin
    assert pin is not None
    assert pin.reference == f"{image.name}@{index}"
    single = finder.find(ImageWish("api", image.name, tag="one-amd64"), str, False)
    assert single.told == ("tag_template: one-amd64 is not for arm64: it is for amd64",)


def test_the_newest_match_is_the_one_that_was_built_last(open_one: real.Registry) -> None:
    for tag, hours in (("pr-7-old", 40), ("pr-7-new", 1), ("pr-7-mid", 3), ("pr-70-other", 0)):
        open_one.push("acme/scanned", tag, created=NOW - timedelta(hours=hours))
    client = Client(open_one)
    finder = Finder(client.access, client.registry, lambda: NOW)
    answer = finder.find(ImageWish("api", f"{open_one.host}/acme/scanned", pattern="pr-7-*"), str, False)
    assert answer.pin is not None
    assert answer.pin.how == "tag_pattern: pr-7-*: pr-7-new, built 2026-03-02 11:00:00 UTC, the newest of 3 matches"


def test_a_password_lets_in_where_the_registry_asks_for_one(with_password: real.Registry, tmp_path: Path) -> None:
    pushed = with_password.push("acme/shop", "1")
    file = tmp_path / "docker.json"
    client = Client(with_password, credentials=docker_json(file, with_password.host))
    assert client.registry.digest(client.reference("acme/shop:1")) == pushed
    assert client.registry.tags(client.reference("acme/shop")) == ("1",)
    for wrong in (Credentials(None), docker_json(tmp_path / "wrong.json", with_password.host, "guessed")):
        other = Client(with_password, credentials=wrong)
        with pytest.raises(Refused, match=r"does not let this server in .*pull_secret_file"):
            other.registry.digest(other.reference("acme/shop:1"))
    file.write_text("{}")
    with pytest.raises(Refused, match="no readable Docker configuration"):
        Client(with_password, credentials=Credentials(file)).registry.digest(client.reference("acme/shop:1"))


def test_credentials_that_were_renewed_are_read_again(with_password: real.Registry, tmp_path: Path) -> None:
    pushed = with_password.push("acme/renewed", "1")
    file = tmp_path / "docker.json"
    client = Client(with_password, credentials=docker_json(file, with_password.host, "expired"))
    image = client.reference("acme/renewed:1")
    with pytest.raises(Refused):
        client.registry.digest(image)
    docker_json(file, with_password.host)
    assert client.registry.digest(image) == pushed


def test_a_token_is_bought_once_for_each_repository_and_again_when_it_ends(
    with_tokens: real.Registry, tmp_path: Path
) -> None:
    pushed = with_tokens.push("acme/shop", "1")
    client = Client(with_tokens, credentials=docker_json(tmp_path / "docker.json", with_tokens.host))
    image = client.reference("acme/shop:1")
    before = len(with_tokens.tokens)
    assert client.registry.digest(image) == pushed
    assert client.registry.image(image.at(pushed)).architectures == {"amd64"}
    assert client.registry.tags(image) == ("1",)
    asked = with_tokens.tokens[before:]
    assert asked == [{"scope": "repository:acme/shop:pull", "service": "registry.test"}]
    client.seconds += 55
    assert client.registry.digest(image) == pushed
    assert len(with_tokens.tokens) == before + 2


def test_without_credentials_a_token_opens_what_is_open_and_no_more(with_tokens: real.Registry) -> None:
    pushed = with_tokens.push("open/shop", "1")
    with_tokens.push("acme/closed", "1")
    client = Client(with_tokens)
    assert client.registry.digest(client.reference("open/shop:1")) == pushed
    with pytest.raises(Refused, match="does not let this server in"):
        client.registry.digest(client.reference("acme/closed:1"))


def test_a_token_place_that_nobody_named_sees_no_password(with_tokens: real.Registry, tmp_path: Path) -> None:
    """S4: the realm is what the registry says, and whoever runs it may say anything."""
    before = len(with_tokens.tokens)
    client = Client(with_tokens, hosts=(), credentials=docker_json(tmp_path / "docker.json", with_tokens.host))
    with pytest.raises(Refused, match=r"with our credentials, and the setting images\.hosts does not name"):
        client.registry.digest(client.reference("acme/shop:1"))
    assert len(with_tokens.tokens) == before


def test_a_registry_that_is_down_says_nothing_of_its_images(program: str, tmp_path: Path) -> None:
    with real.plain(program, tmp_path / "gone") as at:
        at.push("acme/shop", "1")
    client = Client(at)
    with pytest.raises(Unavailable, match=f"{at.host} does not answer"):
        client.registry.digest(client.reference("acme/shop:1"))
