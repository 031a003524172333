"""Eph as a GitHub App: JWTs, tokens that expire, several installations, and clear errors.

Rows: O5, L4, S4. The sandbox verifies the JWTs as GitHub's documentation describes.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.github.github_forge import AppKey, GitHubForge, GitHubOptions
from orchestrator.forges.port import CheckReport, Conclusion, ForgeError, ForgeRefused

MARKER = "<!-- eph -->"
FILES = {"eph.yaml": "version: 1\n"}
ForgeFactory = Callable[..., GitHubForge]


class AheadClock:
    """The real time plus an offset."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> AheadClock:
    return AheadClock()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DemoGitHub]:
    made = DemoGitHub(tmp_path / "sandbox")
    made.start()
    for name in ("acme/shop", "acme/pay", "other/site", "stranger/thing"):
        made.create_repository(name, FILES, private=True)
    yield made
    made.close()


@pytest.fixture
def key(world: DemoGitHub) -> AppKey:
    return AppKey(*world.create_app("eph-previews"))


@pytest.fixture
def new_forge(world: DemoGitHub, key: AppKey, clock: AheadClock) -> Iterator[ForgeFactory]:
    forges: list[GitHubForge] = []

    def make(*repositories: str, key: AppKey = key, **options: Any) -> GitHubForge:
        more = GitHubOptions(**options)
        forges.append(GitHubForge(world.api_url, key, repositories, now=clock, options=more))
        return forges[-1]

    yield make
    for forge in forges:
        forge.close()


def repository_names(forge: GitHubForge) -> list[str]:
    return sorted(item.full_name for item in forge.repositories())


