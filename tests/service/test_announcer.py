"""What is announced in channels, to whom, and how often it is tried. Row: P7."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from orchestrator.config.settings.channel_tables import ChannelSettings
from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.planning.plans import Plan
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.channels import payloads
from orchestrator.service.channels.announcer import GAP, MAX_WAITING, Announcer, AnnouncerDependencies
from orchestrator.service.fake import START, sample

URL = "https://hooks.example.com/secret-path"
WEBHOOK = ChannelSettings(kind="webhook", url=SecretStr(URL))
SLACK = ChannelSettings(kind="slack", url=SecretStr(URL))
SECOND = timedelta(seconds=1)


class Receiver:
    """Records what is sent; ``statuses`` are its next answers, then 200."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.statuses: list[int] = []
        self.pauses: list[float] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        await self.open.wait()
        assert url == URL
        self.bodies.append(body)
        self.headers.append(headers)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise httpx.ConnectError(f"can't connect to {URL}")
        return status

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for body in self.bodies]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def _announcer(receiver: Receiver, *channels: ChannelSettings) -> Announcer:
    named = {f"channel-{number}": channel for number, channel in enumerate(channels)}
    tasks = BackgroundTasks(lambda: START, lambda _: None)
    return Announcer(AnnouncerDependencies(named, receiver.send, receiver.sleep, tasks))


async def _cycles(announcer: Announcer, *cycles: Sequence[EnvironmentView], step: timedelta = SECOND) -> None:
    for number, views in enumerate(cycles):
        announcer.on_cycle(CycleResult(views=tuple(views), at=START + number * step))
        for _ in range(20):
            await asyncio.sleep(0)


async def test_each_change_is_announced_once(receiver: Receiver) -> None:
    creating, ready = sample(7, Phase.CREATING), sample(7)
    announcer = _announcer(receiver, WEBHOOK)
    await _cycles(announcer, [creating], [ready], [sample(7, Phase.UNHEALTHY)], [ready])
    assert receiver.events == ["environment.ready"]


async def test_a_new_commit_is_news(receiver: Receiver) -> None:
    pushed = replace(sample(7), wanted_commit="f" * 40)
    await _cycles(_announcer(receiver, WEBHOOK), [], [sample(7)], [pushed])
    assert receiver.events == ["environment.ready", "environment.ready"]


async def test_a_closed_pull_request_is_not_ready_again(receiver: Receiver) -> None:
    closed = replace(sample(7), wanted_commit="")
    await _cycles(_announcer(receiver, WEBHOOK), [], [sample(7)], [closed])
    assert receiver.events == ["environment.ready"]


async def test_failures_holds_and_expiry(receiver: Receiver) -> None:
    soon = replace(sample(7), expires_soon=True, expires_at=START + timedelta(hours=1))
    views = [sample(8, Phase.FAILED), sample(9, Phase.HELD), soon]
    await _cycles(_announcer(receiver, WEBHOOK), [], views, [sample(8, Phase.STALLED), *views[1:]])
    assert sorted(receiver.events) == [
        "environment.expiring", "environment.failed", "environment.held", "environment.ready",
    ]  # fmt: skip


async def test_what_there_was_before_is_not_news(receiver: Receiver) -> None:
    announcer = _announcer(receiver, WEBHOOK)
    await _cycles(announcer, [sample(7)], [sample(7)])
    await _cycles(announcer, [], [sample(8)], step=GAP + SECOND)
    assert receiver.events == []


async def test_filters_by_repository_and_kind(receiver: Receiver) -> None:
    failures = WEBHOOK.model_copy(update={"on": ("failed",), "repositories": ("demo/*",)})
    await _cycles(
        _announcer(receiver, failures),
        [],
        [sample(7), sample(8, Phase.FAILED), sample(9, Phase.FAILED, "acme/api")],
    )
    assert [json.loads(body)["repository"] for body in receiver.bodies] == ["demo/shop"]


