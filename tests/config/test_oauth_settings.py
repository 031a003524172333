"""The settings of the OAuth callback broker. S6."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.runtime.server.gateway_process import GatewaySpec


def test_gateway_gets_providers_and_the_one_callback(tmp_path: Path) -> None:
    (tmp_path / "eph.toml").write_text(
        'domain = "preview.example.com"\npublic_url = "https://{host}"\n'
        '[oauth.providers]\nkeep = "https://login.example.com/authorize?a=b"\n'
    )
    words = GatewaySpec.from_settings(load(home=tmp_path)).command
    assert "keep=https://login.example.com/authorize?a=b" in words
    assert words[words.index("--oauth-callback") + 1] == "https://preview.example.com/_eph/oauth/callback"
    assert words[words.index("--preview-url") + 1] == "https://{host}"


@pytest.mark.parametrize(
    "line", ['keep = "http://login.example.com/authorize"', 'keep = ""', 'keep = "https://a.example/x#y"']
)
def test_wrong_provider_is_reported(tmp_path: Path, line: str) -> None:
    (tmp_path / "eph.toml").write_text(f"[oauth.providers]\n{line}\n")
    with pytest.raises(InvalidSettings, match=r"eph\.toml:\d+: oauth\.providers"):
        load(home=tmp_path)
