"""What each tab of an environment's page shows. A tab reads only what it needs, so that a target that doesn't respond
slows down its own tabs only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from orchestrator.core.views import log_positions
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.log_positions import OPERATION, SERVICES, LogPosition
from orchestrator.core.views.page_links import PageTab
from orchestrator.core.wording.costs import STRATEGY_NAMES
from orchestrator.service.port import EnvironmentNotFound, EnvironmentService, RequestRefused, TemporarilyUnavailable
from orchestrator.surfaces.api.rendering import render
from orchestrator.surfaces.dashboard import log_sections
from orchestrator.surfaces.dashboard.log_sections import SHOWN_LINES
from programs.runtime_info import LogRequest, RuntimeInfo

MAX_LINES = 5000
EVENT_COUNT = 200
RECENT_EVENTS = 8


@dataclass(frozen=True, slots=True)
class TabRequest:
    """``commit``, ``search`` and ``position`` concern the logs."""

    tab: PageTab = PageTab.OVERVIEW
    commit: str = ""
    search: str = ""
    position: LogPosition | None = None


Values = dict[str, object]


async def values(service: EnvironmentService, view: EnvironmentView, shown: TabRequest) -> Values:
    return await _LOADERS[shown.tab](service, view, shown)


async def _overview(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    events = await service.events(str(view.ref), 0, RECENT_EVENTS, True)
    return {"facts": list(render.facts(view)), "events": list(reversed(events))}


async def _logs(service: EnvironmentService, view: EnvironmentView, shown: TabRequest) -> Values:
    name, position = str(view.ref), shown.position
    sought = {position.section} if position else set()
    output, operation, history = await asyncio.gather(
        lines(service.logs(name, LogRequest(lines=_read_lines(SERVICES, sought)))),
        lines(service.operation_log(name, _read_lines(OPERATION, sought))),
        service.steps(name, shown.commit),
    )
    run = log_positions.find_run(history.steps, position.section) if position else None
    steps = [log_sections.of_step(each, position if each is run else None, shown.search) for each in history.steps]
    logs = log_sections.of_log(SERVICES, output, position if SERVICES in sought else None, shown.search)
    last = log_sections.of_log(OPERATION, operation, position if OPERATION in sought else None, shown.search)
    sections = [*steps, logs, last]
    return {
        "logs": logs,
        "operation": last,
        "history": history,
        "steps": [step for step in steps if step.lines or not shown.search],
        "max_lines": MAX_LINES,
        "is_lost": position is not None and not shown.search and not any(each.is_linked for each in sections),
    }


def _read_lines(section: str, sought: set[str]) -> int:
    """More if a link leads to a line of this log, which may be older than what the page shows otherwise."""
    return MAX_LINES if section in sought else SHOWN_LINES


async def _tests(service: EnvironmentService, view: EnvironmentView, _: TabRequest) -> Values:
    shown = [suite.name for suite in view.tests if suite.screenshots]
    found = await asyncio.gather(*(service.screenshots(str(view.ref), suite) for suite in shown))
    return {"screenshots": dict(zip(shown, found, strict=True))}


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
