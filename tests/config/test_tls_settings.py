"""The settings of TLS at the gateway. S1."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server.gateway_process import GatewaySpec

FILES = 'certificate_file = "/etc/eph/tls.crt"\nkey_file = "/etc/eph/tls.key"\n'


def load_with(home: Path, table: str, top: str = "") -> ServerSettings:
    (home / "eph.toml").write_text(f"{top}\n[tls]\n{table}\n")
    return load(home=home)


@pytest.mark.parametrize(
    ("listen", "url"),
    [("", "https://{host}:8443"), ('listen = "0.0.0.0:443"\n', "https://{host}")],
)
def test_urls_are_https_and_the_gateway_gets_the_files(tmp_path: Path, listen: str, url: str) -> None:
    settings = load_with(tmp_path, listen + FILES, 'domain = "preview.example.com"')
    assert settings.url_template == url
    assert settings.dashboard_url == url.replace("{host}", "preview.example.com")
    words = GatewaySpec.from_settings(settings).command
    assert words[words.index("--tls-certificate") :] == [
        *("--tls-certificate", "/etc/eph/tls.crt"),
        *("--tls-key", "/etc/eph/tls.key"),
    ]


def test_public_url_wins(tmp_path: Path) -> None:
    settings = load_with(tmp_path, FILES, 'public_url = "https://{host}"')
    assert settings.url_template == "https://{host}"


def test_without_files_nothing_changes(tmp_path: Path) -> None:
    settings = load(home=tmp_path)
    assert settings.url_template == "http://{host}:8080"
    assert not [word for word in GatewaySpec.from_settings(settings).command if word.startswith("--tls")]


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:8081", "https://0.0.0.0:8081"),
        ("10.0.0.5:8081", "https://10.0.0.5:8081"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_an_open_api_has_tls_and_the_gateway_reads_its_local_address(tmp_path: Path, listen: str, url: str) -> None:
    settings = load_with(tmp_path, 'listen = "0.0.0.0:443"\n' + FILES, f'listen = "{listen}"')
    assert settings.api_url == settings.replica_url == url
    words = GatewaySpec.from_settings(settings).command
    assert ("--control-file" in words) == settings.api_has_tls == url.startswith("https")
    assert not settings.warnings()


def test_open_addresses_without_tls_and_without_a_proxy_are_reported(tmp_path: Path) -> None:
    opened = {"home": tmp_path, "listen": "10.0.0.5:8081", "gateway_listen": "0.0.0.0:8080"}
    found = ServerSettings.model_validate(opened).warnings()
    assert [text.partition(" can ")[0] for text in found] == ["listen = 10.0.0.5:8081", "gateway_listen = 0.0.0.0:8080"]
    assert not ServerSettings.model_validate({**opened, "previews": {"proxies": ["10.0.0.1"]}}).warnings()
    assert not ServerSettings(home=tmp_path).warnings()


WRONG = {
    "no key": ('certificate_file = "/x"', "", "tls.key_file: TLS needs a certificate and its key; set tls.key_file"),
    "no certificate": ('key_file = "/x"', "", "TLS needs a certificate and its key; set tls.certificate_file"),
    "open without TLS": (
        FILES,
        'gateway_listen = "0.0.0.0:8080"',
        "gateway_listen: previews would also be served without TLS at 0.0.0.0:8080; use 127.0.0.1:8080",
    ),
    "port of the API": (
        'listen = "0.0.0.0:8081"\n' + FILES,
        "",
        "tls.listen: Eph already uses this port for another address",
    ),
}


@pytest.mark.parametrize(("table", "top", "said"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_reported(tmp_path: Path, table: str, top: str, said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load_with(tmp_path, table, top)
    assert said in str(caught.value)
