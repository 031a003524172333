"""TLS at the gateway: who sees a secure connection, and how a certificate is renewed. S1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientResponse, web

from orchestrator.gateway.tls import HSTS, HSTS_HEADER, TlsListener
from orchestrator.runtime.server.tls_certificate import BadCertificate, TlsCertificate
from tests.gateway.certificates import CertificateAuthority
from tests.gateway.conftest import GatewayWorld

HOST = "shop-calm-meadow-42.eph.test"
PROTECTED_HOST = "shop-quiet-river-7.eph.test"
TOKEN = "token-of-the-test-that-is-long-enough"
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


class TlsWorld:
    """A gateway with two previews and an API, with and without TLS. The upstreams return the scheme that they got."""

    def __init__(self, world: GatewayWorld, authority: CertificateAuthority, port: int) -> None:
        self.world, self.authority, self.port = world, authority, port
        authority.issue()
        self.certificate = TlsCertificate(authority.certificate_file, authority.key_file)

    async def start(self, tokens: Path) -> None:
        async def echo(request: web.BaseRequest) -> web.Response:
            headers = {HSTS_HEADER: "max-age=1; includeSubDomains"}
            return web.Response(text=request.headers["X-Forwarded-Proto"], headers=headers)

        upstream = await self.world.upstream(echo)
        self.world.route(HOST, upstream)
        protected = {"host": PROTECTED_HOST, "upstream": f"http://127.0.0.1:{upstream}", "sign_in": True}
        self.world.write(f"routes/{PROTECTED_HOST}.json", protected)
        listener = TlsListener("127.0.0.1", self.port, self.certificate)
        await self.world.start(control=upstream, tls=listener, tokens=tokens, sign_in="asked")

    async def request(self, host: str, path: str = "/", method: str = "GET", **data: str) -> ClientResponse:
        response = await self.world.client.request(
            method,
            f"https://127.0.0.1:{self.port}{path}",
            headers={"Host": host},
            data=data or None,
            allow_redirects=False,
            ssl=self.authority.client_context(),
            server_hostname=host,
        )
        await response.read()
        return response

    async def connect(self) -> OpenConnection:
        context = self.authority.client_context()
        streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=HOST)
        return OpenConnection(*streams)

    async def serial_of_new_connection(self) -> int:
        connection = await self.connect()
        await connection.close()
        return connection.serial


class OpenConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        found = writer.get_extra_info("ssl_object").getpeercert()
        self.serial = int(found["serialNumber"], 16)

    async def status(self) -> bytes:
        self._writer.write(REQUEST)
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(len(b"https"))
        return head.partition(b"\r\n")[0]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@pytest.fixture
async def tls_world(world: GatewayWorld, tmp_path: Path, free_port: Callable[[], int]) -> TlsWorld:
    tokens = tmp_path / "previews.token"
    tokens.write_text(f"{TOKEN}\n")
    found = TlsWorld(world, CertificateAuthority(tmp_path), free_port())
    await found.start(tokens)
    return found


async def test_preview_and_api_see_a_secure_connection(tls_world: TlsWorld) -> None:
    for host in (HOST, "eph.test"):
        answer = await tls_world.request(host)
        assert (answer.status, await answer.text()) == (200, "https")
        plain = await tls_world.world.request(host)
        assert await plain.text() == "http"


async def test_every_response_over_tls_asks_browsers_to_stay(tls_world: TlsWorld) -> None:
    """For its own host alone: a preview can't set the rule for other hosts, which may have no TLS."""
    for host in (HOST, "eph.test", "unknown.eph.test"):
        assert (await tls_world.request(host)).headers.getall(HSTS_HEADER) == [HSTS]
        assert HSTS_HEADER not in (await tls_world.world.request(host)).headers or host == "eph.test"
    assert "includeSubDomains" not in HSTS


async def test_sign_in_cookie_is_for_tls_and_this_host_only(tls_world: TlsWorld) -> None:
    answer = await tls_world.request(PROTECTED_HOST, "/_eph/sign-in", "POST", token=TOKEN, to="/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-eph_sign_in=")
    assert "; Secure" in cookie


async def test_renewed_certificate_is_used_and_open_connections_stay(tls_world: TlsWorld) -> None:
    before = await tls_world.connect()
    assert (before.serial, await before.status()) == (1, b"HTTP/1.1 200 OK")
    tls_world.authority.issue()
    assert tls_world.certificate.reload() is True
    assert await tls_world.serial_of_new_connection() == 2
    assert await before.status() == b"HTTP/1.1 200 OK"
    assert tls_world.certificate.reload() is False
    await before.close()


async def test_half_renewed_pair_changes_nothing_until_it_is_whole(tls_world: TlsWorld) -> None:
    certificate, key = tls_world.authority.pair()
    tls_world.authority.certificate_file.write_bytes(certificate)
    with pytest.raises(BadCertificate, match="the key belongs to another certificate"):
        tls_world.certificate.reload()
    assert await tls_world.serial_of_new_connection() == 1
    tls_world.authority.key_file.write_bytes(key)
    assert tls_world.certificate.reload() is True
    assert await tls_world.serial_of_new_connection() == 2


async def test_removed_files_leave_the_certificate_in_use(tls_world: TlsWorld) -> None:
    tls_world.authority.key_file.unlink()
    with pytest.raises(BadCertificate, match="No such file"):
        tls_world.certificate.reload()
    assert tls_world.certificate.reload() is False, "it is reported once"
    assert await tls_world.serial_of_new_connection() == 1


async def test_old_protocol_versions_are_refused(tls_world: TlsWorld) -> None:
    assert tls_world.certificate.context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_unusable_files_are_reported_at_start(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)

    def problem() -> str:
        with pytest.raises(BadCertificate) as caught:
            TlsCertificate(authority.certificate_file, authority.key_file)
        text = str(caught.value)
        assert str(authority.certificate_file) in text
        assert "use PEM files that belong together" in text
        return text

    assert "No such file" in problem()
    authority.issue(passphrase=b"secret")
    assert "the key has a passphrase" in problem()
    authority.key_file.write_text("nonsense")
    assert "they aren't valid PEM" in problem()
    authority.issue()
    authority.key_file.write_bytes(authority.pair()[1])
    assert "the key belongs to another certificate" in problem()
