"""The server's secrets for previews: who can use which, what a change of a value changes, and that nothing reveals one.

S4, Y4, S2 (a fork gets those that are marked for it), Y1 (problems have file and line).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy, SecretGrants, withheld_secrets
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig, InvalidSettings
from orchestrator.config.secret_store import REREAD_INTERVAL, SecretStore
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.secret_tables import PreviewSecret
from orchestrator.secret_providers.port import MAX_SECRET_BYTES
from programs.spec import EnvironmentSpec, Secret
from stacks import keys

VALUE = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
FILE = b"""version: "1.0"
name: shop
target: local
services: [{name: web, command: x}]
environment:
  secrets:
    STRIPE_KEY: stripe
"""


class SecretSetup:
    """A secret store with one secret in a file, and a manual clock."""

    def __init__(self, folder: Path, value: str = VALUE, **entry: object) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.file = folder / "stripe"
        self.file.write_text(value)
        told = {"file": str(self.file), "repositories": ["acme/*"], **entry}
        self.vault = SecretStore({"stripe": PreviewSecret.model_validate(told)}, b"k" * 32, lambda: self.now)

    def write(self, value: str) -> None:
        self.file.write_text(value)
        self.now += REREAD_INTERVAL

    def spec(self, repository: str = "acme/shop", fork: bool = False) -> EnvironmentSpec:
        grants = self.vault.grants(repository, fork)
        context = RecipeContext(
            keys.pull_request(7, 42), repository, "c" * 40, "b", "https://git.example/x", "gentle-stream", grants=grants
        )
        return build_recipe(parse(FILE), context, AdmissionPolicy()).spec


def config_error(setup: SecretSetup, repository: str = "acme/shop") -> str:
    with pytest.raises(InvalidConfig) as caught:
        setup.spec(repository)
    return str(caught.value)


def test_spec_contains_name_and_mark_and_the_operation_the_value(tmp_path: Path) -> None:
    room = SecretSetup(tmp_path, f"{VALUE}\n")
    spec = room.spec()
    assert spec.secrets["STRIPE_KEY"].name == "stripe"
    assert VALUE not in repr(spec) + str(spec.to_json())
    opened = room.vault.with_values(spec)
    assert opened.secret_values == {"STRIPE_KEY": VALUE}
    assert VALUE not in repr(opened)
    assert opened.digest == spec.digest
    assert EnvironmentSpec.from_json(opened.to_json()) == opened, "it survives the way to the worker"


def test_digest_changes_exactly_with_the_value(tmp_path: Path) -> None:
    room = SecretSetup(tmp_path)
    before, state = room.spec(), room.vault.fingerprint()
    room.write(VALUE)
    assert (room.spec().digest, room.vault.fingerprint()) == (before.digest, state)
    room.write(VALUE + "2")
    assert room.spec().digest != before.digest
    assert room.vault.fingerprint() != state
    late = room.vault.with_values(before)
    assert (late.secret_values["STRIPE_KEY"], late.digest) == (VALUE + "2", room.spec().digest)


def test_mark_reveals_nothing_without_the_servers_key(tmp_path: Path) -> None:
    """Not even that two secrets, or two servers, have the same value."""
    room = SecretSetup(tmp_path)
    entry = PreviewSecret.model_validate({"file": str(room.file), "repositories": ["acme/*"]})
    other_key = SecretStore({"stripe": entry}, b"x" * 32).grants("acme/shop", False).granted["stripe"]
    other_name = SecretStore({"pay": entry}, b"k" * 32).grants("acme/shop", False).granted["pay"]
    assert len({room.vault.grants("acme/shop", False).granted["stripe"], other_key, other_name}) == 3


def test_digest_from_before_secrets_existed_is_unchanged(tmp_path: Path) -> None:
    spec = SecretSetup(tmp_path).spec()
    plain = EnvironmentSpec.from_json({**spec.to_json(), "secrets": {}})
    data = plain.to_json()
    del data["secrets"]
    assert EnvironmentSpec.from_json(data).digest == plain.digest


@pytest.mark.parametrize("repository", ["other/shop", "acme-evil/shop", "acme"])
def test_secret_of_other_repositories_does_not_exist(tmp_path: Path, repository: str) -> None:
    """Y4. And nobody learns what others have: the error is the same as for a secret that doesn't exist."""
    room = SecretSetup(tmp_path)
    said = config_error(room, repository)
    assert said.startswith("eph.yaml:7:17: environment.secrets.STRIPE_KEY: ")
    assert f"no secret 'stripe' for {repository}" in said
    assert "ask the server's operator to add it" in said
    nothing = RecipeContext(
        keys.pull_request(7, 42), repository, "c" * 40, "b", "https://git.example/x", "gentle-stream"
    )
    with pytest.raises(InvalidConfig, match=r"no secret 'stripe' for"):
        build_recipe(parse(FILE), nothing, AdmissionPolicy())


def test_repository_names_ignore_case(tmp_path: Path) -> None:
    assert "STRIPE_KEY" in SecretSetup(tmp_path).spec("ACME/Shop").secrets


