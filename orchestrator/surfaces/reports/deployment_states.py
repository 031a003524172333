"""The deployment of a commit, as the Git host lists it beside the pull request: its state and its URL (P2).

There is one once a commit is being made, and none for what was refused, waits or is on hold: those deployed nothing,
and what ran before them still says so. At the end all of them are retired, and the environment with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.views.environment_views import IMAGE_STEP, EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import DeploymentReport, DeploymentState
from orchestrator.surfaces.reports.markdown import plain
from orchestrator.surfaces.reports.phase_wording import PHASE_LABELS, is_outdated, is_reachable, short_sha

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
    """About the commit that is wanted (``checks.commit_of``). None: there is nothing to say of it."""
    state = _STATES.get(view.phase)
    if state is None or not view.name or _never_deployed(view):
        return None
    if state is DeploymentState.SUCCESS and is_outdated(view):
        state = DeploymentState.IN_PROGRESS
    shown = is_reachable(view) and state is not DeploymentState.INACTIVE
    return DeploymentReport(state, plain(_sentence(view), MAX_DESCRIPTION), view.url if shown else "")


def _never_deployed(view: EnvironmentView) -> bool:
    """Its image was not to be had, so that nothing of that commit was deployed."""
    return view.phase is Phase.FAILED and view.failure is not None and view.failure.step == IMAGE_STEP


def is_over(view: EnvironmentView) -> bool:
    """Nothing of it is left, so that its deployments go too. An expired one is destroyed first, and what is refused may
    have been in the making until then."""
    ends = view.phase in (Phase.EXPIRED, Phase.REFUSED) and not view.commit
    return bool(view.name) and (view.phase is Phase.DESTROYED or ends)


def _sentence(view: EnvironmentView) -> str:
    if view.phase in (Phase.FAILED, Phase.STALLED) and view.failure is not None:
        return f"{PHASE_LABELS[view.phase]}: {view.failure.error}"
    commit = view.wanted_commit or view.commit
    return f"{PHASE_LABELS[view.phase]}, commit {short_sha(commit)}"
