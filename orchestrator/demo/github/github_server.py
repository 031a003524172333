"""One sandbox: the hub, the way in for programs, the pages for people and the sender of webhooks, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from orchestrator.demo.github import control, git_http, pages
from orchestrator.demo.github.api import router
from orchestrator.demo.github.api.http import RequestHandler
from orchestrator.demo.github.quota import Clock, Faults, Quota
from orchestrator.demo.github.state.hub import Hub
from orchestrator.demo.github.webhook_sender import WebhookSender, WebhookTarget


class GitHubServer:
    """``webhook`` hears of everything in every repository, besides the hooks that repositories have."""

    def __init__(self, root: Path, base: str, webhook: WebhookTarget | None = None) -> None:
        self._webhook = webhook
        self._sender = WebhookSender()
        clock = Clock()
        self.hub = Hub(root.absolute(), self._emit, clock.now)
        self.hub.set_base_url(base)
        for repo in self.hub.repositories():
            self.hub.install_git_hook(repo)
        way = RequestHandler(self.hub, Quota(now=clock), Faults())
        found = [
            *control.routes(way, self._sender, clock),
            *git_http.routes(self.hub),
            *pages.routes(self.hub),
            *router.routes(way),
        ]
        self.app = Starlette(routes=found, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    def close(self) -> None:
        self._sender.close()
        self.hub.store.close()

    def _emit(self, repository: int, event: str, payload: Mapping[str, Any]) -> None:
        targets = [self._webhook] if self._webhook else []
        for hook in self.hub.store.find("hook", repository):
            if hook["active"]:
                config = hook["config"]
                targets.append(WebhookTarget(config["url"], config.get("secret") or "", frozenset(hook["events"])))
        for target in targets:
            if target.accepts(event):
                self._sender.send(target, event, {**payload, "sender": {"login": "ada"}})
