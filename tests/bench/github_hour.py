"""What an hour costs the Git host: many repositories watched every half minute, on a clock that we turn.

The sandbox is asked over loopback as GitHub would be: with a GitHub App (whose token, and with it every ETag, is
replaced within the hour), checks that are waited for, GraphQL where it has it. In each look one pull request is pushed
to, one gets a label more, and one gets a comment and a check of ours.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.core.chat_commands import PREFIX
from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.github.github_forge import AppKey, GitHubForge, GitHubOptions
from orchestrator.forges.github.http.disk_cache import DiskCache
from orchestrator.forges.port import CheckReport, Conclusion, Repository
from orchestrator.runtime.observation.forge_reader import ForgeReader, ForgeSnapshot
from orchestrator.service.chat import command_listener as chat
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.factory import SourceContext, create_sources
from orchestrator.sources.recipe_reader import RecipeReader, ServerRules
from tests.bench.rows import Figure, Row
from tests.bench.sizes import Size
from tests.bench.systems import temporary_folder

LABEL = "preview"
OWNER = "acme"
TIMEOUT = 120
"""Seconds for an answer: on a machine that others use, too, the sandbox is slower than GitHub ever is."""
MARKER = "<!-- eph:bench -->"
EPH_YAML = """version: "1.0"
name: shop
triggers:
  - type: pr_label
    labels: [preview]
    wait_for_checks: [build]
services:
  - name: web
    command: ./web
    port: 8080
    public: true
"""


@dataclass(slots=True)
class AdjustableClock:
    """The machine's time and what we turned it by; the sandbox's is turned with it."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)


@dataclass(slots=True)
class Fixture:
    world: DemoGitHub
    key: AppKey
    names: list[str]
    pulls: list[tuple[str, int, str]] = field(default_factory=list)
    """Repository, number, branch."""
    clock: AdjustableClock = field(default_factory=AdjustableClock)


@dataclass(frozen=True, slots=True)
class RequestCount:
    counted: int
    requests: int
    pull_requests: int
    peak_requests: int
    """Requests of one look at most, after the first: that one follows a restart, and is told on its own."""


@contextmanager
def fixture_repositories(home: Path, repositories: int, pulls_each: int) -> Iterator[Fixture]:
    world = DemoGitHub(home / "sandbox")
    world.start(process=True)
    try:
        made = Fixture(world, AppKey(*world.create_app("eph-previews")), [])
        world.set_quota(1_000_000)
        world.install_app(made.key.app_id, OWNER)
        for number in range(repositories):
            name = f"{OWNER}/shop-{number}"
            world.create_repository(name, {"eph.yaml": EPH_YAML, "web": "#!/bin/sh\n"})
            made.names.append(name)
            heads = _branches(home / "sandbox" / "git" / f"{name}.git", pulls_each)
            opened = world.open_pulls(name, heads, LABEL, "build")
            made.pulls += [(name, number, branch) for branch, number in opened.items()]
            subprocess.run(["git", "-C", home / "sandbox" / "git" / f"{name}.git", "pack-refs", "--all"], check=True)
        world.set_quota(5000)
        yield made
    finally:
        world.close()


def _branches(repository: Path, count: int) -> list[str]:
    """All in one git process: a thousand commits would else take minutes."""
    names = [f"change-{number}" for number in range(count)]
    stream = []
    for number, name in enumerate(names):
        text = f"change {number}\n"
        stream += [
            f"commit refs/heads/{name}", f"committer ada <ada@example.com> {1_700_000_000 + number} +0000",
            "data 6", "Change", "from refs/heads/main^0", "M 100644 inline change.txt", f"data {len(text)}", text,
        ]  # fmt: skip
    subprocess.run(["git", "-C", repository, "fast-import", "--quiet"], input="\n".join(stream), text=True, check=True)
    return names


def new_client(fixture: Fixture, cache: Path) -> tuple[GitHubForge, ForgeReader]:
    options = GitHubOptions(organisations=(OWNER,), cache=DiskCache(cache, fixture.clock))
    forge = GitHubForge(fixture.world.api_url, fixture.key, [], timeout=TIMEOUT, now=fixture.clock, options=options)
    rules = ServerRules(AdmissionPolicy(installed_targets=frozenset({"local"})), b"k" * 32, "localhost", {"local": {}})
    recipes = RecipeReader(forge, rules, fixture.clock.utc)
    context = SourceContext(forge, recipes, CommitFacts(forge, fixture.clock.utc), frozenset({"local"}))
    return forge, ForgeReader(forge, create_sources(context), context.commits)


