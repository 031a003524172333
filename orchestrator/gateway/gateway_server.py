"""The gateway: finds the destination of a request and returns its response.

In this order: its own health check; an invalid host (400); Eph's own hosts go to ephd; a host with a route goes to its
upstream; a host that ephd knows gets a page that explains why there is no route yet; any other host is unknown (404)
and counted. If sign-in is required, it comes before the route and the page, and doesn't count as use. A label deploy
isn't served from the moment of its expiry.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from aiohttp import hdrs, web
from yarl import URL

from orchestrator.core.views.phases import Phase
from orchestrator.gateway import expiry_deadline, holding_pages, hostnames, wording
from orchestrator.gateway.access import sign_in
from orchestrator.gateway.access.cross_site import is_cross_site
from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.access.oauth_broker import OAuthBroker, OAuthProviders
from orchestrator.gateway.access.open_requests import OpenRequests
from orchestrator.gateway.access.people import KeyFile, PeopleGuard
from orchestrator.gateway.access.share_links import ShareGuard
from orchestrator.gateway.access.sign_in import PreviewTokens, SignInGuard
from orchestrator.gateway.bar import bar_page, bar_rules
from orchestrator.gateway.bar.bar_injection import BarInjection
from orchestrator.gateway.expiry_deadline import DeployExpired
from orchestrator.gateway.proxy import http_proxy, websockets
from orchestrator.gateway.proxy.headers import ClientInfo, add_hsts, in_networks, is_address, last_item
from orchestrator.gateway.proxy.http_proxy import FindUpstream, UpstreamClient, UpstreamUnavailable
from orchestrator.gateway.route_directory import (
    KnownStates,
    LookupFailed,
    PreviewRoute,
    PreviewState,
    RouteDirectory,
)
from orchestrator.gateway.wake import visit_rules
from orchestrator.gateway.wake.traffic_log import TrafficLog
from orchestrator.gateway.wake.wake_on_request import WakeOnRequest
from programs.kit import host_names

HEALTH_PATH = "/_eph/healthz"
MAX_OPEN = 2048
_STYLE_HEADERS = {hdrs.CACHE_CONTROL: "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
MAX_WAKE_WAIT = 60.0
_BEFORE_REPLACEMENT = frozenset({Phase.QUEUED, Phase.IMAGE, Phase.CREATING, Phase.UPDATING})


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """``trusted_proxies``: addresses and networks of proxies in front of the gateway, such as an ingress controller,
    whose X-Forwarded-For and -Proto headers are trusted. ``tokens``: the file with the tokens for protected previews.
    ``sign_in``: with off and asked, each route decides; all protects every preview. ``max_wake_wait``: how many seconds
    a program waits for a preview to wake. With asked, a host without a route may still turn out to be protected; until
    that is known, its page reveals no more than the phase."""

    domain: str
    control: URL
    trusted_proxies: frozenset[str] = frozenset()
    max_open: int = MAX_OPEN
    tokens: Path | None = None
    sign_in: str = "off"
    people_url: str = ""
    """The dashboard's URL, where people sign in; empty: only tokens."""
    people_key: Path | None = None
    """The file with the key that ephd and the gateway share."""
    max_wake_wait: float = MAX_WAKE_WAIT
    control_file: Path | None = None
    """A file with the URL of ephd's API that overrides ``control`` while it is readable: with replicas the URL changes.
    """
    api_tls: ssl.SSLContext | None = None
    """Verifies the API's certificate. None: by the authorities that this machine trusts."""
    oauth: OAuthProviders = field(default_factory=OAuthProviders)
    """Providers for sign-in inside previews."""
    own_hosts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "own_hosts", hostnames.LOOPBACK | {self.domain})

    def api_url(self) -> URL:
        try:
            return URL(self.control_file.read_text().strip()).origin() if self.control_file else self.control
        except (OSError, ValueError):
            return self.control