async def test_each_level_of_a_budget_is_announced_once(receiver: Receiver) -> None:
    announcer = _announcer(receiver, WEBHOOK)
    renews = date(2026, 4, 1)

    def state(repository: str, level: BudgetLevel) -> BudgetState:
        return BudgetState(repository, Decimal(100), Decimal(90), level, renews)

    levels = [BudgetLevel.OK, BudgetLevel.WARNING, BudgetLevel.WARNING, BudgetLevel.USED_UP, BudgetLevel.USED_UP]
    for number, level in enumerate(levels):
        states = (state("demo/shop", level), state("", BudgetLevel.OK))
        plan = Plan((), START, budgets=states)
        announcer.on_cycle(CycleResult(plan=plan, at=START + number * SECOND))
        await asyncio.sleep(0.01)
    bodies = [json.loads(body) for body in receiver.bodies]
    assert [(body["event"], body["repository"]) for body in bodies] == [("budget", "demo/shop")] * 2
    assert bodies[0]["detail"] != bodies[1]["detail"]


async def test_the_budget_of_everything_concerns_every_channel(receiver: Receiver) -> None:
    only_shop = SLACK.model_copy(update={"repositories": ("demo/shop",)})
    state = BudgetState("", Decimal(100), Decimal(100), BudgetLevel.USED_UP, date(2026, 4, 1))
    announcer = _announcer(receiver, only_shop)
    announcer.on_cycle(CycleResult(at=START))
    announcer.on_cycle(CycleResult(plan=Plan((), START, budgets=(state,)), at=START + SECOND))
    await asyncio.sleep(0.01)
    assert len(receiver.bodies) == 1


async def test_tries_three_times_and_keeps_the_url_secret(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.statuses = [0, 500, 404]
    with caplog.at_level(logging.WARNING):
        await _cycles(_announcer(receiver, WEBHOOK), [], [sample(7)])
    assert receiver.pauses == [2.0, 15.0]
    assert "HTTP 404" in caplog.text
    assert "secret-path" not in caplog.text


async def test_an_unreachable_channel_does_not_fill_the_memory(receiver: Receiver) -> None:
    receiver.open.clear()
    announcer = _announcer(receiver, WEBHOOK)
    await _cycles(announcer, [], [sample(number) for number in range(1, MAX_WAITING + 50)])
    receiver.open.set()
    await _cycles(announcer, [sample(number) for number in range(1, MAX_WAITING + 50)])
    assert len(receiver.bodies) == MAX_WAITING
    await announcer.close()


async def test_webhooks_are_signed(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    await _cycles(_announcer(receiver, WEBHOOK.model_copy(update={"secret_file": secret})), [], [sample(7)])
    [headers], [body] = receiver.headers, receiver.bodies
    assert headers[payloads.SIGNATURE_HEADER] == payloads.signature("s3cret", body)


async def test_slack_shows_what_a_repository_wrote_as_text(receiver: Receiver) -> None:
    failure = FailureView("9" * 40, "build", "<!channel> & <https://evil.test|click>\nnext", (), START, 1, None)
    view = replace(sample(8, Phase.FAILED), failure=failure, pull_url="https://git.example.com/a|b>")
    await _cycles(_announcer(receiver, SLACK), [], [view])
    text = json.loads(receiver.bodies[0])["text"]
    assert "<!channel>" not in text
    assert "<https://evil.test" not in text
    assert "&lt;!channel&gt; &amp;" in text
    assert "a|b" not in text


async def test_slack_links_the_pull_request_and_the_url(receiver: Receiver) -> None:
    await _cycles(_announcer(receiver, SLACK), [], [sample(7)])
    text = json.loads(receiver.bodies[0])["text"]
    assert "<https://git.example.com/demo/shop/pull/7|demo/shop#7>" in text
    assert "<http://shop-gentle-stream-7.localhost:8080|" in text


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"kind": "slack"}, ()),
        ({"kind": "slack", "url": URL, "url_file": "/x"}, ()),
        ({"kind": "slack", "url": "ftp://x"}, ("url",)),
        ({"kind": "slack", "url": URL, "secret_file": "/x"}, ("secret_file",)),
        ({"kind": "slack", "url": URL, "on": ["odd"]}, ("on", 0)),
    ],
)
def test_settings_that_cannot_work_are_refused(table: dict[str, object], field: tuple[object, ...]) -> None:
    with pytest.raises((ValidationError, ValueError)) as error:
        ChannelSettings.model_validate(table)
    assert URL not in str(error.value)
