"""What each tab of an environment's page shows. A tab reads only what it needs, so that a target that doesn't respond
slows down its own tabs only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.page_links import PageTab
from orchestrator.core.wording.costs import STRATEGY_NAMES
from orchestrator.service.port import EnvironmentNotFound, EnvironmentService, RequestRefused, TemporarilyUnavailable
from orchestrator.surfaces.api.rendering import render
from programs.runtime_info import LogRequest, RuntimeInfo
from programs.steps import StepRun

LOG_LINES = 500
STEP_LINES = 500
"""Of one step; `eph steps` shows all."""
EVENT_COUNT = 200
RECENT_EVENTS = 8


@dataclass(frozen=True, slots=True)
class TabRequest:
    """``commit`` and ``search`` concern the logs."""

    tab: PageTab = PageTab.OVERVIEW
    commit: str = ""
    search: str = ""


Values = dict[str, object]


async def values(service: EnvironmentService, view: EnvironmentView, shown: TabRequest) -> Values:
    return await _LOADERS[shown.tab](service, view, shown)


async def _overview(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    events = await service.events(str(view.ref), 0, RECENT_EVENTS, True)
    return {"facts": list(render.facts(view)), "events": list(reversed(events))}


async def _logs(service: EnvironmentService, view: EnvironmentView, shown: TabRequest) -> Values:
    name = str(view.ref)
    output, operation, history = await asyncio.gather(
        lines(service.logs(name, LogRequest(lines=LOG_LINES))),
        lines(service.operation_log(name, LOG_LINES)),
        service.steps(name, shown.commit),
    )
    steps = [replace(run, lines=_matching(run.lines, shown.search)[-STEP_LINES:]) for run in history.steps]
    return {
        "logs": _matching(output, shown.search),
        "operation": _matching(operation, shown.search),
        "history": replace(history, steps=tuple(_found(steps, shown.search))),
    }


def _matching(found: Iterable[str], search: str) -> list[str]:
    """Lines that contain the text, in any case."""
    return [line for line in found if search.casefold() in line.casefold()]


def _found(steps: Iterable[StepRun], search: str) -> list[StepRun]:
    return [run for run in steps if run.lines or not search]


async def _tests(_: EnvironmentService, __: EnvironmentView, ___: TabRequest) -> Values:
    return {}


async def _resources(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    try:
        return {"inside": await service.runtime_info(str(view.ref)), "problem": ""}
    except (EnvironmentNotFound, TemporarilyUnavailable) as error:
        return {"inside": RuntimeInfo(), "problem": str(error)}


async def _database(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    return {"databases": service.resettable_databases(str(view.ref))}


async def _variables(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    return {"variables": service.variables(str(view.ref))}


async def _cost(_: EnvironmentService, __: EnvironmentView, ___: TabRequest) -> Values:
    return {"strategy_names": STRATEGY_NAMES}


async def _history(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    return {"events": list(reversed(await service.events(str(view.ref), 0, EVENT_COUNT, True)))}


_LOADERS: Mapping[PageTab, Callable[[EnvironmentService, EnvironmentView, TabRequest], Awaitable[Values]]] = {
    PageTab.OVERVIEW: _overview,
    PageTab.LOGS: _logs,
    PageTab.TESTS: _tests,
    PageTab.RESOURCES: _resources,
    PageTab.DATABASE: _database,
    PageTab.VARIABLES: _variables,
    PageTab.COST: _cost,
    PageTab.HISTORY: _history,
}


async def lines(found: Awaitable[list[str]]) -> list[str]:
    try:
        return await found
    except (EnvironmentNotFound, RequestRefused, TemporarilyUnavailable) as error:
        # Nothing has run yet, or its target doesn't respond: the page is still worth showing.
        return [f"({error})"]
