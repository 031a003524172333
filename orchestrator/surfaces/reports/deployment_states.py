"""A commit's deployment on the Git host: its state and its URL (P2).

There is one once a commit is being deployed, and none for environments that were rejected, are waiting or are on hold:
they deployed nothing, and an earlier deployment stays correct. At the end all deployments are retired, and the
environment with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.failure_views import IMAGE_STEP
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import DeploymentReport, DeploymentState
from orchestrator.surfaces import wording
from orchestrator.surfaces.reports.markdown import plain
from orchestrator.surfaces.reports.phase_wording import is_outdated, is_reachable, label, short_sha

MAX_DESCRIPTION = 140
_STATES: Mapping[Phase, DeploymentState] = {
    Phase.CREATING: DeploymentState.IN_PROGRESS,
    Phase.UPDATING: DeploymentState.IN_PROGRESS,
    Phase.STARTING: DeploymentState.IN_PROGRESS,
    Phase.READY: DeploymentState.SUCCESS,
    Phase.ASLEEP: DeploymentState.SUCCESS,
    Phase.UNHEALTHY: DeploymentState.FAILURE,
    Phase.FAILED: DeploymentState.FAILURE,
    Phase.STALLED: DeploymentState.FAILURE,
    Phase.DESTROYING: DeploymentState.INACTIVE,
}


def report(view: EnvironmentView) -> DeploymentReport | None:
    """About the desired commit (``check_runs.commit_of``). None: there is nothing to report."""
    state = _STATES.get(view.phase)
    if state is None or not view.name or _never_deployed(view):
        return None
    if state is DeploymentState.SUCCESS and is_outdated(view):
        state = DeploymentState.IN_PROGRESS
    shown = is_reachable(view) and state is not DeploymentState.INACTIVE
    return DeploymentReport(state, plain(_sentence(view), MAX_DESCRIPTION), view.url if shown else "")


def _never_deployed(view: EnvironmentView) -> bool:
    """Its image was never found, so nothing of that commit was deployed."""
    return view.phase is Phase.FAILED and view.failure is not None and view.failure.step == IMAGE_STEP


def is_over(view: EnvironmentView) -> bool:
    """Nothing is left of it, so its deployments are retired. An expired environment is destroyed first, and a rejected
    one may have been in progress until then."""
    ends = view.phase in (Phase.EXPIRED, Phase.REFUSED) and not view.commit
    return bool(view.name) and (view.phase is Phase.DESTROYED or ends)


def _sentence(view: EnvironmentView) -> str:
    if view.phase in (Phase.FAILED, Phase.STALLED) and view.failure is not None:
        return f"{label(view)}: {view.failure.error}"
    commit = view.wanted_commit or view.commit
    return wording.reports.label_and_commit(label(view), short_sha(commit))
