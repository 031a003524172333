"""Cookies and HSTS where a trusted proxy terminates TLS. Row: S1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest

from orchestrator.service.fake import FakeEnvironmentService, sample
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.api.serving import server
from tests.surfaces.api_server import TOKENS, api_settings

TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@contextlib.contextmanager
def serving(proxies: Sequence[str]) -> Iterator[str]:
    """ephd's own web server, on an address that isn't trusted without a setting."""
    listener = socket.create_server(("127.0.0.2", 0))
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        async with server.serve(create_app(FakeEnvironmentService(sample(42)), api_settings()), listener, proxies):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[run()], daemon=True)
    thread.start()
    assert ready.wait(60)
    yield f"http://127.0.0.2:{listener.getsockname()[1]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
    listener.close()


def sign_in(url: str, **headers: str) -> httpx.Response:
    """From 127.0.0.3, which is this machine, but not the address of the gateway."""
    transport = httpx.HTTPTransport(local_address="127.0.0.3")
    with httpx.Client(transport=transport, trust_env=False) as client:
        return client.post(f"{url}/login", data={"token": TOKENS["viewer"]}, headers={"Origin": url, **headers})


def test_behind_a_trusted_proxy_cookies_are_secure() -> None:
    with serving(["127.0.0.3/32"]) as url:
        answer = sign_in(url, **TLS)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-eph_session=")
        for attribute in ("Secure", "HttpOnly", "Path=/"):
            assert attribute in cookie
        assert "Domain" not in cookie
        plain = sign_in(url)
        assert plain.headers["set-cookie"].startswith("eph_session=")
        assert "strict-transport-security" not in plain.headers


@pytest.mark.parametrize("proxies", [[], ["127.0.0.4/32"]])
def test_others_cannot_claim_tls(proxies: list[str]) -> None:
    with serving(proxies) as url:
        answer = sign_in(url, **TLS)
        assert answer.headers["set-cookie"].startswith("eph_session=")
        assert "strict-transport-security" not in answer.headers
