"""The API's own address with TLS, and the client that trusts a company's authority. S1, P5."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from orchestrator.cli import authorities, contexts
from orchestrator.cli.api_client import ApiClient
from orchestrator.cli.cli_errors import CliError
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.demo.free_ports import free_port
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.surfaces.api.serving.api_server import ServedApi, served_api
from orchestrator.surfaces.leader_proxy import Receive, Scope, Send
from tests.gateway.certificates import CertificateAuthority

HOST = "localhost"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Replies with the scheme that it was reached by; it has no lifespan."""
    assert scope["type"] == "http"
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": f'"{scope["scheme"]}"'.encode()})


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    made = CertificateAuthority(tmp_path, (HOST,))
    made.issue()
    (tmp_path / "ca.crt").write_text(made.text)
    return made


def settings_of(home: Path, host: str = "0.0.0.0") -> ServerSettings:
    tls = {"listen": f"127.0.0.1:{free_port()}", "certificate_file": home / "tls.crt", "key_file": home / "tls.key"}
    return ServerSettings.model_validate({"home": home, "listen": f"{host}:{free_port()}", "tls": tls})


@contextlib.asynccontextmanager
async def serving(settings: ServerSettings) -> AsyncIterator[ServedApi]:
    with contextlib.closing(socket.create_server(settings.listen_address)) as listener:
        listener.setblocking(False)
        told: list[str] = []
        async with served_api(app, listener, settings, told.append) as served:
            assert told == ([served.local_url] if settings.api_has_tls else [])
            yield served


async def test_open_address_has_tls_only_and_this_machine_an_address_without(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    settings = settings_of(tmp_path)
    port = settings.listen_address[1]
    async with serving(settings) as served:
        async with httpx.AsyncClient(verify=authority.client_context(), trust_env=False) as client:
            assert (await client.get(f"https://{HOST}:{port}/")).json() == "https"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{served.local_url}/")).json() == "http"
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://{HOST}:{port}/")
    assert served.local_url.startswith("http://127.0.0.1:")


async def test_loopback_address_stays_without_tls(tmp_path: Path, authority: CertificateAuthority) -> None:
    settings = settings_of(tmp_path, "127.0.0.1")
    async with serving(settings) as served, httpx.AsyncClient(trust_env=False) as client:
        assert served.local_url == settings.local_api_url == settings.api_url
        assert (await client.get(f"{served.local_url}/")).json() == "http"


async def test_unusable_certificate_is_named_at_start(tmp_path: Path, authority: CertificateAuthority) -> None:
    authority.key_file.write_text("no key")
    with pytest.raises(StartupError, match=r"can't use the certificate .*tls\.key"):
        async with serving(settings_of(tmp_path)):
            pass


async def test_client_trusts_the_stored_authority_and_no_other(
    tmp_path: Path, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EPH_CA_FILE", raising=False)
    settings = settings_of(tmp_path)
    url = f"https://{HOST}:{settings.listen_address[1]}"

    def both_ways() -> list[str]:
        with ApiClient(url, "token") as client:
            return [client.get("status"), client.post("pause")]

    async with serving(settings):
        with pytest.raises(CliError, match="certificate verify failed"):
            await asyncio.to_thread(both_ways)
        authorities.store(url, tmp_path / "ca.crt")
        assert await asyncio.to_thread(both_ways) == ["https", "https"]
        monkeypatch.setenv("EPH_CA_FILE", str(authority.certificate_file))
        with pytest.raises(CliError, match="certificate verify failed"):
            await asyncio.to_thread(both_ways)


def test_unusable_authority_is_not_stored(
    tmp_path: Path, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EPH_CA_FILE", raising=False)
    with pytest.raises(CliError, match=r"missing\.pem: No such file"):
        authorities.store("https://eph.example.com", tmp_path / "missing.pem")
    with pytest.raises(CliError, match="doesn't use TLS"):
        authorities.store("http://eph.example.com", tmp_path / "ca.crt")
    assert authorities.file_for("https://eph.example.com") is None
    authorities.store(contexts.find("https://eph.example.com/").url, tmp_path / "ca.crt")
    assert authorities.file_for("https://eph.example.com") == tmp_path / "ca.crt"
