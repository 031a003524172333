"""The event log's PostgreSQL is killed while a real ephd is working, and comes back: nothing stops, and the gap is
recorded (O1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, Site, wait_until
from tests.ledger import postgres_server
from tests.ledger.postgres_server import PostgresServer

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server.running_server() as made:
        yield made


@pytest.fixture(scope="module")
def site(server: PostgresServer) -> Iterator[Site]:
    with sites.running_site(ledger_url=server.url(server.create_database())) as made:
        yield made


@pytest.mark.exhaustive
def test_nothing_stops_and_the_gap_is_recorded(site: Site, server: PostgresServer) -> None:
    before = site.preview("before")
    server.kill()
    assert site.eph("why", before.name).returncode == 0, "the facts are not in the log"
    assert _events(site) == 503, "a failed reading is never an empty one"
    during = site.preview("during")
    site.forge.close_pull(REPOSITORY, before.number)
    site.wait_until_gone(before)
    site.wait_for_comment(before.number, "Destroyed")
    server.start()
    both = {"ledger.gap", "environment.destroyed"}
    wait_until("the log is written again", lambda: str(both - set(_kinds(site)) or ""), 60)
    told = _kinds(site)
    assert told.count("environment.created") == 2, told
    assert told.count("environment.ready") >= 2, told
    assert told.count("environment.destroyed") == 1
    made = [place for place, kind in enumerate(told) if kind == "environment.created"]
    assert made[1] < told.index("ledger.gap"), "in their order, and then what was missed"
    [gap] = [event for event in _log(site) if event["kind"] == "ledger.gap"]
    assert "0 are lost" in gap["message"]
    assert site.page(during.host).data["commit"] == during.commit


def _events(site: Site) -> int:
    headers = {"Authorization": f"Bearer {site.api_token}"}
    return site.http.get(site.api_url("api/v1/events"), headers=headers, timeout=30).status_code


def _log(site: Site) -> list[dict[str, str]]:
    return list(site.api("events", limit="1000")["items"]) if _events(site) == 200 else []


def _kinds(site: Site) -> list[str]:
    return [event["kind"] for event in _log(site)]
