"""Sends announcements in the background. A channel that fails delays nothing else, and is tried three times.

What happened while ephd was down isn't announced: the first cycle, and the first after another replica led, only show
what there is. The Git host has the state anyway.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from orchestrator.config.settings.channel_tables import ChannelSettings
from orchestrator.core.util import globs
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service import wording
from orchestrator.service.channels import announcements, mail, payloads
from orchestrator.service.channels.announcements import Announcement, Key

log = logging.getLogger("eph.channels")

GAP = timedelta(minutes=2)
"""Longer between two cycles: another replica led meanwhile."""
PAUSES = (2.0, 15.0)
"""Seconds between the three attempts."""
MAX_WAITING = 200
"""More are dropped: a channel that is down for hours must not fill the memory."""
TIMEOUT = 10.0

Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""Sends a body to a URL and returns the status. Raises httpx.HTTPError."""


@dataclass(frozen=True, slots=True)
class AnnouncerDependencies:
    channels: Mapping[str, ChannelSettings]
    send: Send
    sleep: Callable[[float], Awaitable[object]]
    tasks: BackgroundTasks


class Announcer:
    def __init__(self, dependencies: AnnouncerDependencies) -> None:
        self._deps = dependencies
        self._known: dict[Key, Announcement] = {}
        self._last: datetime | None = None
        self._waiting = 0

    def on_cycle(self, cycle: CycleResult) -> None:
        if cycle.at is None or not self._deps.channels:
            return
        budgets = cycle.plan.budgets if cycle.plan else ()
        current = announcements.current(cycle.views, cycle.at) | announcements.of_budgets(budgets, cycle.at)
        if self._last is not None and cycle.at - self._last <= GAP:
            self._announce([news for key, news in current.items() if key not in self._known])
        self._last = cycle.at
        alive = {view.ref for view in cycle.views}
        self._known = {key: old for key, old in self._known.items() if key[0] in alive} | current

    async def close(self) -> None:
        await self._deps.tasks.close()

    def _announce(self, news: Sequence[Announcement]) -> None:
        for one in news:
            for name, channel in self._deps.channels.items():
                if _wants(channel, one) and self._waiting < MAX_WAITING:
                    self._waiting += 1
                    self._deps.tasks.start(self._deliver(name, channel, one))

    async def _deliver(self, name: str, channel: ChannelSettings, announcement: Announcement) -> None:
        try:
            problem = await self._attempt(channel, announcement)
            for pause in PAUSES:
                if not problem:
                    return
                await self._deps.sleep(pause)
                problem = await self._attempt(channel, announcement)
            if problem:
                log.warning("%s", wording.channel_failed(name, problem))
        finally:
            self._waiting -= 1

    async def _attempt(self, channel: ChannelSettings, announcement: Announcement) -> str:
        """Returns what went wrong. The URL is a secret and never part of it."""
        if channel.kind == "email":
            return await self._attempt_mail(channel, announcement)
        body = payloads.slack(announcement) if channel.kind == "slack" else payloads.webhook(announcement)
        headers = {"Content-Type": "application/json"}
        try:
            if secret := channel.read_secret():
                headers[payloads.SIGNATURE_HEADER] = payloads.signature(secret, body)
            status = await self._deps.send(channel.read_url(), body, headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return type(error).__name__
        return "" if status < 300 else f"HTTP {status}"

    async def _attempt_mail(self, channel: ChannelSettings, announcement: Announcement) -> str:
        try:
            await asyncio.to_thread(mail.send, channel, announcement)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return mail.problem(error)
        return ""


def _wants(channel: ChannelSettings, announcement: Announcement) -> bool:
    """The budget of all repositories concerns every channel."""
    if announcement.kind == "budget" and not announcement.repository:
        return "budget" in channel.on
    return announcement.kind in channel.on and globs.any_matches(channel.repositories, announcement.repository)


def open_announcer(channels: Mapping[str, ChannelSettings], client: httpx.AsyncClient, clock: Clock) -> Announcer:
    tasks = BackgroundTasks(clock, lambda _: None)  # what fails is in the log
    return Announcer(AnnouncerDependencies(channels, http_sender(client), asyncio.sleep, tasks))


def http_sender(client: httpx.AsyncClient) -> Send:
    async def send(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        answer = await client.post(url, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False)
        return answer.status_code

    return send
