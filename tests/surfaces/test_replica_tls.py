"""A follower's requests reach the leader over TLS, and only a leader with a trusted certificate gets them. S1, O2."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.demo.free_ports import free_port
from orchestrator.ledger.fake import FakeLease
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.api.serving.replica_server import client_context, served_to_replicas
from orchestrator.surfaces.leader_proxy import LeaderProxy, Receive, Scope, Send
from tests.gateway.certificates import CertificateAuthority


async def leader(scope: Scope, receive: Receive, send: Send) -> None:
    """Replies with the scheme and the credentials that reached it."""
    body = f"{scope['scheme']} {dict(scope['headers'])[b'authorization'].decode()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def follower(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    made = CertificateAuthority(tmp_path, ("localhost",))
    made.issue()
    (tmp_path / "ca.crt").write_text(made.text)
    return made


def settings_of(home: Path, port: int, **replicas: object) -> ServerSettings:
    files = {"certificate_file": home / "tls.crt", "key_file": home / "tls.key", "ca_file": home / "ca.crt"}
    return ServerSettings.model_validate(
        {"home": home, "replicas": {"listen": f"127.0.0.1:{port}", **files, **replicas}}
    )


@contextlib.asynccontextmanager
async def client_of_follower(settings: ServerSettings, url: str) -> AsyncIterator[httpx.AsyncClient]:
    lease = FakeLease()
    lease.leader = url
    proxy = LeaderProxy(follower, Leadership(lease, Wakeups()), tls=client_context(settings.replicas))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy), base_url="http://eph.test") as client:
        yield client
    await proxy.close()


async def status(settings: ServerSettings, url: str) -> tuple[int, str]:
    async with client_of_follower(settings, url) as client:
        found = await client.get("/api/v1/environments", headers={"Authorization": "Bearer t"})
        return found.status_code, found.text


async def test_requests_are_forwarded_over_tls(tmp_path: Path, authority: CertificateAuthority) -> None:
    port = free_port()
    settings = settings_of(tmp_path, port)
    async with served_to_replicas(leader, settings):
        assert await status(settings, f"https://localhost:{port}") == (200, "https Bearer t")


async def test_a_certificate_for_another_host_gets_nothing(tmp_path: Path, authority: CertificateAuthority) -> None:
    port = free_port()
    settings = settings_of(tmp_path, port)
    async with served_to_replicas(leader, settings):
        assert await status(settings, f"https://127.0.0.1:{port}") == (418, "")


async def test_a_certificate_of_another_authority_gets_nothing(tmp_path: Path, authority: CertificateAuthority) -> None:
    port = free_port()
    other = tmp_path / "other.crt"
    other.write_text(CertificateAuthority(tmp_path).text)
    async with served_to_replicas(leader, settings_of(tmp_path, port)):
        assert await status(settings_of(tmp_path, port, ca_file=other), f"https://localhost:{port}") == (418, "")
        assert (await status(settings_of(tmp_path, port, ca_file=None), f"https://localhost:{port}"))[0] == 418


async def test_nothing_answers_there_without_tls(tmp_path: Path, authority: CertificateAuthority) -> None:
    port = free_port()
    async with served_to_replicas(leader, settings_of(tmp_path, port)), httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://localhost:{port}/", headers={"Authorization": "Bearer t"})


async def test_files_that_do_not_work_are_named(tmp_path: Path, authority: CertificateAuthority) -> None:
    authority.key_file.write_text("no key")
    with pytest.raises(StartupError, match=r"can't use the certificate .*tls\.key"):
        async with served_to_replicas(leader, settings_of(tmp_path, free_port())):
            pass
    authority.certificate_file.write_text("no certificate")
    broken = settings_of(tmp_path, free_port(), ca_file=authority.certificate_file)
    with pytest.raises(StartupError, match=r"tls\.crt.*replicas\.ca_file"):
        client_context(broken.replicas)
