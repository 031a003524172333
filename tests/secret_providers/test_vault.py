"""How Eph logs in to Vault, and what it refuses. S4, S1 (TLS)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.secret_providers.port import SecretProviderUnavailable, UnreadableSecret
from tests.contracts.secret_harnesses import open_with
from tests.contracts.secret_servers import VaultServer, serving

KEY = "secret/shop/stripe#key"


class VaultSetup:
    def __init__(self, url: str, vault: VaultServer) -> None:
        self.url, self.vault = url, vault

    def read(self, **settings: Any) -> bytes:
        return open_with("vault", address=self.url, **settings).read(KEY)


@pytest.fixture
def setup() -> Iterator[VaultSetup]:
    vault = VaultServer({"secret/shop/stripe": {"key": b"sk_test_1"}})
    with serving(vault.answer) as (url, _):
        yield VaultSetup(url, vault)


def test_renewed_token_file_is_read_again(setup: VaultSetup, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old-token\n")
    setup.vault.tokens = {"old-token"}
    provider = open_with("vault", address=setup.url, token_file=file)
    assert provider.read(KEY) == b"sk_test_1"
    setup.vault.tokens = {"new-token"}
    file.write_text("new-token\n")
    assert provider.read(KEY) == b"sk_test_1"


def test_service_account_logs_in_and_again_after_its_token_expired(setup: VaultSetup, tmp_path: Path) -> None:
    jwt = tmp_path / "jwt"
    jwt.write_text("account-jwt")
    setup.vault.logins = {"account-jwt": "first"}
    setup.vault.tokens = {"first"}
    provider = open_with("vault", address=setup.url, role="eph", jwt_file=jwt)
    assert [provider.read(KEY), provider.read(KEY)] == [b"sk_test_1"] * 2
    assert setup.vault.requests.count("/v1/auth/kubernetes/login") == 1
    setup.vault.logins, setup.vault.tokens = {"account-jwt": "second"}, {"second"}
    assert provider.read(KEY) == b"sk_test_1"


def test_denied_login_names_the_role_and_no_token(setup: VaultSetup, tmp_path: Path) -> None:
    jwt = tmp_path / "jwt"
    jwt.write_text("secret-jwt-of-the-account")
    with pytest.raises(UnreadableSecret, match="login with the role eph; check") as caught:
        setup.read(role="eph", jwt_file=jwt)
    assert "secret-jwt" not in str(caught.value)


def test_redirect_is_not_followed_with_the_token(setup: VaultSetup) -> None:
    setup.vault.forced_status = 307
    with pytest.raises(SecretProviderUnavailable, match="responded with 307; use the address of the active server"):
        setup.read(token="root-token")


def test_sealed_vault_is_an_outage(setup: VaultSetup) -> None:
    setup.vault.forced_status = 503
    with pytest.raises(SecretProviderUnavailable, match="responded with 503; unseal it"):
        setup.read(token="root-token")


SECRET = '[secrets.stripe]\nvault = "secret/shop/stripe#key"\nrepositories = ["acme/shop"]\n'
WRONG_SETTINGS = {
    "no address": ("", "secret_providers.vault.address isn't set; set it to Vault's URL"),
    "no login": ('address = "https://vault.example.com"', "needs exactly one way to log in; set token, token_file"),
    "two logins": ('address = "https://vault.example.com"\ntoken = "s.hunter2"\nrole = "eph"', "exactly one way"),
    "plain http": ('address = "http://vault.example.com"\ntoken = "s.hunter2"', "is not an https URL of a server"),
    "path": ('address = "https://vault.example.com/v1"\ntoken = "s.hunter2"', "is not an https URL of a server"),
    "typo": ('adress = "https://vault.example.com"', "unknown setting; did you mean secret_providers.vault.address"),
}


@pytest.mark.parametrize(("table", "said"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_incomplete_settings_are_reported_at_start(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "eph.toml").write_text(f"{SECRET}[secret_providers.vault]\n{table}\n")
    with pytest.raises(InvalidSettings) as caught:
        load(home=tmp_path)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_token_can_come_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eph.toml").write_text(f'{SECRET}[secret_providers.vault]\naddress = "https://vault.example.com"\n')
    monkeypatch.setenv("EPH_SECRET_PROVIDERS__VAULT__TOKEN", "s.hunter2")
    settings = load(home=tmp_path)
    assert (settings.secrets["stripe"].provider, settings.secrets["stripe"].reference) == ("vault", KEY)
    assert "hunter2" not in repr(settings)


def test_wrong_reference_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "eph.toml").write_text(SECRET.replace("#key", ""))
    with pytest.raises(InvalidSettings, match=r"eph.toml:2: secrets.stripe.vault: .* use a value such as secret/shop"):
        load(home=tmp_path)
