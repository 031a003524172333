"""What the tools return: small values without empty fields, each with the sentence that says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.service.deploys.deploy_port import DeployStatus, RequestedPullRequest
from orchestrator.surfaces import wording

Result = dict[str, Any]
TAIL_LINES = 20
NEXT_STEPS: Mapping[Phase, str] = {
    Phase.READY: wording.mcp.OPEN_URL,
    Phase.ASLEEP: wording.mcp.FIRST_REQUEST_STARTS_IT,
    Phase.FAILED: wording.mcp.READ_OPERATION_LOG,
    Phase.STALLED: wording.mcp.READ_OPERATION_LOG,
    Phase.REFUSED: wording.mcp.FIX_EPH_YAML,
    Phase.UNHEALTHY: wording.mcp.READ_LOGS,
    Phase.HELD: wording.mcp.OPERATOR_FIRST,
    Phase.EXPIRED: wording.mcp.CREATE_AGAIN,
    Phase.DESTROYING: wording.mcp.CREATE_AFTERWARDS,
    Phase.DESTROYED: wording.mcp.CREATE_GONE,
}
STILL_WORKING = wording.mcp.STILL_WORKING


def summary(view: EnvironmentView) -> Result:
    """One line of a list."""
    return _without_empty({
        "name": view.name or str(view.ref),
        "of": display_name(view),
        "phase": view.phase.value,
        "url": view.url,
        "commit": view.commit[:12],
        "expires_at": _time(view.expires_at),
    })  # fmt: skip


def details(view: EnvironmentView) -> Result:
    return {
        **summary(view),
        **_without_empty({
            "newest_commit": view.wanted_commit[:12] if view.wanted_commit != view.commit else "",
            "links": {link.name: link.url for link in view.links},
            "progress": view.progress,
            "problems": list(view.problems),
            "failure": failure(view.failure) if view.failure else None,
            "tests": tests_of(view),
        }),
        "next": NEXT_STEPS.get(view.phase, STILL_WORKING),
    }  # fmt: skip


def failure(found: FailureView) -> Result:
    return _without_empty({"step": found.step, "error": found.error, "output": list(found.tail[-TAIL_LINES:])})


def tests_of(view: EnvironmentView) -> Result:
    """The suites of the newest commit by name."""
    return {
        suite.name: _without_empty({
            "state": str(suite.state),
            "detail": suite.detail,
            "failed": list(suite.report.names) if suite.report else [],
        })
        for suite in view.tests
    }  # fmt: skip


def deploy(status: DeployStatus) -> Result:
    return _without_empty({
        "name": str(status.ref),
        "deploy": status.id,
        "state": status.state,
        "host": status.host,
        "url": status.url,
        "commit": status.commit[:12],
        "expires_at": _time(status.expires_at),
        "replaces": status.replaces[:12],
        "error": status.error,
        "output": list(status.output[-TAIL_LINES:]),
    })  # fmt: skip


def pull_request(found: RequestedPullRequest) -> Result:
    return {
        "name": f"{found.repository}#{found.number}",
        "state": "pending",
        "label": found.label,
        "label_added": found.added,
    }


def _without_empty(values: Mapping[str, Any]) -> Result:
    return {name: value for name, value in values.items() if value not in ("", None, [], {})}


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
