from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import FakeEnvironmentService, sample
from orchestrator.surfaces.api.app import create_app
from tests.surfaces.api_server import TOKENS, SwappableDesk, api_settings, serve


@pytest.fixture
def desk() -> FakeEnvironmentService:
    return FakeEnvironmentService(sample(7), sample(42), sample(9, Phase.FAILED), sample(3, Phase.QUEUED, "demo/api"))


@pytest.fixture
def overrides() -> dict[str, object]:
    """API settings that a test overrides; parametrize it."""
    return {}


@pytest.fixture(scope="session")
def shared_server(shared_authorities: None) -> Iterator[tuple[SwappableDesk, str]]:
    """One server for all tests with the usual settings, because starting it takes longer than most of them."""
    desk = SwappableDesk()
    with serve(create_app(desk.as_desk(), api_settings())) as address:
        yield desk, address


@pytest.fixture
def url(
    desk: FakeEnvironmentService, overrides: dict[str, object], shared_server: tuple[SwappableDesk, str]
) -> Iterator[str]:
    if not overrides:
        shared_server[0].current = desk
        yield shared_server[1]
        return
    with serve(create_app(desk, api_settings(**overrides))) as address:
        yield address


@pytest.fixture
def as_role(url: str) -> Iterator[Callable[[str], httpx.Client]]:
    """A client with a role's token; ``nobody`` has none."""
    clients: list[httpx.Client] = []

    def client(role: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}
        clients.append(httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False))
        return clients[-1]

    yield client
    for item in clients:
        item.close()


@pytest.fixture
def admin(as_role: Callable[[str], httpx.Client]) -> httpx.Client:
    return as_role("admin")
