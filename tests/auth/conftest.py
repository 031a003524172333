from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.sign_in.providers import open_sign_in
from orchestrator.auth.token_service import TokenService
from orchestrator.demo.free_ports import free_port
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.fake import FakeEnvironmentService, sample
from orchestrator.surfaces.api.api_settings import PreviewAccess
from orchestrator.surfaces.api.app import create_app
from tests.auth.identity_provider import Browser, EmulatedProvider, emulated
from tests.surfaces.api_server import api_settings, serve

PREVIEW_KEY = b"k" * 32


class MovableClock:
    """The real time, which the provider's tokens need, plus what a test adds."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass(slots=True)
class SignInWorld:
    """A dashboard with an identity provider."""

    provider: EmulatedProvider
    desk: FakeEnvironmentService
    tokens: TokenService
    store: MemoryTokens
    ledger: MemoryLedger
    clock: MovableClock
    gateway_port: int
    new_browser: Callable[[], Browser]

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.actor) for event in self.ledger.events()]


@pytest.fixture(scope="session")
def providers(
    shared_authorities: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], EmulatedProvider]]:
    """One process for each provider, started when a test needs it."""
    with ExitStack() as exits:
        known: dict[str, EmulatedProvider] = {}

        def provider(service: str) -> EmulatedProvider:
            if service not in known:
                known[service] = exits.enter_context(emulated(tmp_path_factory.mktemp(service), service))
            return known[service]

        yield provider


@pytest.fixture
def service() -> str:
    return "okta"


@pytest.fixture
def auth_overrides() -> dict[str, object]:
    """Settings of [auth] that a test overrides; parametrize it."""
    return {}


@pytest.fixture
def gateway_port() -> int:
    """A free one. Modules whose tests share a gateway override it."""
    return free_port()


@pytest.fixture
def world(
    providers: Callable[[str], EmulatedProvider], service: str, auth_overrides: dict[str, object], gateway_port: int
) -> Iterator[SignInWorld]:
    provider, clock, ledger, store = providers(service), MovableClock(), MemoryLedger(), MemoryTokens()
    tokens = TokenService(store, ledger.record, clock)
    desk = FakeEnvironmentService(sample(42), sample(3, repository="demo/api"))
    people = open_sign_in(provider.settings(**auth_overrides), provider.forge(), tokens)
    previews = PreviewAccess(PREVIEW_KEY, lambda host: f"http://{host}:{gateway_port}")
    app = create_app(desk, api_settings(token_service=tokens, sign_in=people, previews=previews, clock=clock))
    with ExitStack() as exits, serve(app, urlsplit(provider.eph_url).port or 0):

        def new_browser() -> Browser:
            browser = Browser(provider.eph_url)
            exits.callback(browser.close)
            return browser

        yield SignInWorld(provider, desk, tokens, store, ledger, clock, gateway_port, new_browser)