def test_fork_gets_marked_secrets_and_a_notice_about_the_others(tmp_path: Path) -> None:
    """S2: the variable is absent, not empty; the environment is created anyway."""
    room = SecretSetup(tmp_path)
    assert room.spec(fork=True).secrets == {}
    [told] = withheld_secrets(parse(FILE), room.vault.grants("acme/shop", True))
    assert str(told).startswith("eph.yaml:7:17: environment.secrets.STRIPE_KEY: forks don't get the secret 'stripe'")
    marked = SecretSetup(tmp_path, forks=True)
    assert "STRIPE_KEY" in marked.spec(fork=True).secrets
    assert list(withheld_secrets(parse(FILE), marked.vault.grants("acme/shop", True))) == []


INVALID_VALUES = {
    "short": ("12345", "too few to be redacted reliably"),
    "empty": ("\n", "is empty"),
    "zero": ("abc\0defgh", "zero byte"),
    "large": ("x" * (MAX_SECRET_BYTES + 1), "has more than 32768 bytes"),
}


@pytest.mark.parametrize(("value", "why"), INVALID_VALUES.values(), ids=INVALID_VALUES)
def test_unusable_value_is_reported_to_the_operator_and_never_shown(tmp_path: Path, value: str, why: str) -> None:
    room = SecretSetup(tmp_path, value)
    [told] = room.vault.problems()
    assert told.startswith(f"secret stripe: {room.file} ")
    assert why in told
    assert value.strip() not in told or not value.strip()
    assert "this server can't read the secret 'stripe' right now" in config_error(room)


def test_missing_or_binary_file_is_reported_and_recovers(tmp_path: Path) -> None:
    room = SecretSetup(tmp_path)
    was = room.spec()
    room.file.write_bytes(b"\xff\xfe\xff\xfe\xff\xfe")
    room.now += REREAD_INTERVAL
    assert "is not UTF-8" in room.vault.problems()[0]
    room.file.unlink()
    room.now += REREAD_INTERVAL
    assert "No such file" in room.vault.problems()[0]
    assert room.vault.with_values(was).secrets == {}
    room.write(VALUE)
    assert room.vault.problems() == []
    assert room.spec() == was


def test_environment_variable_of_ephd_works(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = PreviewSecret.model_validate({"variable": "SHOP_STRIPE", "repositories": ["acme/shop"]})
    monkeypatch.setenv("SHOP_STRIPE", VALUE)
    assert SecretStore({"stripe": entry}, b"k" * 32).values() == (VALUE,)
    monkeypatch.delenv("SHOP_STRIPE")
    assert SecretStore({"stripe": entry}, b"k" * 32).problems() == [
        "secret stripe: the variable SHOP_STRIPE is not set; set it to the value"
    ]


def test_earlier_values_stay_redacted(tmp_path: Path) -> None:
    room = SecretSetup(tmp_path)
    assert room.vault.redact(f"key={VALUE}") == "key=***"
    room.write("another-value")
    assert room.vault.redact(f"key={VALUE} another-value") == "key=*** ***"
    assert set(room.vault.values()) == {VALUE, "another-value"}


def test_without_any_secret_nothing_changes() -> None:
    vault = SecretStore()
    assert (vault.fingerprint(), vault.values(), vault.redact("text"), vault.problems()) == ("", (), "text", [])
    assert vault.grants("acme/shop", False) == SecretGrants()


def test_clock_set_back_delays_nothing_for_long(tmp_path: Path) -> None:
    room = SecretSetup(tmp_path)
    room.spec()
    room.file.write_text("another-value")
    room.now -= timedelta(hours=1)
    assert room.vault.values()[0] == "another-value"


# --- the settings


TOML = '[secrets.stripe]\nfile = "/run/stripe"\nrepositories = ["acme/shop", "acme/pay-*"]\nforks = true\n'


def test_each_secret_has_a_table_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "eph.toml").write_text(TOML)
    found = load(home=tmp_path).secrets["stripe"]
    assert (found.provider, found.reference) == ("file", "/run/stripe")
    assert (found.repositories, found.forks) == (("acme/shop", "acme/pay-*"), True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[secrets.a]\nrepositories = ["acme/*"]\n', "a secret needs exactly one source; set one of"),
        ('[secrets.a]\nfile = "/x"\nvariable = "X"\nrepositories = ["acme/*"]\n', "a secret needs exactly one source"),
        ('[secrets.a]\nfile = "/x"\n', "secrets.a.repositories: "),
        ('[secrets.a]\nfile = "/x"\nrepositories = []\n', "secrets.a.repositories: "),
        ('[secrets.a]\nfile = "/x"\nrepositories = ["*"]\n', "is not a repository; use owner/name"),
        ('[secrets.a]\nvalue = "hunter2hunter2"\nrepositories = ["acme/*"]\n', "unknown setting"),
        ('[secrets."a b"]\nfile = "/x"\nrepositories = ["acme/*"]\n', "secrets"),
    ],
)
def test_wrong_table_is_reported_without_a_value(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "eph.toml").write_text(text)
    with pytest.raises(InvalidSettings) as caught:
        load(home=tmp_path)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secret_does_not_show_its_value() -> None:
    assert repr(Secret("stripe", "m", VALUE)) == "Secret(name='stripe', mark='m')"
