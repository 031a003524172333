"""OAuth sign-in inside previews with one callback URL for all of them (S6).

Providers accept only registered callback URLs, and previews come and go. So a preview's app begins at its own host's
``/_eph/oauth/authorize/PROVIDER``. The gateway sends the browser to the provider, with Eph's callback and a signed
state. The provider returns it to that callback, which sends the browser to the host in the state. There, the gateway
checks that the same browser began the sign-in, and that the state is used once. Then the app gets the code.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict
from yarl import URL

from orchestrator.auth.client_networks import client_network
from orchestrator.auth.preview_grants import OAUTH_CALLBACK_PATH
from orchestrator.auth.return_paths import safe_path
from orchestrator.gateway import holding_pages, wording
from orchestrator.gateway.access import oauth_state, people
from orchestrator.gateway.access.oauth_state import OAuthState
from orchestrator.gateway.access.people import KeyFile
from orchestrator.gateway.proxy import headers as names
from orchestrator.gateway.proxy.headers import ClientInfo

AUTHORIZE_PATH = "/_eph/oauth/authorize/"
FINISH_PATH = "/_eph/oauth/finish"
PATH_PARAMETER = "eph_path"
MAX_INNER_STATE = 1024
MAX_USED = 10_000
MAX_USED_PER_CLIENT = 1000
"""A company's people may share one address, and so may its browser tests."""


class OAuthRefused(Exception):
    """The sentence says why, and what to do."""


@dataclass(frozen=True, slots=True)
class OAuthProviders:
    """``authorize_urls``: each provider's authorization endpoint by name. ``callback_url``: the one that is registered
    at each of them. ``preview_url``: the URL of a preview, with ``{host}``."""

    authorize_urls: Mapping[str, str] = field(default_factory=dict)
    callback_url: str = ""
    preview_url: str = ""


@dataclass(frozen=True, slots=True)
class _UsedState:
    until: int
    client: str


