"""Identity providers that we did not write: npm's emulate as Okta, Google, Microsoft and GitHub, and a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
from pydantic import SecretStr

from orchestrator.config.settings.groups import AuthSettings
from orchestrator.demo.free_ports import free_port
from orchestrator.forges import registry
from orchestrator.forges.settings import ForgeSettings
from tests.contracts.emulate_host import emulate

CLIENT_ID, CLIENT_SECRET = "eph-client", "eph-client-secret"
ADA, GRACE, MALLORY = "ada@example.com", "grace@example.com", "mallory@example.com"
_FORM = re.compile(r'<form class="user-form" method="post" action="([^"]*)">(.*?)</form>', re.S)
_REFRESH = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]*)">')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"/>')

_CLIENT = """
    - client_id: {id}
      client_secret: {secret}
      name: Eph
      redirect_uris: ["{callback}"]
"""
_OKTA = """
okta:
  users:
    - {{okta_id: u1, login: ada@example.com, email: ada@example.com, first_name: Ada, last_name: L}}
    - {{okta_id: u2, login: grace@example.com, email: grace@example.com, first_name: Grace, last_name: H}}
    - {{okta_id: u3, login: mallory@example.com, email: mallory@example.com, first_name: Mallory, last_name: M}}
  groups:
    - {{okta_id: g1, name: platform, description: p}}
    - {{okta_id: g2, name: engineers, description: e}}
  group_memberships:
    - {{group_okta_id: g1, user_okta_id: u1}}
    - {{group_okta_id: g2, user_okta_id: u2}}
  oauth_clients:{client}
"""
_SEEDS = {
    "okta": _OKTA,
    "google": "\ngoogle:\n  users: [{{email: ada@example.com, name: Ada}}]\n  oauth_clients:{client}",
    "microsoft": "\nmicrosoft:\n  users: [{{email: ada@example.com, name: Ada}}]\n  oauth_clients:{client}",
    "github": (
        "\ngithub:\n  users: [{{login: ada, name: Ada, email: ada@example.com}}]\n"
        "  orgs: [{{login: acme, name: Acme}}]\n  oauth_apps:{client}"
    ),
}
_DISCOVERY = {"okta": "/oauth2/default", "google": "", "microsoft": ""}


@dataclass(frozen=True, slots=True)
class EmulatedProvider:
    """``url`` is emulate's, ``eph_url`` where the dashboard has to listen."""

    service: str
    url: str
    eph_url: str

    def settings(self, **more: object) -> AuthSettings:
        shared = {
            "url": self.eph_url,
            "client_id": CLIENT_ID,
            "client_secret": SecretStr(CLIENT_SECRET),
            "admins": ("platform",),
            "developers": ("engineers",),
        }
        if self.service == "github":
            shared |= {"provider": "forge"}
        else:
            shared |= {"provider": "oidc", "issuer": self._issuer()}
        if self.service == "okta":
            shared["scopes"] = ("openid", "profile", "email", "groups")
        return AuthSettings.model_validate({**shared, **more})

    def forge(self) -> ForgeSettings:
        """The Git host whose accounts it has."""
        settings: ForgeSettings = registry.read_settings({"kind": "github", "url": self.url})
        return settings

    def _issuer(self) -> str:
        found = httpx.get(
            f"{self.url}{_DISCOVERY[self.service]}/.well-known/openid-configuration", trust_env=False, timeout=10
        )
        return str(found.json()["issuer"])


@contextmanager
def emulated(folder: Path, service: str) -> Iterator[EmulatedProvider]:
    eph_url = f"http://localhost:{free_port()}"
    client = _CLIENT.format(id=CLIENT_ID, secret=CLIENT_SECRET, callback=f"{eph_url}/auth/callback")
    with emulate(folder, _SEEDS[service].format(client=client), service) as url:
        yield EmulatedProvider(service, url, eph_url)


class _Loopback(httpx.HTTPTransport):
    """Every host is this machine, as browsers treat names under localhost; not every resolver does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(
            httpx.Request(
                request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        )


class Browser:
    """Follows redirects and keeps cookies, like a browser; ``choose`` picks a person on the provider's page."""

    def __init__(self, eph_url: str) -> None:
        self.eph_url = eph_url
        self.http = httpx.Client(
            follow_redirects=True, timeout=20, trust_env=False, transport=_Loopback(), headers={"Accept": "text/html"}
        )

    def close(self) -> None:
        self.http.close()

    def get(self, path: str) -> httpx.Response:
        return self.http.get(urljoin(self.eph_url, path))

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.http.post(urljoin(self.eph_url, path), data=form, headers={"Origin": self.eph_url})

    def callback_url(self, person: str, to: str = "/") -> str:
        """Where the provider sends the browser once ``person`` has confirmed, without going there."""
        page = self.http.get(f"{self.eph_url}/auth/sign-in", params={"to": to})
        action, fields = _choose(page.text, person)
        answer = self.http.post(urljoin(str(page.url), action), data=fields, follow_redirects=False)
        assert answer.status_code in (302, 303), answer.text
        return answer.headers["location"]

    def open(self, url: str, person: str = "") -> httpx.Response:
        """Opens a page, follows its refreshes at once, and signs in as ``person`` where the provider asks."""
        page = self.http.get(url)
        for _ in range(10):
            if refresh := _REFRESH.search(page.text):
                page = self.http.get(urljoin(str(page.url), html.unescape(refresh[1])))
            elif person and _FORM.search(page.text):
                action, fields = _choose(page.text, person)
                page = self.http.post(urljoin(str(page.url), action), data=fields)
            else:
                break
        return page

    def sign_in(self, person: str, to: str = "/") -> httpx.Response:
        return self.http.get(self.callback_url(person, to))


def _choose(page: str, person: str) -> tuple[str, dict[str, str]]:
    for action, inside in _FORM.findall(page):
        fields = {html.unescape(name): html.unescape(value) for name, value in _HIDDEN.findall(inside)}
        if person in html.unescape(inside):
            return html.unescape(action), fields
    raise AssertionError(f"{person} is not on the provider's page: {page[:500]}")
