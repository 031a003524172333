"""The Eph that is attacked: real processes, with a victim's preview, an attacker's, and one that requires sign-in.

Everything starts when an attack first needs it. The attacker has write access to the repository, so their code runs,
and holds no token. ``mallory`` is a stranger with a fork.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from programs.kit.isolation import users
from tests import raw_http
from tests.attack.attack import NotTried
from tests.attack.cluster.cluster_arena import ClusterArena
from tests.auth.hostile_provider import CLIENT_ID, HostileProvider, serving_provider
from tests.auth.identity_provider import LoopbackTransport
from tests.e2e import site as sites
from tests.e2e.previews import Preview
from tests.e2e.site import REPOSITORY, Site

HOSTILE_APP = (Path(__file__).parent / "hostile_app.py").read_text()
SHOP_YAML = (sites.SHOP / "eph.yaml").read_text()
PROTECTED_YAML = SHOP_YAML + "\nenvironment: {protection: {sign_in: required}}\n"
STRANGER = "mallory"
NASTY = "<script>alert(1)</script><img src=x onerror=alert(1)>"
"""The title of the attacker's pull request."""
PATIENCE = 300.0
MEMORY_BYTES = 512 * 1024**2
PROCESS_LIMIT = 200
SETTINGS = f"""
memory_bytes = {MEMORY_BYTES}
process_limit = {PROCESS_LIMIT}
[previews]
sign_in = "asked"
[auth]
provider = "oidc"
url = "http://localhost:{{gateway_port}}"
issuer = "%s"
client_id = "{CLIENT_ID}"
client_secret = "secret"
admins = ["platform"]
developers = ["engineers"]
viewers = ["readers"]
"""


class Arena:
    """A context manager; leaving it stops everything that was started."""

    def __init__(self) -> None:
        self.exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exits.__exit__(kind, error, trace)

    @cached_property
    def provider(self) -> HostileProvider:
        return self.exits.enter_context(serving_provider())

    @cached_property
    def site(self) -> Site:
        return self.exits.enter_context(sites.running_site(local=SETTINGS % self.provider.issuer))

    @cached_property
    def cluster(self) -> ClusterArena:
        return ClusterArena(self.exits)

    @cached_property
    def previews(self) -> dict[str, Preview]:
        """All three are created at once."""
        hostile = {"app.py": HOSTILE_APP}
        opened = {
            "victim": self.site.open_pull("victim", {"note.txt": "victim"}),
            "hostile": self.open_pull("hostile", hostile, NASTY),
            "locked": self.site.open_pull("locked", {**hostile, "eph.yaml": PROTECTED_YAML}),
        }
        found = {}
        for branch, (number, sha) in opened.items():
            self.site.wait_for_comment(number, "Ready", sha[:7], timeout=PATIENCE)
            found[branch] = Preview(number, branch, self.site.wait_for_host(number), sha)
        return found

    def open_pull(self, branch: str, files: dict[str, str], title: str) -> tuple[int, str]:
        sha = self.site.forge.push(REPOSITORY, branch, files)
        number = self.site.forge.open_pull(REPOSITORY, branch, title=title)
        self.site.forge.label(REPOSITORY, number, sites.LABEL)
        return number, sha

    def preview(self, branch: str, files: dict[str, str]) -> Preview:
        """One more environment, created even on a busy machine."""
        return self.site.wait_for_preview(branch, *self.site.open_pull(branch, files), timeout=PATIENCE)

    @property
    def victim(self) -> Preview:
        return self.previews["victim"]

    @property
    def hostile(self) -> Preview:
        return self.previews["hostile"]

    @property
    def locked(self) -> Preview:
        return self.previews["locked"]

    @cached_property
    def preview_token(self) -> str:
        text = (self.site.eph_home / "keys" / "previews.token").read_text()
        return next(line for line in text.splitlines() if line and not line.startswith("#"))

    @cached_property
    def uid(self) -> int:
        """The user of the attacker's environment."""
        return users.reserve(self.site.target_settings, self.hostile.name)

    # --- clients

    @cached_property
    def http(self) -> httpx.Client:
        """An attacker's client outside, without any credentials."""
        return self.browser()

    def browser(self) -> httpx.Client:
        client = httpx.Client(transport=LoopbackTransport(), timeout=60, trust_env=False)
        self.exits.callback(client.close)
        return client

    @property
    def dashboard(self) -> str:
        """Where people open it: at the gateway."""
        return f"http://localhost:{self.site.gateway_port}"

    def url(self, preview: Preview, path: str = "/") -> str:
        return f"http://{preview.host}:{self.site.gateway_port}{path}"

    def bearer(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def api(self, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
        headers = {**(self.bearer(token) if token else {}), **more.pop("headers", {})}
        return self.http.request(method, self.site.api_url(f"api/v1/{path}"), headers=headers, **more)

    def create_token(self, **body: object) -> str:
        answer = self.api("POST", "tokens", self.site.api_token, json={"service": "attack", **body})
        answer.raise_for_status()
        return str(answer.json()["secret"])

    def raw(self, data: bytes, port: int = 0, seconds: float = 5) -> bytes:
        return raw_http.exchange(port or self.site.gateway_port, data, seconds)

    def wait_until_refused(self, token: str) -> None:
        """Until the API refuses a token that ends by itself."""

        def problem() -> str:
            return "" if self.api("GET", "status", token).status_code == 401 else "it still counts"

        sites.wait_until("the token ends", problem, 20)

    def wait_for_cycle(self) -> None:
        """Until Eph has started and finished a cycle from now on."""
        before = self._cycle()
        started: list[str] = []

        def problem() -> str:
            now = self._cycle()
            if now != before and now not in started:
                started.append(now)
            return "" if len(started) >= 2 else "no new cycle"

        sites.wait_until("Eph looks again", problem, 40)

    def _cycle(self) -> str:
        return str(self.api("GET", "status", self.site.api_token).json()["last_cycle"])

    # --- the attacker's code

    def run_code(self, code: str, preview: Preview | None = None) -> str:
        """The output of Python code in an attacker's environment, which must have run to its end."""
        target = self.url(preview or self.hostile, "/run")
        answer = self.http.post(target, content=f"{code}\nprint('END OF ATTACK')\n".encode())
        if answer.status_code != 200 or "END OF ATTACK" not in answer.text:
            raise NotTried(f"the code didn't run to its end: {answer.status_code} {answer.text[-800:]}")
        return answer.text.partition("\n")[2].replace("END OF ATTACK\n", "")

    def seen(self, preview: Preview | None = None) -> list[str]:
        """The requests that reached the attacker's service."""
        answer = self.http.get(self.url(preview or self.hostile, "/seen"))
        answer.raise_for_status()
        return list(answer.json())

    # --- what must not change

    def victim_problem(self) -> str:
        """Empty while the victim's preview serves its own commit and data."""
        page = self.site.page(self.victim.host)
        if page.data.get("commit") != self.victim.commit:
            return f"the victim's preview responds with {page.status}: {page.text[:200]}"
        return "" if "goods" in page.data else f"the victim's data is gone: {page.text[:200]}"

    def wait_for_hostile(self) -> None:
        """After an attack that ended the attacker's own service."""
        sites.wait_until("the attacker's service is back", self._hostile_problem, 60)

    def _hostile_problem(self) -> str:
        page = self.site.page(self.hostile.host)
        return "" if page.status == 200 else f"{page.status} {page.text[:200]}"


def lines(output: str, prefix: str) -> Iterator[str]:
    return (line for line in output.splitlines() if line.startswith(prefix))