def test_several_installations_each_with_its_own_token(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """O5: two organisations; everything that is read or written uses the owner's token."""
    for account in ("acme", "other", "stranger"):
        world.install_app(key.app_id, account)
    forge = new_forge("acme/*", organisations=("other",))
    assert repository_names(forge) == ["acme/pay", "acme/shop", "other/site"]
    tokens = set()
    for repository in forge.repositories():
        world.push(repository.full_name, "one", {"x": "x"})
        number = world.open_pull(repository.full_name, "one")
        [pull] = forge.pulls(repository).open
        forge.upsert_comment(repository, number, MARKER, f"{MARKER} hello")
        forge.report_check(repository, pull.head_sha, "eph", CheckReport(Conclusion.SUCCESS, "Ready", "It answers"))
        assert world.checks(repository.full_name, pull.head_sha) == {"eph": "success"}
        [said] = world.comments(repository.full_name, number)
        assert said["user"]["login"] == "eph-previews[bot]"
        tokens.add(forge._router.connection_for(f"/repos/{repository.full_name}/").token)
    assert len(tokens) == 2


def test_unselected_installations_are_not_served(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """S3: anyone can install a public App; only owners in the settings get environments."""
    world.install_app(key.app_id, "acme")
    world.install_app(key.app_id, "stranger")
    assert repository_names(new_forge("acme/shop")) == ["acme/shop"]
    with pytest.raises(ValueError, match="owner/name"):
        new_forge("*/*")


def test_token_is_replaced_before_it_expires(
    world: DemoGitHub, key: AppKey, new_forge: ForgeFactory, clock: AheadClock
) -> None:
    """O5: an hour's token; five minutes before its end there is another."""
    world.install_app(key.app_id, "acme")
    forge = new_forge("acme/shop")
    [shop] = forge.repositories()
    line = forge._router.connection_for("/repos/acme/shop/")
    first = line.token
    clock.ahead = 3200
    assert line.token == first
    clock.ahead = 3400
    world.set_clock(3400)
    second = line.token
    assert second != first
    assert forge.pulls(shop).complete


def test_revoked_token_is_replaced(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """O5: rejected once, and valid again in the next cycle."""
    world.install_app(key.app_id, "acme")
    forge = new_forge("acme/shop")
    [shop] = forge.repositories()
    world.revoke_tokens()
    with pytest.raises(ForgeRefused, match="401"):
        forge.pulls(shop)
    assert forge.pulls(shop).complete


def test_state_of_an_installation_is_reported(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """O5: never installed, suspended, unsuspended, removed: each has its own sentence, and known repositories stay
    listed."""
    forge = new_forge("acme/shop")
    with pytest.raises(ForgeRefused, match="not installed at acme"):
        forge.repositories()
    number = world.install_app(key.app_id, "acme")
    [shop] = forge.repositories()
    world.suspend_app(number)
    assert [item.id for item in forge.repositories()] == [shop.id]
    assert "suspended" in forge.problems()["acme/shop"]
    with pytest.raises(ForgeRefused, match="suspended"):
        forge.pulls(shop)
    world.suspend_app(number, False)
    assert forge.repositories()
    assert forge.problems() == {}
    assert forge.pulls(shop).complete
    world.remove_app(number)
    assert [item.id for item in forge.repositories()] == [shop.id]
    with pytest.raises(ForgeError, match="no longer installed at acme"):
        forge.pulls(shop)


def test_key_of_another_app(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """O5: the message says what to do, without the key."""
    world.install_app(key.app_id, "acme")
    other = AppKey(key.app_id, world.create_app("somebody-else")[1])
    with pytest.raises(ForgeRefused, match=r"401.*App's key") as caught:
        new_forge("acme/shop", key=other).repositories()
    assert "PRIVATE KEY" not in str(caught.value)


@pytest.mark.parametrize(("seconds", "side"), [(3600, "ahead of"), (-3600, "behind")])
def test_wrong_clock_is_reported(
    world: DemoGitHub, key: AppKey, new_forge: ForgeFactory, clock: AheadClock, seconds: float, side: str
) -> None:
    """O5: a correct key fails, too; the message says by how much the clock is off."""
    world.install_app(key.app_id, "acme")
    clock.ahead = seconds
    with pytest.raises(ForgeRefused, match=rf"clock is 3[56]\d\d s {side} GitHub's"):
        new_forge("acme/shop").repositories()


@pytest.mark.parametrize(
    "text", ["", "not a key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
def test_invalid_key_is_reported_at_startup(world: DemoGitHub, new_forge: ForgeFactory, text: str) -> None:
    """Untrusted input gets a clear error, without repeating a secret."""
    with pytest.raises(ValueError, match="not a private key in PEM form"):
        new_forge("acme/shop", key=AppKey("1", text))


def test_git_gets_the_token_of_the_repositorys_installation(
    world: DemoGitHub, key: AppKey, new_forge: ForgeFactory
) -> None:
    """O5, S4: for the API's own host only, and through the environment, never in the URL."""
    for account in ("acme", "other"):
        world.install_app(key.app_id, account)
    forge = new_forge("acme/shop", "other/site")
    seen = {}
    for repository in forge.repositories():
        url = f"{world.url}/{repository.full_name}.git"
        moved = type(repository)(repository.id, repository.full_name, url, "main")
        value = forge.git_environment(moved)["GIT_CONFIG_VALUE_0"].rpartition(" ")[2]
        seen[repository.full_name] = base64.b64decode(value).decode().partition(":")[2]
    assert all(token.startswith("ghs_") for token in seen.values())
    assert len(set(seen.values())) == 2


def test_discovery_by_pattern(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory, clock: AheadClock) -> None:
    """O5: new ones are found within minutes, archived ones left out with a note, patterns without a match are
    reported."""
    world.install_app(key.app_id, "acme")
    world.create_repository("acme/shop-two", FILES)
    world.archive("acme/shop-two")
    forge = new_forge("acme/shop*", "acme/nothing-*")
    assert repository_names(forge) == ["acme/shop"]
    assert sorted(forge.problems()) == ["acme/nothing-*", "acme/shop-two"]
    assert "archived" in forge.problems()["acme/shop-two"]
    world.create_repository("acme/shop-three", FILES)
    assert repository_names(forge) == ["acme/shop"]
    clock.ahead = 301
    assert repository_names(forge) == ["acme/shop", "acme/shop-three"]


def test_archiving_removes_environments(world: DemoGitHub, key: AppKey, new_forge: ForgeFactory) -> None:
    """L7: nobody can remove a label any more, so no label counts there; the repository stays known for that."""
    world.install_app(key.app_id, "acme")
    world.push("acme/shop", "one", {"x": "x"})
    number = world.open_pull("acme/shop", "one")
    world.label("acme/shop", number, "preview")
    forge = new_forge("acme/shop")
    [shop] = forge.repositories()
    assert forge.pulls(shop).open[0].labels == {"preview"}
    world.archive("acme/shop")
    assert repository_names(forge) == ["acme/shop"]
    assert forge.pulls(shop).open[0].labels == frozenset()
    assert forge.pull(shop, number).labels == frozenset()


def test_patterns_work_with_a_token(world: DemoGitHub) -> None:
    """O5: without an App too."""
    forge = GitHubForge(world.api_url, world.token("eph-bot"), ["acme/*"])
    assert repository_names(forge) == ["acme/pay", "acme/shop"]
    forge.close()
