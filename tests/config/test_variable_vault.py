"""Variables of environments at rest: encrypted, bound to their stack, redacted everywhere. Rows: Y5, S4."""

from __future__ import annotations

import pytest

from orchestrator.config.secret_store import SecretStore
from orchestrator.config.variable_vault import VariableValue, VariableVault
from orchestrator.core.model.variables import OVERRIDE_SECRET, with_overrides
from programs.spec import EnvironmentSpec, GitSource, Secret, ServiceSpec
from stacks import tags
from stacks.model import StackRef

SHOP, BLOG = StackRef("eph-shop-9ix", "pr-42"), StackRef("eph-blog-7ab", "pr-42")
KEY = b"k" * 32
VARIABLES = {"LOG_LEVEL": VariableValue("debug"), "STRIPE_KEY": VariableValue("sk-sesame-open", secret=True)}


def spec() -> EnvironmentSpec:
    web = ServiceSpec("web", "serve", env={"LOG_LEVEL": "info", "OWN": "1"})
    env, secrets = {"STRIPE_KEY": "none", "KEPT": "yes"}, {"LOG_LEVEL": Secret("level", "m"), "TOKEN": Secret("t", "m")}
    source = GitSource("/shop.git", "a" * 40, "main")
    return EnvironmentSpec("shop-1", "shop-1.localhost", "local", "shop", source, (web,), env=env, secrets=secrets)


def test_sealed_variables_are_read_back_and_reveal_nothing() -> None:
    vault = VariableVault(KEY)
    sealed = vault.seal(SHOP, VARIABLES)
    assert vault.open(SHOP, sealed.sealed) == VARIABLES
    assert (sealed.plain, list(sealed.secrets)) == ({"LOG_LEVEL": "debug"}, ["STRIPE_KEY"])
    for text in (repr(sealed), repr(VARIABLES), sealed.sealed):
        assert "sesame" not in text
    assert vault.seal(SHOP, VARIABLES).secrets == sealed.secrets, "the same value has the same mark"
    other = vault.seal(SHOP, {**VARIABLES, "STRIPE_KEY": VariableValue("sk-sesame-shut", secret=True)})
    assert other.secrets != sealed.secrets
    assert vault.seal(BLOG, VARIABLES).secrets != sealed.secrets, "marks of two environments can't be compared"
    assert vault.seal(SHOP, {}).sealed == ""


@pytest.mark.parametrize("number", [1, 40])
def test_they_fit_into_tags_whatever_their_size(number: int) -> None:
    sealed = VariableVault(KEY).seal(SHOP, {f"V{i}": VariableValue(f"{i}" * 400) for i in range(number)}).sealed
    found = tags.encode_variables(sealed)
    assert all(len(value) <= tags.MAX_LENGTH for value in found.values())
    assert tags.decode_variables({**found, "eph": "x", "eph-variables": "y", "other-1": "z"}) == sealed
    assert tags.encode_variables("") == {}


def test_of_another_stack_or_server_or_damaged_they_cant_be_read() -> None:
    sealed = VariableVault(KEY).seal(SHOP, VARIABLES).sealed
    for vault, ref, text in (
        (VariableVault(KEY), BLOG, sealed),
        (VariableVault(b"x" * 32), SHOP, sealed),
        (VariableVault(KEY), SHOP, sealed[:-8]),
        (VariableVault(KEY), SHOP, "no base64 at all"),
    ):
        with pytest.raises(ValueError, match="decrypt"):
            vault.open(ref, text)
        found = vault.read_all({ref: text})[ref]
        assert (found.sealed, found.plain, found.secrets) == (text, {}, {})
        assert found.error


def test_they_win_over_eph_yaml_and_its_secrets() -> None:
    made = spec()
    overrides = VariableVault(KEY).seal(SHOP, VARIABLES)
    changed = with_overrides(made, overrides)
    assert changed.env == {"KEPT": "yes", "LOG_LEVEL": "debug"}
    assert changed.services[0].env == {"OWN": "1"}
    assert {name: item.name for name, item in changed.secrets.items()} == {"TOKEN": "t", "STRIPE_KEY": OVERRIDE_SECRET}
    assert changed.digest != made.digest
    assert with_overrides(made, VariableVault(KEY).seal(SHOP, {})) is made


def test_values_reach_an_operation_after_a_restart_and_are_redacted() -> None:
    sealed = VariableVault(KEY).seal(SHOP, VARIABLES).sealed
    store = SecretStore(key=KEY)
    assert store.redact("sk-sesame-open") == "sk-sesame-open", "not known yet"
    changed = with_overrides(spec(), store.variables.read_all({SHOP: sealed, BLOG: ""})[SHOP])
    assert store.with_values(changed).secret_values["STRIPE_KEY"] == "sk-sesame-open"
    assert "sk-sesame-open" in store.values()
    assert "debug" not in store.values()
    assert store.redact("key: sk-sesame-open, debug") == "key: ***, debug"

    store.variables.read_all({})
    assert store.redact("key: sk-sesame-open") == "key: ***", "old log lines contain it"
    assert store.variables.read_all({SHOP: sealed})[SHOP].secrets


def test_an_operation_never_starts_without_a_value() -> None:
    changed = with_overrides(spec(), VariableVault(KEY).seal(SHOP, VARIABLES))
    with pytest.raises(LookupError):
        SecretStore(key=KEY).with_values(changed)
