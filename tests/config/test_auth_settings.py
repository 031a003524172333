"""The settings of sign-in: what is missing is named, and nothing secret is shown. Row: S1."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.forges.github.accounts import web_url

COMPLETE = {
    "provider": "oidc",
    "url": "https://eph.example.com",
    "issuer": "https://id.example.com",
    "client_id": "eph",
    "client_secret": "a-client-secret",
}


def load_auth(folder: Path, **changes: str) -> object:
    return load(home=folder, auth={key: value for key, value in {**COMPLETE, **changes}.items() if value})


@pytest.mark.parametrize("missing", ["url", "issuer", "client_id", "client_secret"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"auth\.{missing}"):
        load_auth(tmp_path, **{missing: ""})


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://eph.example.com"},
        {"url": "eph.example.com"},
        {"url": "javascript:alert(1)"},
        {"issuer": "http://id.example.com"},
        {"issuer": "https://"},
        {"provider": "saml"},
    ],
)
def test_sign_in_without_tls_is_rejected(tmp_path: Path, change: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load_auth(tmp_path, **change)
    assert "a-client-secret" not in str(caught.value)


@pytest.mark.parametrize("change", [{}, {"url": "http://localhost:8081"}, {"provider": "forge", "issuer": ""}])
def test_complete_settings(tmp_path: Path, change: dict[str, str]) -> None:
    assert "a-client-secret" not in repr(load_auth(tmp_path, **change))


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://git.example.com/api/v3", "https://git.example.com"),
        ("http://localhost:4001", "http://localhost:4001"),
        ("https://api.example.com/api/v3", "https://api.example.com"),
    ],
)
def test_website_of_an_api(api: str, web: str) -> None:
    assert web_url(api) == web