class Gateway:
    """``handle`` is an aiohttp low-level handler: no routing table, no middlewares."""

    def __init__(
        self,
        settings: GatewaySettings,
        directory: RouteDirectory,
        limits: GuessLimiter,
        traffic: TrafficLog,
        client: UpstreamClient,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._settings = settings
        self._directory = directory
        self._limits = limits
        self._traffic = traffic
        self._client = client
        key = KeyFile(settings.people_key)
        self._sign_in_guard = SignInGuard(
            PreviewTokens(settings.tokens),
            PeopleGuard(settings.people_url, key),
            ShareGuard(key, directory.path),
            protects_all=settings.sign_in == "all",
        )
        self._oauth = OAuthBroker(settings.oauth, key, now)
        self._wake_on_request = WakeOnRequest(directory, traffic, settings.max_wake_wait, client.prepare)
        self._open_requests = OpenRequests(settings.max_open)
        self._open_websockets = OpenRequests(settings.max_open // 4)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._admit(request)
        if not response.prepared:  # forwarded responses are already sent, with their own header
            add_hsts(response.headers, request.scheme)
        return response

    async def _admit(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path == HEALTH_PATH:
            return web.json_response(
                {"ok": True, "open": self._open_requests.total}, headers={hdrs.CACHE_CONTROL: "no-store"}
            )
        try:
            host = _host(request)
        except hostnames.BadHost as error:
            return holding_pages.render(holding_pages.bad_host(str(error)), request.headers)
        sender = self._client_info(request)
        environment = "" if host in self._settings.own_hosts else host_names.environment_host(host)
        with self._open_requests.admit(sender.address, environment) as admitted:
            if not admitted:
                return holding_pages.render(holding_pages.overloaded(), request.headers)
            return await self._answer(request, host, sender)

    async def _answer(self, request: web.BaseRequest, host: str, sender: ClientInfo) -> web.StreamResponse:
        if request.method in ("CONNECT", "TRACE"):
            return holding_pages.render(holding_pages.method_not_allowed(), request.headers)
        if host in self._settings.own_hosts:
            return self._oauth.answer_callback(request) or await self._forward_to_api(request)
        try:
            return await self._answer_preview(request, host, sender)
        except LookupFailed as error:
            return holding_pages.render(holding_pages.lookup_failed(str(error)), request.headers)

    async def _answer_preview(self, request: web.BaseRequest, host: str, sender: ClientInfo) -> web.StreamResponse:
        route = self._directory.route(host)
        if route is None:
            return await self._no_route(request, host, sender)
        wait = self._limits.allow_host(sender.address, host)
        if wait:
            return holding_pages.render(holding_pages.too_many(wait), request.headers)
        states = self._directory.states()
        state = states.get(host_names.environment_host(host))
        stopped = await self._challenge(request, host, sender, route, states)
        if stopped is not None:
            return stopped
        brokered = self._oauth.answer_preview(request, host, sender)
        if brokered is not None:
            return brokered
        if state is not None and self._has_expired(state):
            return self._expired(request, host, state)
        if route.asleep:
            held = await self._wake_on_request.hold(request, route)
            woken = self._directory.route(host)
            if held is not None:
                return held
            if woken is None:
                return await self._no_route(request, host, sender)
            state = self._directory.state(host_names.environment_host(host))
            if state is not None and self._has_expired(state):
                return self._expired(request, host, state)
            route = woken
        return await self._forward_until_expiry(request, route, state, sender)

    async def _challenge(
        self,
        request: web.BaseRequest,
        host: str,
        sender: ClientInfo,
        own: PreviewRoute | PreviewState,
        states: KnownStates,
    ) -> web.StreamResponse | None:
        """The response for a client that can't open it, whether it has a route yet or not. Raises LookupFailed."""
        base = self._base_rule(host, states)
        for allow in self._required_lists(request, base, own):
            stopped = await self._sign_in_guard.challenge(request, host, sender, allow)
            if stopped is not None:
                return stopped
        return None

    def _base_rule(self, host: str, states: KnownStates) -> PreviewRoute | PreviewState | None:
        """The rule of an app's route also applies to the label deploys below it. While the active version has no route,
        its state says what applies; if that is unknown, people must sign in. Raises LookupFailed."""
        app = hostnames.parent(host_names.environment_host(host))
        base = self._directory.route(app) or states.hosts.get(app)
        is_unknown = isinstance(base, PreviewState) and base.sign_in is None and self._settings.sign_in != "off"
        return replace(base, sign_in=True) if base is not None and is_unknown else base

    def _required_lists(
        self, request: web.BaseRequest, *rules: PreviewRoute | PreviewState | None
    ) -> list[tuple[str, ...]]:
        """Who can open it, a list for each rule that applies; an empty list is everyone who can sign in."""
        allowed = [each.allow for each in rules if each is not None and (each.sign_in or each.allow)]
        lists = list(dict.fromkeys(allow for allow in allowed if allow))
        if lists:
            return lists
        return [()] if allowed or self._sign_in_guard.protects_all or sign_in.is_share_visit(request) else []

    def _has_expired(self, state: PreviewState) -> bool:
        """Whether it is a label deploy past its end, which ephd hasn't collected yet."""
        return 0 < state.expires_at <= self._now()

    def _expired(self, request: web.BaseRequest, host: str, state: PreviewState) -> web.StreamResponse:
        """The page says so, unless a new deploy under the same label is on its way."""
        if state.phase not in _BEFORE_REPLACEMENT:
            return holding_pages.render(holding_pages.deploy_expired(), request.headers)
        shown = self._directory.with_output(state)
        return holding_pages.render(holding_pages.for_state(state), request.headers, host, shown)

    async def _forward_to_api(self, request: web.BaseRequest) -> web.StreamResponse:
        if is_cross_site(request, self._settings.own_hosts.__contains__):
            return holding_pages.render(holding_pages.cross_origin(), request.headers)
        try:
            return await self._forward(request, self._settings.api_url, self._client_info(request), is_preview=False)
        except UpstreamUnavailable as error:
            return holding_pages.render(holding_pages.service_down(str(error)), request.headers)

    async def _forward_until_expiry(
        self, request: web.BaseRequest, route: PreviewRoute, state: PreviewState | None, client_info: ClientInfo
    ) -> web.StreamResponse:
        """Streams and WebSockets of a label deploy end when it expires."""
        if state is None or not state.expires_at:
            return await self._forward_to_preview(request, route, state, client_info)
        try:
            async with expiry_deadline.until(partial(self._end_of, route.host), self._now):
                return await self._forward_to_preview(request, route, state, client_info)
        except DeployExpired:
            if request.writer.output_size and request.transport is not None:
                # The head has been sent, so the only correct end is a broken connection.
                request.transport.abort()
            return self._expired(request, route.host, state)

    def _end_of(self, host: str) -> float:
        """0 if it is gone, or if nothing is known of it any more."""
        state = self._directory.states().hosts.get(host_names.environment_host(host))
        return state.expires_at if state is not None else 0.0

    async def _forward_to_preview(
        self, request: web.BaseRequest, route: PreviewRoute, state: PreviewState | None, client_info: ClientInfo
    ) -> web.StreamResponse:
        host = route.host
        if hdrs.AUTHORIZATION in request.headers and self._sign_in_guard.is_valid(sign_in.bearer_token(request), host):
            client_info = replace(client_info, bearer=True)
        bar = self._bar(request, state)
        if bar is not None and request.path == bar_rules.STYLE_PATH:
            return web.Response(text=bar_page.STYLE, content_type="text/css", headers=_STYLE_HEADERS)
        counted = visit_rules.is_visit(request.method, request.path, request.headers, route.health)
        if counted:
            self._traffic.request_started(host)
        try:
            return await self._forward(
                request, self._upstream_finder(route, request.rel_url.raw_path), client_info, True, bar
            )
        except UpstreamUnavailable as error:
            state = self._directory.state(host_names.environment_host(host))
            shown = state and self._directory.with_output(state)
            return holding_pages.render(holding_pages.no_answer(str(error)), request.headers, host, shown)
        finally:
            if counted:
                self._traffic.request_ended(host)

    def _upstream_finder(self, route: PreviewRoute, path: str) -> FindUpstream:
        """First the known route; if that fails, the current one."""
        known: list[PreviewRoute] = [route]

        def find() -> URL | None:
            current = known.pop() if known else self._directory.route(route.host)
            return None if current is None else current.upstream_for(path)

        return find

    async def _forward(
        self,
        request: web.BaseRequest,
        find_upstream: FindUpstream,
        client_info: ClientInfo,
        is_preview: bool,
        bar: BarInjection | None = None,
    ) -> web.StreamResponse:
        if websockets.is_upgrade(request):
            environment = host_names.environment_host(_host(request)) if is_preview else ""
            with self._open_websockets.admit(client_info.address, environment) as admitted:
                if not admitted:
                    return holding_pages.render(holding_pages.overloaded(), request.headers)
                return await websockets.tunnel(request, self._client, find_upstream, client_info, is_preview)
        return await http_proxy.forward(request, self._client, find_upstream, client_info, is_preview, bar)

    def _bar(self, request: web.BaseRequest, state: PreviewState | None) -> BarInjection | None:
        """For a page that a person's browser opens, and for the bar's style sheet."""
        if not bar_rules.is_page_request(request.method, request.headers) and request.path != bar_rules.STYLE_PATH:
            return None
        if state is None or state.bar is None:
            return None
        return BarInjection(partial(bar_page.render, state.bar, request.rel_url.raw_path, self._now()))

    async def _no_route(self, request: web.BaseRequest, host: str, client_info: ClientInfo) -> web.StreamResponse:
        states = self._directory.states()
        state = states.hosts.get(host) or states.get(host_names.environment_host(host))
        if state is None:
            wait = self._limits.take_try(client_info.address)
            return holding_pages.render(
                holding_pages.too_many(wait) if wait else holding_pages.unknown(), request.headers
            )
        wait = self._limits.allow_host(client_info.address, host)
        if wait:
            return holding_pages.render(holding_pages.too_many(wait), request.headers)
        stopped = await self._challenge(request, host, client_info, state, states)
        if stopped is not None:
            return stopped
        if state.sign_in is None and self._settings.sign_in == "asked":
            state = PreviewState(state.environment, state.phase)
        else:
            state = self._directory.with_output(state)
        return holding_pages.render(holding_pages.for_state(state), request.headers, host, state)

    def _client_info(self, request: web.BaseRequest) -> ClientInfo:
        peer = request.remote or ""
        if not in_networks(peer, self._settings.trusted_proxies):
            return ClientInfo(peer, request.scheme)
        scheme = "https" if last_item(request.headers, "X-Forwarded-Proto").lower() == "https" else "http"
        forwarded = last_item(request.headers, "X-Forwarded-For")
        return ClientInfo(forwarded if is_address(forwarded) else peer, scheme)


def _host(request: web.BaseRequest) -> str:
    sent = request.headers.getall(hdrs.HOST, ())
    if len(sent) != 1:
        raise hostnames.BadHost(wording.ONE_HOST_HEADER)
    return hostnames.normalize(sent[0])
