"""An AWS account for a test: moto's server on this machine, in which every resource starts empty."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from programs.kit.waiting import WaitClock
from programs.targets.aws import settings, tags
from programs.targets.aws.api.clients import AwsClients
from tests.targets.aws import aws_server
from tests.targets.aws.aws_server import AwsServer

REGION, SERVER = "eu-central-1", "eph-c0ffee"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True)
class AwsAccount:
    """``server``: None unless it is moto. ``runs_tasks``: whether what ECS is asked to run runs."""

    endpoint: str
    zone: str
    server: AwsServer | None = None
    runs_tasks: bool = False

    def settings(self, **more: str) -> dict[str, str]:
        base = {"region": REGION, "server": SERVER, "url": "http://{host}", "zone": self.zone, "root": "/nowhere"}
        return {**base, "endpoint": self.endpoint, **more}

    def clients(self, **more: str) -> AwsClients:
        return AwsClients(settings.from_mapping(self.settings(**more)))

    def clients_at(self, clock: VirtualClock, **more: str) -> AwsClients:
        """That wait by this clock."""
        wait_clock = WaitClock(clock.now, clock.pause)
        return AwsClients(settings.from_mapping(self.settings(**more)), wait_clock, clock.utc_now)


class VirtualClock:
    """Pauses pass at once. ``at``: what happens on AWS once that many seconds have passed."""

    def __init__(self) -> None:
        self._start = datetime.now(UTC)
        self._events: list[tuple[float, Callable[[], None]]] = []
        self.seconds = 0.0

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        self._events.append((seconds, event))

    def now(self) -> float:
        return self.seconds

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        due = [item for item in self._events if item[0] <= self.seconds]
        for item in due:
            self._events.remove(item)
            item[1]()


@contextlib.contextmanager
def running_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    set_credentials(monkeypatch)
    server = AwsServer()
    with aws_server.serving(server) as endpoint:
        urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()  # moto's state is the process's
        zone = client_of(endpoint, "route53").create_hosted_zone(Name="preview.test", CallerReference="1")["HostedZone"]
        yield AwsAccount(endpoint, zone["Id"].rpartition("/")[2], server)


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an account that doesn't exist."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def marks(environment: str, server: str = SERVER) -> dict[str, str]:
    return {tags.ENVIRONMENT: environment, tags.MANAGED_BY: "eph", tags.SERVER: server}


def client_of(endpoint: str, service: str) -> Any:
    return AwsAccount(endpoint, "Z0").clients().client(service)
