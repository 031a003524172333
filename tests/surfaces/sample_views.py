"""An environment in each of its phases, as the planner would describe it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.chat_commands import ChatReply, CommandResult
from orchestrator.core.views.environment_views import EnvironmentView, ImageView, LinkView
from orchestrator.core.views.failure_views import IMAGE_STEP, FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.core.wording.chat import HELP
from stacks import keys
from stacks.model import OperationVerb, StackRef

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
OLD = "aaaaaaa1111111111111111111111111111111aa"
NEW = "bbbbbbb2222222222222222222222222222222bb"

BASE = EnvironmentView(
    ref=StackRef("eph-shop-9ix", "pr-42"),
    key=keys.pull_request(1296269, 42),
    repository="acme/shop",
    name="shop-gentle-stream-42",
    host="shop-gentle-stream-42.localhost",
    phase=Phase.READY,
    reasons=("the newest commit bbbbbbb is deployed",),
    url="http://shop-gentle-stream-42.localhost:8080",
    page_url="http://localhost:8080/e/shop-gentle-stream-42",
    title="Show prices with tax",
    author="maria",
    branch="prices",
    pull_url="http://git.test/acme/shop/pull/42",
    commit=NEW,
    wanted_commit=NEW,
    ready_at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(hours=71),
)
FAILURE = FailureView(
    commit=NEW,
    step="Build",
    error="The build command failed with exit code 2.",
    tail=("$ make dist", "make: *** No rule to make target 'dist'. Stop."),
    at=NOW - timedelta(minutes=2),
    tries=2,
    next_try=NOW + timedelta(minutes=1),
)


def view(phase: Phase, **changes: Any) -> EnvironmentView:
    return replace(BASE, phase=phase, **changes)


VIEWS_BY_NAME = {
    "ready": BASE,
    "ready_services": replace(BASE, urls={"web": BASE.url, "api": "http://api--shop-gentle-stream-42.localhost:8080"}),
    "ready_links": replace(
        BASE, links=(LinkView("Admin", f"{BASE.url}/admin"), LinkView("[API]", "https://docs.example.com/pr?n=42"))
    ),
    "refused_first": view(
        Phase.REFUSED, name="", host="", url="", page_url="", problems=("eph.yaml:3:1: unknown key",)
    ),
    "ready_expires_soon": replace(BASE, expires_at=NOW + timedelta(hours=2), expires_soon=True),
    "ready_notices": replace(
        BASE, notices=("eph.yaml:12:3: environment.schedule: the target local does not support schedules",)
    ),
    "queued": view(
        Phase.QUEUED,
        commit="",
        queue_position=3,
        reasons=("the server has 20 environments; the limit is 20; position 3 in the queue",),
    ),
    "waiting_checks": view(
        Phase.WAITING, commit="", reasons=("waiting for checks on commit bbbbbbb: lint failed, tests pending",)
    ),
    "waiting_checks_update": view(
        Phase.WAITING, commit=OLD, reasons=("waiting for checks on commit bbbbbbb: tests pending",)
    ),
    "waiting_image": view(
        Phase.IMAGE,
        commit=OLD,
        reasons=(
            "waiting for image api for commit bbbbbbb since 2026-03-02 11:40:00 UTC, "
            "until 2026-03-02 12:10:00 UTC at the latest. "
            "registry.test/acme/shop: tag_template: pr-42-bbbbbbb not found in the registry",
        ),
    ),
    "failed_without_image": view(
        Phase.FAILED,
        commit="",
        failure=replace(
            FAILURE, step=IMAGE_STEP, tail=(), tries=0, error="image api for commit bbbbbbb not found within 30 min"
        ),
        reasons=("image api for commit bbbbbbb not found within 30 min",),
    ),
    "ready_fallback": replace(
        BASE,
        images={
            "api": ImageView(
                "registry.test/acme/shop@sha256:c0ffee", "fallback_tag: latest; tag_template: pr-42-bbbbbbb not found"
            ),
            "web": ImageView("registry.test/acme/web@sha256:c0ffee", "tag_template: pr-42-bbbbbbb"),
        },
    ),
    "waiting_approval": view(
        Phase.WAITING,
        commit="",
        author="mallory",
        awaits_approval=True,
        reasons=(
            "acme/shop#42 comes from a fork; commit bbbbbbb needs approval from someone with write access: "
            "comment `/eph approve`, or run `eph approve acme/shop#42`",
        ),
    ),
    "ready_kept": replace(BASE, kept=True, expires_at=None),
    "queued_update": view(
        Phase.QUEUED,
        commit=OLD,
        queue_position=1,
        reasons=("at most 2 operations can run at a time; position 1 in the queue",),
    ),
    "starting_failed_before": view(Phase.STARTING, failure=FAILURE, reasons=("/healthz has not responded yet.",)),
    "unhealthy_failed": view(Phase.UNHEALTHY, failure=FAILURE, reasons=("its URL hasn't responded for 2 min",)),
    "stalled_update": view(
        Phase.STALLED,
        commit=OLD,
        reasons=("the build of bbbbbbb failed 5 times; push a new commit or run `eph up` to retry",),
        failure=replace(FAILURE, tries=5, next_try=None),
    ),
    "failed_without_words": view(
        Phase.FAILED, commit="", reasons=("Its build failed.",), failure=replace(FAILURE, step="", tail=())
    ),
    "destroying_failed": view(
        Phase.FAILED,
        reasons=("acme/shop#42 is merged; destroy failed 1 time; next attempt at 2026-11-21 04:01:00 UTC",),
        failure=replace(
            FAILURE, step="destroy", error="The database did not respond.", tries=1, verb=OperationVerb.DESTROY
        ),
    ),
    "branch": replace(BASE, key=None, title="", author="", branch="release-1", pull_url=""),
    "creating": view(
        Phase.CREATING,
        commit="",
        reasons=("acme/shop#42 has the label preview but no environment yet",),
        progress="Migrate main",
    ),
    "updating": view(Phase.UPDATING, commit=OLD, reasons=("commit bbbbbbb is newer than the live commit aaaaaaa",)),
    "starting": view(Phase.STARTING, reasons=("/healthz has not responded yet.",)),
    "unhealthy": view(Phase.UNHEALTHY, reasons=("/healthz has returned 500 since 03:58 UTC.",)),
    "failed_first": view(Phase.FAILED, commit="", reasons=("Its build failed.",), failure=FAILURE),
    "failed_update": view(Phase.FAILED, commit=OLD, reasons=("Its build failed.",), failure=FAILURE),
    "stalled": view(
        Phase.STALLED,
        commit="",
        reasons=("the build of bbbbbbb failed 5 times; push a new commit or run `eph up` to retry",),
        failure=replace(FAILURE, tries=5, next_try=NOW + timedelta(hours=1)),
    ),
    "refused": view(
        Phase.REFUSED,
        commit="",
        reasons=("eph.yaml at commit bbbbbbb is invalid",),
        problems=(
            "eph.yaml:3: unknown key 'servces', did you mean 'services'?",
            "eph.yaml:9: ttl: '3 sheep' is not a duration",
        ),
    ),
    "refused_update": view(
        Phase.REFUSED,
        commit=OLD,
        reasons=("eph.yaml at commit bbbbbbb is invalid",),
        problems=("eph.yaml:1: this is not YAML",),
    ),
    "asleep": view(
        Phase.ASLEEP, reasons=("asleep since 2026-11-21 01:00:00 UTC on the newest commit bbbbbbb; a visit wakes it",)
    ),
    "asleep_after_failed_wake": view(
        Phase.ASLEEP,
        reasons=("asleep since 2026-11-21 01:00:00 UTC on the newest commit bbbbbbb; a visit wakes it",),
        failure=replace(FAILURE, verb=OperationVerb.WAKE, step="Health check web", tries=1, next_try=None),
    ),
    "held": view(
        Phase.HELD,
        commit="",
        reasons=(
            "locked by process 71 of eph on other-host since 2026-11-21 01:00:00 UTC, which may still be running",
        ),
        command="eph doctor",
    ),
    "expired": view(Phase.EXPIRED, commit="", reasons=("commit bbbbbbb expired",)),
    "destroying": view(Phase.DESTROYING, reasons=("acme/shop#42 is closed",)),
    "destroyed": view(Phase.DESTROYED, commit="", url="", reasons=("acme/shop#42 is merged",)),
}

_EXTENDED = CommandResult(
    True,
    "Postponed the expiry of shop-gentle-stream-42 to 2026-11-25 03:00 UTC (or the latest time this server allows).",
)
REPLIES = {
    "done": ChatReply("/eph extend", "ada", _EXTENDED),
    "logs": ChatReply(
        "/eph logs",
        "ada",
        CommandResult(True, "Latest log lines from shop-gentle-stream-42:", ("GET / 200", "GET /x 404"), verbatim=True),
    ),
    "help": ChatReply("/eph help", "ada", CommandResult(True, "Commands, one per line:", HELP)),
    "misunderstood": ChatReply("/eph upp", "grace", CommandResult(False, "Unknown command 'upp'. Commands:", HELP)),
}
