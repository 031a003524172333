"""An environment in each of its phases, as the plan would describe it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.core.chat_commands import HELP, ChatReply, CommandResult
from orchestrator.core.model.world import Key
from orchestrator.core.views.environment_views import IMAGE_STEP, EnvironmentView, FailureView, ImageView
from orchestrator.core.views.phases import Phase
from stacks.model import StackRef

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
OLD = "aaaaaaa1111111111111111111111111111111aa"
NEW = "bbbbbbb2222222222222222222222222222222bb"

BASE = EnvironmentView(
    ref=StackRef("eph-shop-9ix", "pr-42"),
    key=Key(1296269, 42),
    repository="acme/shop",
    name="shop-gentle-stream-42",
    host="shop-gentle-stream-42.localhost",
    phase=Phase.READY,
    reasons=("Labelled preview, and its URL answers.",),
    url="http://shop-gentle-stream-42.localhost:8080",
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
    step="build",
    error="The build command failed with exit code 2.",
    tail=("$ make dist", "make: *** No rule to make target 'dist'. Stop."),
    at=NOW - timedelta(minutes=2),
    tries=2,
    next_try=NOW + timedelta(minutes=1),
)


def view(phase: Phase, **changes: object) -> EnvironmentView:
    return replace(BASE, phase=phase, **changes)


VIEWS_BY_NAME = {
    "ready": BASE,
    "ready_services": replace(BASE, urls={"web": BASE.url, "api": "http://api--shop-gentle-stream-42.localhost:8080"}),
    "ready_expires_soon": replace(BASE, expires_at=NOW + timedelta(hours=2), expires_soon=True),
    "ready_notices": replace(
        BASE, notices=("eph.yaml:12:3: environment.schedule: this version of Eph knows no office hours",)
    ),
    "queued": view(Phase.QUEUED, commit="", queue_position=3, reasons=("20 of 20 environments are in use.",)),
    "waiting_checks": view(
        Phase.WAITING, commit="", reasons=("waits for checks of bbbbbbb: lint failed, tests not done",)
    ),
    "waiting_checks_update": view(Phase.WAITING, commit=OLD, reasons=("waits for checks of bbbbbbb: tests not done",)),
    "waiting_image": view(
        Phase.IMAGE,
        commit=OLD,
        reasons=(
            "waits for image api of bbbbbbb since 2026-03-02 11:40:00 UTC, at most until 2026-03-02 12:10:00 UTC. "
            "registry.test/acme/shop: tag_template: pr-42-bbbbbbb is not in its registry",
        ),
    ),
    "failed_without_image": view(
        Phase.FAILED,
        commit="",
        failure=replace(
            FAILURE, step=IMAGE_STEP, tail=(), tries=0, error="there is no image api for commit bbbbbbb within 30 min"
        ),
        reasons=("there is no image api for commit bbbbbbb within 30 min",),
    ),
    "ready_fallback": replace(
        BASE,
        images={
            "api": ImageView(
                "registry.test/acme/shop@sha256:c0ffee", "fallback_tag: latest; tag_template: x is not there"
            ),
            "web": ImageView("registry.test/acme/web@sha256:c0ffee", "tag_template: pr-42-bbbbbbb"),
        },
    ),
    "waiting_approval": view(
        Phase.WAITING,
        commit="",
        author="mallory",
        reasons=(
            "acme/shop#42 comes from a fork and waits for approval of commit bbbbbbb by someone with write access: "
            "comment `/eph approve`, or run `eph approve acme/shop#42`",
        ),
    ),
    "ready_kept": replace(BASE, kept=True, expires_at=None),
    "queued_update": view(Phase.QUEUED, commit=OLD, queue_position=1, reasons=("Both lanes are busy.",)),
    "starting_failed_before": view(Phase.STARTING, failure=FAILURE, reasons=("/healthz does not answer yet.",)),
    "unhealthy_failed": view(Phase.UNHEALTHY, failure=FAILURE, reasons=("A repair failed.",)),
    "stalled_update": view(
        Phase.STALLED, commit=OLD, reasons=("It failed 5 times.",), failure=replace(FAILURE, tries=5, next_try=None)
    ),
    "failed_without_words": view(
        Phase.FAILED, commit="", reasons=("Its build failed.",), failure=replace(FAILURE, step="", tail=())
    ),
    "destroying_failed": view(
        Phase.FAILED,
        reasons=("the pull request was merged; the destroy failed once",),
        failure=replace(FAILURE, step="destroy", error="the database did not answer", tries=1),
    ),
    "branch": replace(BASE, key=None, title="", author="", branch="release-1", pull_url=""),
    "creating": view(Phase.CREATING, commit="", reasons=("Labelled preview.",), progress="database"),
    "updating": view(Phase.UPDATING, commit=OLD, reasons=("A newer commit was pushed.",)),
    "starting": view(Phase.STARTING, reasons=("/healthz does not answer yet.",)),
    "unhealthy": view(Phase.UNHEALTHY, reasons=("/healthz answers 500 since 03:58 UTC.",)),
    "failed_first": view(Phase.FAILED, commit="", reasons=("Its build failed.",), failure=FAILURE),
    "failed_update": view(Phase.FAILED, commit=OLD, reasons=("Its build failed.",), failure=FAILURE),
    "stalled": view(
        Phase.STALLED,
        commit="",
        reasons=("It failed 5 times.",),
        failure=replace(FAILURE, tries=5, next_try=NOW + timedelta(hours=1)),
    ),
    "refused": view(
        Phase.REFUSED,
        commit="",
        reasons=("Its eph.yaml is wrong.",),
        problems=(
            "eph.yaml:3: unknown key 'servces', did you mean 'services'?",
            "eph.yaml:9: ttl: '3 sheep' is no time",
        ),
    ),
    "refused_update": view(
        Phase.REFUSED, commit=OLD, reasons=("Its eph.yaml is wrong.",), problems=("eph.yaml:1: this is not YAML",)
    ),
    "asleep": view(Phase.ASLEEP, reasons=("Nobody used it for 2 hours.",)),
    "held": view(Phase.HELD, commit="", reasons=("Its lock has an owner of another host.",), command="eph doctor"),
    "expired": view(Phase.EXPIRED, commit="", reasons=("Its time ran out at 2026-11-21 03:00 UTC.",)),
    "destroying": view(Phase.DESTROYING, reasons=("The pull request was closed.",)),
    "destroyed": view(Phase.DESTROYED, commit="", url="", reasons=("The pull request was merged.",)),
}

_EXTENDED = CommandResult(
    True, "shop-gentle-stream-42 lives until 2026-11-25 03:00 UTC, or as long as this server allows."
)
REPLIES = {
    "done": ChatReply("/eph extend", "ada", _EXTENDED),
    "logs": ChatReply(
        "/eph logs", "ada", CommandResult(True, "What it printed last:", ("GET / 200", "GET /x 404"), verbatim=True)
    ),
    "help": ChatReply("/eph help", "ada", CommandResult(True, "Commands, each on a line of its own:", HELP)),
    "misunderstood": ChatReply(
        "/eph upp", "grace", CommandResult(False, "'upp' is no command; these are understood:", HELP)
    ),
}
