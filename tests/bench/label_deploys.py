"""The row about label deploys: the first request to one that never ran, against starting the same app by hand."""

from __future__ import annotations

import asyncio
import statistics

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.demo.demo_world import REPOSITORY
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.service.deploys.deploy_port import DeployRequest
from tests.bench import waking
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import TIMEOUT, RunningEph, running_eph

BRANCH = "deploys"
BY_HAND = "by-hand"


async def first_request(size: Size) -> Row:
    """In turns, one of each for warming up first. The commit that is started by hand is deployed, too, and never
    requested."""
    ours, theirs, starts = [], [], 0
    async with running_eph(size) as running:
        commit = await asyncio.to_thread(running.world.forge.push, REPOSITORY, BRANCH, {"colour.txt": "#16a34a\n"})
        copy = await _deploy(running, BY_HAND, commit)
        for number in range(size.turns):
            view = await _deploy(running, f"try-{number}", commit)
            await asyncio.sleep(size.settle)  # the warm interpreter that was used is replaced meanwhile
            settings = running.world.settings.target_mapping("local")
            theirs.append(await asyncio.to_thread(waking.time_manual_start, settings, copy.name))
            ours.append((await waking.request_host(running, view.host, 1))[0])
            starts = max(starts, await _starts(running, view))
    ours, theirs = ours[size.warm_ups :], theirs[size.warm_ups :]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "first-request",
        (Figure("ratio", ratio, 1.2), Figure("starts", starts, 1)),
        f"first request to a label deploy until its response: {seconds(ours)}",
        f"the same command lines started by hand until they respond: {seconds(theirs)}",
    )


async def _deploy(running: RunningEph, label: str, commit: str) -> EnvironmentView:
    """Returns when it is built and asleep."""
    service = running.ephd.system.service
    await service.deploy(DeployRequest(label, REPOSITORY, ref=BRANCH), "bench")
    async with asyncio.timeout(TIMEOUT):
        while True:
            view = next((each for each in service.environments() if each.ref_name == label), None)
            if view is not None and view.failure is not None:
                raise RuntimeError(f"{label} failed: {view.failure}")
            if view is not None and view.commit == commit and view.asleep_since and not service.status().running:
                return view
            await asyncio.sleep(0.05)


async def _starts(running: RunningEph, view: EnvironmentView) -> int:
    found = await running.ephd.system.service.events(str(view.ref), 0, 1000, True)
    return sum(event.kind == EventKind.ENVIRONMENT_WAKING for event in found)
