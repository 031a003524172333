"""Any replica will do: what it is asked goes on to the leader, and when there is none it says so (O2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from orchestrator.config.settings.replica_tables import ReplicasSettings
from orchestrator.ledger.fake import FakeLease
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.leader_proxy import App, LeaderProxy, Message, Receive, Scope, Send

LEADER = "http://leader:8081"
EXTRA_HEADERS = [(b"x-more", b"1"), (b"x-more", b"2"), (b"date", b"now"), (b"connection", b"close")]


def app(name: str) -> App:
    """Says who answers and what was asked; ``/stream`` never ends."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        headers = dict(scope["headers"])
        said = [name, scope["method"], scope["path"], scope["query_string"].decode(), body.decode()]
        said += [headers.get(b"authorization", b"").decode(), headers.get(b"host", b"").decode()]
        await send({"type": "http.response.start", "status": 202, "headers": EXTRA_HEADERS})
        await send({"type": "http.response.body", "body": "|".join(said).encode(), "more_body": False})

    return answer


class UnreachableLeader(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)


class HangingLeader(httpx.AsyncBaseTransport):
    """A leader that is stopped: the connection stands, and no answer comes. Somebody else leads soon."""

    def __init__(self, lease: FakeLease) -> None:
        self._lease = lease

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._lease.leader = ""
        await asyncio.Event().wait()
        raise AssertionError


@asynccontextmanager
async def replica(
    lease: FakeLease,
    transport: httpx.AsyncBaseTransport | None = None,
    accepts: Callable[[str], bool] = lambda _: True,
) -> AsyncIterator[httpx.AsyncClient]:
    leading = Leadership(lease, Wakeups())
    if lease.leads():
        leading.begin_term(leading.pending_term())
    relay = LeaderProxy(app("own"), leading, transport or httpx.ASGITransport(app("leader")), accepts=accepts)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(relay), base_url="http://eph.example") as client:
        yield client
    await relay.close()


def follower_lease(leader: str = LEADER) -> FakeLease:
    lease = FakeLease()
    lease.leader = leader
    return lease


async def test_follower_forwards_requests_unchanged() -> None:
    headers = {"Authorization": "Bearer t"}
    async with replica(follower_lease()) as client:
        found = await client.post("/api/v1/environments/a%20b/up?x=1%202", content=b"body", headers=headers)
    assert found.text == "leader|POST|/api/v1/environments/a b/up|x=1%202|body|Bearer t|eph.example"
    assert (found.status_code, found.headers.get_list("x-more")) == (202, ["1", "2"])
    assert {"date", "connection"} & {*found.headers} == set(), "each web server says these for itself"


async def test_leader_answers_directly() -> None:
    async with replica(FakeLease(leads=True)) as client:
        assert (await client.post("/api/v1/wake")).text.startswith("own|POST|/api/v1/wake|")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_describe_this_replica(path: str) -> None:
    async with replica(follower_lease()) as client:
        assert (await client.get(path)).text.startswith("own|")


async def test_request_is_forwarded_once() -> None:
    """Two that each take the other for the leader."""
    async with replica(follower_lease()) as client:
        found = await client.get("/api/v1/environments", headers={"X-Eph-Passed-On": "1"})
        assert found.text.startswith("own|")
        refused = await client.post("/api/v1/sweep", headers={"X-Eph-Passed-On": "1"})
    assert refused.status_code == 503


@pytest.mark.parametrize("lost", ["nobody leads", "it cannot be reached", "it is stopped"])
async def test_without_a_leader_reads_work_and_writes_are_refused(lost: str) -> None:
    lease = follower_lease("" if lost == "nobody leads" else LEADER)
    to = HangingLeader(lease) if lost == "it is stopped" else UnreachableLeader()
    async with replica(lease, to) as client:
        refused = await client.post("/api/v1/environments/x/up", content=b"body")
        assert (await client.get("/api/v1/environments")).text.startswith("own|GET|")
        hook = await client.post("/api/v1/webhooks/github", content=b"hook")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["error"]["message"].startswith("there is no leader right now")
    assert hook.text.startswith("own|POST|/api/v1/webhooks/github||hook|")


async def test_tokens_are_not_sent_to_a_leader_without_tls() -> None:
    """S1: a replica with other settings may have put its URL into the lease."""
    sent: list[Scope] = []

    async def record(scope: Scope, receive: Receive, send: Send) -> None:
        sent.append(scope)
        await app("leader")(scope, receive, send)

    settings = ReplicasSettings()
    async with replica(follower_lease(), httpx.ASGITransport(record), settings.accepts_url) as client:
        refused = await client.post("/api/v1/environments/x/up", headers={"Authorization": "Bearer t"})
    assert (refused.status_code, sent) == (503, [])
    async with replica(follower_lease("https://leader:8444"), httpx.ASGITransport(record), settings.accepts_url) as tls:
        assert (await tls.post("/api/v1/environments/x/up")).text.startswith("leader|")


async def test_stream_ends_when_the_client_disconnects() -> None:
    ended = asyncio.Event()

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"one"
            await asyncio.Event().wait()

        async def aclose(self) -> None:
            ended.set()

    class Streams(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Endless(), request=request)

    leading = Leadership(follower_lease(), Wakeups())
    relay = LeaderProxy(app("own"), leading, Streams())
    seen: list[Message] = []
    heard: asyncio.Queue[Message] = asyncio.Queue()
    heard.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        seen.append(message)
        if message.get("body") == b"one":
            heard.put_nowait({"type": "http.disconnect"})

    scope = {"type": "http", "method": "GET", "path": "/api/v1/events/stream", "query_string": b"", "headers": []}
    await relay(scope, heard.get, send)
    assert [message.get("body") for message in seen] == [None, b"one"]
    assert ended.is_set()
    await relay.close()