class OAuthBroker:
    def __init__(self, providers: OAuthProviders, key: KeyFile, now: Callable[[], float] = time.time) -> None:
        self._providers, self._key, self._now = providers, key, now
        self._used: dict[str, _UsedState] = {}
        """States that were used and haven't expired, by their nonce. The oldest is first."""

    def answer_callback(self, request: web.BaseRequest) -> web.Response | None:
        """At Eph's own host. None if the request isn't for us."""
        if not self._providers.authorize_urls or request.rel_url.raw_path != OAUTH_CALLBACK_PATH:
            return None
        return self._answered(request, self._callback)

    def answer_preview(self, request: web.BaseRequest, host: str, client_info: ClientInfo) -> web.Response | None:
        """At a preview's host. None if the request isn't for us."""
        path = request.rel_url.raw_path
        if not self._providers.authorize_urls:
            return None
        if path.startswith(AUTHORIZE_PATH):
            return self._answered(request, lambda query: self._authorize(request, query, host, client_info))
        if path == FINISH_PATH:
            return self._answered(request, lambda query: self._finish(request, query, host, client_info))
        return None

    def _answered(self, request: web.BaseRequest, answer: Callable[[MultiDict[str]], web.Response]) -> web.Response:
        try:
            if request.method != "GET":
                raise OAuthRefused(wording.USE_GET)
            return answer(MultiDict(request.rel_url.query))
        except OAuthRefused as error:
            return holding_pages.render(holding_pages.oauth_refused(str(error)), request.headers)

    def _authorize(
        self, request: web.BaseRequest, query: MultiDict[str], host: str, client_info: ClientInfo
    ) -> web.Response:
        endpoint = self._endpoint(request.rel_url.raw_path.removeprefix(AUTHORIZE_PATH))
        path = _callback_path(query)
        _check_request(query, self._providers.callback_url)
        inner = query.get("state", "")
        if len(inner) > MAX_INNER_STATE:
            raise OAuthRefused(wording.state_too_long(MAX_INNER_STATE))
        browser = _browser(request, client_info) or secrets.token_urlsafe(24)
        sealed = oauth_state.seal(self._required_key(), oauth_state.create(host, path, inner, browser, self._now()))
        query["redirect_uri"], query["state"] = self._providers.callback_url, sealed
        answer = people.redirect(str(endpoint.extend_query(query)))
        name = names.oauth_cookie(client_info.scheme)
        people.set_cookie(answer, name, browser, oauth_state.LIFETIME_SECONDS, client_info)
        return answer

    def _callback(self, query: MultiDict[str]) -> web.Response:
        """Leads only to a host that we wrote into the state ourselves."""
        state = self._unsealed(query)
        target = self._providers.preview_url.format(host=state.host)
        return people.redirect(f"{target}{FINISH_PATH}?{urlencode(list(query.items()))}")

    def _finish(
        self, request: web.BaseRequest, query: MultiDict[str], host: str, client_info: ClientInfo
    ) -> web.Response:
        state = self._unsealed(query)
        if state.host != host:
            raise OAuthRefused(wording.OTHER_PREVIEW)
        browser = _browser(request, client_info)
        if not browser or not hmac.compare_digest(oauth_state.hash_of(browser), state.browser):
            raise OAuthRefused(wording.OTHER_BROWSER)
        self._use_once(state, client_network(client_info.address))
        del query["state"]
        if state.inner:
            query["state"] = state.inner
        separator = "&" if "?" in state.path else "?"
        return people.redirect(f"{state.path}{separator}{urlencode(list(query.items()))}")

    def _unsealed(self, query: MultiDict[str]) -> OAuthState:
        sealed = query.getall("state", [])
        state = oauth_state.unseal(self._required_key(), sealed[0], self._now()) if len(sealed) == 1 else None
        if state is None:
            raise OAuthRefused(wording.SIGN_IN_EXPIRED)
        return state

    def _use_once(self, state: OAuthState, client: str) -> None:
        """A client can't block another's sign-in, nor make us forget its state, unless it has many addresses."""
        if state.nonce in self._used:
            raise OAuthRefused(wording.SIGN_IN_USED)
        if self._is_full(client):
            now = self._now()
            self._used = {nonce: used for nonce, used in self._used.items() if used.until > now}
            if self._count(client) >= MAX_USED_PER_CLIENT:
                raise OAuthRefused(wording.TOO_MANY_SIGN_INS)
        if len(self._used) >= MAX_USED:
            del self._used[next(iter(self._used))]
        self._used[state.nonce] = _UsedState(state.until, client)

    def _is_full(self, client: str) -> bool:
        return len(self._used) >= MAX_USED or self._count(client) >= MAX_USED_PER_CLIENT

    def _count(self, client: str) -> int:
        return sum(used.client == client for used in self._used.values())

    def _endpoint(self, name: str) -> URL:
        url = self._providers.authorize_urls.get(name)
        if url is None:
            raise OAuthRefused(wording.UNKNOWN_PROVIDER)
        return URL(url)

    def _required_key(self) -> bytes:
        key = self._key.read()
        if not key:
            raise OAuthRefused(wording.KEY_UNREADABLE)
        return key


def _callback_path(query: MultiDict[str]) -> str:
    """A path of the preview itself: anything that a browser could take for another site is refused."""
    paths = query.popall(PATH_PARAMETER, [])
    if len(paths) != 1 or not paths[0].startswith("/") or safe_path(paths[0]) != paths[0] or "#" in paths[0]:
        raise OAuthRefused(wording.set_callback_path(PATH_PARAMETER))
    return paths[0]


def _check_request(query: MultiDict[str], callback_url: str) -> None:
    """What the provider would answer elsewhere than in the query of our callback is refused."""
    for name, values in (
        ("redirect_uri", {callback_url}),
        ("response_type", {"code"}),
        ("response_mode", {"query"}),
    ):
        sent = query.getall(name, [])
        if len(sent) > 1 or set(sent) - values:
            raise OAuthRefused(wording.set_once(name, next(iter(values))))
    if len(query.getall("state", [])) > 1:
        raise OAuthRefused(wording.ONE_STATE)


def _browser(request: web.BaseRequest, client_info: ClientInfo) -> str:
    found = names.cookies(request.headers, names.oauth_cookie(client_info.scheme))
    return found[0] if len(found) == 1 else ""
