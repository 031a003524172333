"""eph.yaml as read for each pull request: what it costs the Git host, and what decides it. Y1, Y2, S2, L4."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.eph_yaml.yaml_reader import YamlLimits
from orchestrator.config.secret_store import REREAD_INTERVAL, SecretStore
from orchestrator.config.settings.secret_tables import PreviewSecret
from orchestrator.core.model.world import Recipe, RecipeError
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import ForgeRefused, ForgeUnavailable
from orchestrator.forges.pull_requests import PullRequest
from orchestrator.sources.pull_requests import recipe_query
from orchestrator.sources.recipe_reader import (
    DEFAULT_SIZES,
    CacheSizes,
    RecipeReader,
    ServerRules,
    parse_file,
)
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world_process import START

STAGING = "triggers:\n  - type: pr_label\n    labels: [staging]\n"


class RecipeSetup:
    """A Git host with one repository, and a reader with a clock."""

    def __init__(
        self, max_bytes: int = 64 * 1024, vault: SecretStore | None = None, sizes: CacheSizes = DEFAULT_SIZES
    ) -> None:
        self.now = START
        self.forge = FakeForge()
        self.repository = self.forge.create_repository("acme/shop", {"eph.yaml": EPH_YAML})
        bounds = AdmissionPolicy(installed_targets=frozenset({"local"}))
        self.parsed: list[bytes] = []
        secrets = vault or SecretStore()
        rules = ServerRules(bounds, b"k" * 32, "localhost", {"local": {}}, max_bytes, secrets, self._parse)
        self.recipes = RecipeReader(self.forge, rules, self.clock, sizes)

    def _parse(self, text: bytes, limits: YamlLimits) -> Document:
        self.parsed.append(text)
        return parse_file(text, limits)

    def clock(self) -> datetime:
        return self.now

    def pull(self, files: dict[str, str], from_fork: bool = False) -> PullRequest:
        self.forge.push(self.repository, "change", files)
        number = self.forge.open_pull(self.repository, "change", from_fork=from_fork)
        self.forge.label(self.repository, number, "preview")
        return self.forge.pull(self.repository, number)

    def read(self, pull: PullRequest, name: str = "") -> Recipe | RecipeError:
        return self.recipes.recipe_for(self.repository, recipe_query(pull), name)

    @property
    def request_count(self) -> int:
        return self.forge.usage().counted


def test_a_commit_is_read_once() -> None:  # L4
    desk = RecipeSetup()
    pull = desk.pull({"text": "x"})
    desk.read(pull)
    before = desk.request_count
    for _ in range(10):
        desk.now += timedelta(minutes=10)
        assert isinstance(desk.read(pull), Recipe)
    assert desk.request_count == before


def test_a_file_that_is_wrong_is_read_once_and_its_base_now_and_then() -> None:  # L4, Y1
    desk = RecipeSetup()
    pull = desk.pull({"eph.yaml": BAD_YAML})
    assert isinstance(desk.read(pull), RecipeError)
    before = desk.request_count
    for _ in range(60):
        desk.read(pull)
        desk.now += timedelta(seconds=5)
    assert desk.request_count - before <= 6


def test_a_forks_file_comes_from_the_base_and_follows_it() -> None:  # S2
    desk = RecipeSetup()
    pull = desk.pull({"eph.yaml": EPH_YAML + STAGING}, from_fork=True)
    found = desk.read(pull)
    assert isinstance(found, Recipe)
    assert found.labels == {"preview"}
    before = desk.request_count
    desk.read(pull)
    assert desk.request_count == before
    desk.forge.push(desk.repository, "main", {"eph.yaml": EPH_YAML + STAGING})
    desk.now += timedelta(minutes=2)
    later = desk.read(pull)
    assert later.labels == {"staging"}


def test_the_labels_of_a_wrong_file_are_the_bases() -> None:  # Y1
    desk = RecipeSetup()
    desk.forge.push(desk.repository, "main", {"eph.yaml": EPH_YAML + STAGING})
    assert desk.read(desk.pull({"eph.yaml": BAD_YAML})).labels == {"staging"}


def test_what_could_not_be_read_just_now_is_read_again() -> None:  # L1
    desk = RecipeSetup()
    pull = desk.pull({"text": "x"})
    desk.forge.fail_next(ForgeUnavailable("502"), "file")
    found = desk.read(pull)
    assert isinstance(found, RecipeError)
    assert found.transient
    assert isinstance(desk.read(pull), Recipe)


def test_a_refusal_is_not_for_ever() -> None:  # Y1
    desk = RecipeSetup()
    pull = desk.pull({"text": "x"})
    desk.forge.fail_next(ForgeRefused("the token may not read contents"), "file")
    found = desk.read(pull)
    assert isinstance(found, RecipeError)
    assert "may not read" in found.problems[0]
    desk.now += timedelta(minutes=2)
    assert isinstance(desk.read(pull), Recipe)


def test_the_largest_file_is_the_servers_setting() -> None:  # Y1, Y4
    long = EPH_YAML + "# " + "x" * 2000 + "\n"
    assert isinstance(RecipeSetup().read(RecipeSetup().pull({"eph.yaml": long})), RecipeError | Recipe)
    small, large = RecipeSetup(max_bytes=1024), RecipeSetup(max_bytes=200_000)
    refused = small.read(small.pull({"eph.yaml": long}))
    assert isinstance(refused, RecipeError)
    assert "1024" in refused.problems[0]
    assert isinstance(large.read(large.pull({"eph.yaml": EPH_YAML + "# " + "x" * 100_000 + "\n"})), Recipe)


def test_the_notices_of_a_file_come_with_its_recipe() -> None:  # Y2
    desk = RecipeSetup()
    found = desk.read(desk.pull({"eph.yaml": EPH_YAML + "environment:\n  alias_template: shop-pr-{number}\n"}))
    assert isinstance(found, Recipe)
    assert any(notice.startswith("eph.yaml:7") for notice in found.notices)


def test_an_environment_keeps_its_name(tmp_path: object) -> None:  # Y3
    desk = RecipeSetup()
    found = desk.read(desk.pull({"text": "x"}), "shop-of-old-1")
    assert isinstance(found, Recipe)
    assert found.spec.name == "shop-of-old-1"


def test_what_is_kept_is_bounded() -> None:  # L2
    desk = RecipeSetup(sizes=CacheSizes(recipes=5, bases=2))
    for each in range(20):
        desk.read(desk.pull({"eph.yaml": BAD_YAML, "text": str(each)}))
    for cache in (desk.recipes._recipes, desk.recipes._invalid, desk.recipes._bases):
        assert len(cache) <= 5


SECRET_YAML = EPH_YAML + "environment: {secrets: {KEY: stripe}}\n"


def test_a_secret_that_changed_makes_another_recipe(tmp_path: Path) -> None:
    """S4: the running environment is updated with the new value."""
    file = tmp_path / "stripe"
    file.write_text("first-value")
    now = [START]
    entry = PreviewSecret.model_validate({"file": str(file), "repositories": ["acme/shop"]})
    desk = RecipeSetup(vault=SecretStore({"stripe": entry}, b"k" * 32, lambda: now[0]))
    pull = desk.pull({"eph.yaml": SECRET_YAML})
    first = desk.read(pull)
    assert isinstance(first, Recipe)
    assert desk.read(pull) is first
    file.write_text("second-value")
    now[0] += REREAD_INTERVAL
    second = desk.read(pull)
    assert isinstance(second, Recipe)
    assert second.digest != first.digest
    file.unlink()
    now[0] += REREAD_INTERVAL
    gone = desk.read(pull)
    assert isinstance(gone, RecipeError), "what runs stays as it is"
    assert "can't read the secret" in gone.problems[0]


def test_a_fork_is_told_which_secret_it_goes_without(tmp_path: Path) -> None:
    """S2"""
    file = tmp_path / "stripe"
    file.write_text("first-value")
    entry = PreviewSecret.model_validate({"file": str(file), "repositories": ["acme/shop"]})
    desk = RecipeSetup(vault=SecretStore({"stripe": entry}, b"k" * 32))
    desk.forge.push(desk.repository, "main", {"eph.yaml": SECRET_YAML})
    made = desk.read(desk.pull({"text": "x"}, from_fork=True))
    assert isinstance(made, Recipe)
    assert made.spec.secrets == {}
    assert "forks don't get the secret 'stripe'" in made.notices[0]


def test_files_that_say_the_same_are_understood_once() -> None:
    """L4: most commits of a repository hold the same file, and reading YAML takes longer than all the rest."""
    desk = RecipeSetup()
    for number in range(5):
        desk.forge.push(desk.repository, f"change-{number}", {"text": f"{number}"})
        opened = desk.forge.open_pull(desk.repository, f"change-{number}")
        assert isinstance(desk.read(desk.forge.pull(desk.repository, opened)), Recipe)
    assert desk.parsed == [EPH_YAML.encode()]