async def poll(fixture: Fixture, cache: Path, cycles: int, interval: float, busy: bool) -> RequestCount:
    """So many looks of one life, counted by the Git host."""
    forge, reader = new_client(fixture, cache)
    before, busiest, facts = fixture.world.stats(), 0, ForgeSnapshot()
    try:
        for look in range(cycles):
            began = time.monotonic()
            fixture.world.set_clock(fixture.clock.ahead)
            if busy:
                await asyncio.to_thread(_apply_activity, fixture, forge, facts, look)
            seen = fixture.world.stats()["requests"]
            facts = await reader.read({})
            await _read_comments(fixture, forge, facts)
            if look:
                busiest = max(busiest, fixture.world.stats()["requests"] - seen)
            if lacking := _incomplete(fixture, facts):
                raise RuntimeError(f"look {look} is not whole: {'; '.join(lacking)}")
            fixture.clock.ahead += max(0.0, interval - (time.monotonic() - began))  # the look itself took some of it
    finally:
        forge.close()
    after = fixture.world.stats()
    candidates = sum(len(item.requests) for item in facts.facts.values())
    return RequestCount(
        after["counted"] - before["counted"], after["requests"] - before["requests"], candidates, busiest
    )


async def _read_comments(fixture: Fixture, forge: GitHubForge, facts: ForgeSnapshot) -> None:
    """For chat commands, as ephd does after each look."""
    slots, since = asyncio.Semaphore(chat.MAX_CONCURRENT), fixture.clock.utc() - chat.MAX_COMMENT_AGE

    async def one(home: Repository) -> None:
        async with slots:
            await asyncio.to_thread(forge.comments_since, home, since, (PREFIX,))

    await asyncio.gather(*(one(home) for home in facts.repositories.values()))


def _incomplete(fixture: Fixture, facts: ForgeSnapshot) -> list[str]:
    """Why a look is not whole, each repository in its own words; nothing: it is."""
    every = facts.facts.values()
    found = [f"{item.full_name}: {item.reason}" for item in every if not item.complete]
    found += [f"{item.full_name}, {kind}: {why}" for item in every for kind, why in item.incomplete_kinds.items()]
    missing = {*fixture.names} - {item.full_name for item in every}
    return [*found, *(f"{name} is not there" for name in sorted(missing)), *facts.problems]


def _apply_activity(fixture: Fixture, forge: GitHubForge, facts: ForgeSnapshot, cycle: int) -> None:
    """What people and CI do, and what Eph writes for it."""
    name, number, branch = fixture.pulls[cycle * 7 % len(fixture.pulls)]
    sha = fixture.world.push(name, branch, {"change.txt": f"look {cycle}\n"})
    fixture.world.set_check(name, sha, "build", None if cycle % 2 else "success")
    other, labelled, _ = fixture.pulls[cycle * 11 % len(fixture.pulls)]
    fixture.world.label(other, labelled, "size: s")
    for repository in facts.repositories.values():
        if repository.full_name == name:
            for state in (Conclusion.IN_PROGRESS, Conclusion.SUCCESS):
                forge.upsert_comment(repository, number, MARKER, f"{MARKER} {state} {sha}")
                forge.report_check(repository, sha, "eph/preview", CheckReport(state, state.value, ""))


async def github_hour(size: Size) -> Row:
    """100 repositories with 20 open pull requests each, 120 looks; then what a push costs with what is told of it."""
    pushes = size.pushes
    with temporary_folder() as home:
        begun = time.monotonic()
        with fixture_repositories(home, size.repositories, size.pulls) as made:
            built = time.monotonic() - begun
            first = await poll(made, home / "cache.db", 1, 30, busy=False)
            quiet = await poll(made, home / "cache.db", size.looks, 30, busy=False)
            restart = await poll(made, home / "cache.db", 1, 30, busy=False)
            busy = await poll(made, home / "cache.db", pushes, 30, busy=True)
    each = (busy.counted - restart.counted) / pushes
    hours = timedelta(seconds=time.monotonic() - begun)
    return Row(
        "github-hour",
        (
            Figure("counted, quiet", quiet.counted, 1000),
            Figure("counted for a push", each, 15),
            Figure("requests of a later cycle", busy.peak_requests, 400),
        ),
        f"{size.looks} cycles, one every 30 seconds, over {quiet.pull_requests} pull requests in {size.repositories} "
        "repositories, starting with a restart: "
        f"{quiet.counted} counted of {quiet.requests} requests; a restart alone: {restart.counted}; a push, a label, a "
        f"comment and a check twice per cycle: {each:.1f} more",
        f"the very first cycle: {first.counted} counted; building the fixture took {built:.0f} s, everything {hours}",
    )
