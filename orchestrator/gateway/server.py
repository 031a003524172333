"""The gateway: one request in, the right place for it, one answer out.

In order: its own health; a host that is none (400); Eph's own hosts go to ephd; a host with a route goes there; a host
that ephd knows gets the page that says why there is nothing yet; any other is unknown (404) and counted. Where people
sign in first, that comes before the route and before the page, and does not count as use.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import hdrs, web
from yarl import URL

from orchestrator.gateway import hosts, pages, proxy, sign_in, sockets, visitors
from orchestrator.gateway.directory import Directory, Route, State
from orchestrator.gateway.doorbell import Doorbell
from orchestrator.gateway.headers import Sender, within
from orchestrator.gateway.limits import Limits
from orchestrator.gateway.proxy import Client, Find, NoAnswer
from orchestrator.gateway.sign_in import Guard, Tokens
from orchestrator.gateway.traffic import Traffic

HEALTH = "/_eph/healthz"
MOST_OPEN = 2048
HOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``proxies``: addresses and networks of what stands in front of us, as an ingress controller does: its
    X-Forwarded-For and -Proto are believed.

    ``tokens``: the file with the tokens that open protected previews. ``sign_in``: off and asked leave it to each
    route, all protects every preview. ``hold``: seconds that a program waits for
    one that wakes up. With asked, a host that has no route yet may come to be protected: its page
    tells no more than a phase.
    """

    domain: str
    control: URL
    proxies: frozenset[str] = frozenset()
    most_open: int = MOST_OPEN
    tokens: Path | None = None
    sign_in: str = "off"
    hold: float = HOLD_SECONDS
    control_file: Path | None = None
    """Says where ephd's API is, instead of ``control``, while it can be read: with several replicas it moves."""
    own: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "own", hosts.LOOPBACK | {self.domain})

    def api(self) -> URL:
        try:
            return URL(self.control_file.read_text().strip()).origin() if self.control_file else self.control
        except (OSError, ValueError):
            return self.control


class Gateway:
    """``handle`` is an aiohttp low-level handler: no routing table, no middlewares."""

    def __init__(
        self, settings: Settings, directory: Directory, limits: Limits, traffic: Traffic, client: Client
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._limits = limits
        self._traffic = traffic
        self._client = client
        self._guard = Guard(Tokens(settings.tokens), everywhere=settings.sign_in == "all")
        self._doorbell = Doorbell(directory, traffic, settings.hold)
        self._open = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path == HEALTH:
            return web.json_response({"ok": True, "open": self._open}, headers={hdrs.CACHE_CONTROL: "no-store"})
        if self._open >= self._settings.most_open:
            return pages.render(pages.full(), request.headers)
        self._open += 1
        try:
            return await self._answer(request)
        finally:
            self._open -= 1

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            host = _host(request)
        except hosts.BadHost as error:
            return pages.render(pages.bad_host(str(error)), request.headers)
        if request.method in ("CONNECT", "TRACE"):
            return pages.render(pages.bad_method(), request.headers)
        if host in self._settings.own:
            return await self._control(request)
        sender = self._sender(request)
        route = self._directory.route(host)
        if route is None:
            return await self._no_route(request, host, sender)
        wait = self._limits.reach(sender.address, host)
        if wait:
            return pages.render(pages.too_many(wait), request.headers)
        if route.sign_in or self._guard.everywhere:
            stopped = await self._guard.stops(request, host, sender)
            if stopped is not None:
                return stopped
        if route.asleep:
            held = await self._doorbell.answer(request, route)
            woken = self._directory.route(host)
            if held is not None:
                return held
            if woken is None:
                return await self._no_route(request, host, sender)
            route = woken
        return await self._preview(request, route, sender)

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._from_elsewhere(request):
            return pages.render(pages.from_elsewhere(), request.headers)
        try:
            return await self._pass(request, self._settings.api, self._sender(request), preview=False)
        except NoAnswer as error:
            return pages.render(pages.no_control(str(error)), request.headers)

    def _from_elsewhere(self, request: web.BaseRequest) -> bool:
        """A page of a preview, whose code nobody has read, must not press ephd's buttons in somebody's browser."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or (request.method in proxy.REPEATABLE and not sockets.wanted(request)):
            return False
        try:
            return hosts.normalise(origin.partition("://")[2]) not in self._settings.own
        except hosts.BadHost:
            return True

    async def _preview(self, request: web.BaseRequest, route: Route, sender: Sender) -> web.StreamResponse:
        host = route.host
        if hdrs.AUTHORIZATION in request.headers and self._guard.right(sign_in.bearer(request)):
            sender = replace(sender, bearer=True)
        counted = visitors.counts(request.method, request.path, request.headers, route.health)
        if counted:
            self._traffic.begin(host)
        try:
            return await self._pass(request, self._finder(route), sender, preview=True)
        except NoAnswer as error:
            state = self._directory.state(hosts.environment_host(host))
            return pages.render(pages.no_answer(str(error)), request.headers, host, state)
        finally:
            if counted:
                self._traffic.end(host)

    def _finder(self, route: Route) -> Find:
        """First the route that is known already; when that fails, whatever it is by then."""
        known: list[Route] = [route]

        def find() -> URL | None:
            current = known.pop() if known else self._directory.route(route.host)
            return None if current is None else current.upstream

        return find

    async def _pass(self, request: web.BaseRequest, find: Find, sender: Sender, preview: bool) -> web.StreamResponse:
        through = sockets.tunnel if sockets.wanted(request) else proxy.forward
        return await through(request, self._client, find, sender, preview)

    async def _no_route(self, request: web.BaseRequest, host: str, sender: Sender) -> web.StreamResponse:
        state = self._directory.state(host) or self._directory.state(hosts.environment_host(host))
        if state is None:
            wait = self._limits.guess(sender.address)
            return pages.render(pages.too_many(wait) if wait else pages.unknown(), request.headers)
        wait = self._limits.reach(sender.address, host)
        if wait:
            return pages.render(pages.too_many(wait), request.headers)
        if self._guard.everywhere:
            stopped = await self._guard.stops(request, host, sender)
            if stopped is not None:
                return stopped
        if self._settings.sign_in == "asked":
            state = State(state.environment, state.phase)
        return pages.render(pages.of_state(state), request.headers, host, state)

    def _sender(self, request: web.BaseRequest) -> Sender:
        peer = request.remote or ""
        if not within(peer, self._settings.proxies):
            return Sender(peer, request.scheme)
        said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        scheme = "https" if request.headers.get("X-Forwarded-Proto", "").lower() == "https" else "http"
        return Sender(said or peer, scheme)


def _host(request: web.BaseRequest) -> str:
    sent = request.headers.getall(hdrs.HOST, ())
    if len(sent) != 1:
        raise hosts.BadHost("A request needs exactly one Host header.")
    return hosts.normalise(sent[0])
