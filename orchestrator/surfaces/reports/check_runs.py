"""Our check run on a commit: in progress, success, failure, or neutral; never green for another commit (P2).

It is reported on the desired commit, so it succeeds only if that exact commit is running and responds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import CheckReport, Conclusion
from orchestrator.forges.wording import DEFAULT_WORDS, ForgeWords
from orchestrator.surfaces import wording
from orchestrator.surfaces.reports import comment, suite_table
from orchestrator.surfaces.reports.markdown import plain
from orchestrator.surfaces.reports.phase_wording import fallback_tags, is_outdated, is_reachable, label, short_sha
from stacks.model import RefKind

CHECK_NAME = "eph/preview"
LONGEST_TITLE = 120
_CONCLUSIONS: Mapping[Phase, Conclusion] = {
    Phase.READY: Conclusion.SUCCESS,
    Phase.ASLEEP: Conclusion.SUCCESS,
    Phase.UNHEALTHY: Conclusion.FAILURE,
    Phase.FAILED: Conclusion.FAILURE,
    Phase.STALLED: Conclusion.FAILURE,
    Phase.REFUSED: Conclusion.NEUTRAL,
    Phase.HELD: Conclusion.NEUTRAL,
    Phase.EXPIRED: Conclusion.NEUTRAL,
    Phase.DESTROYING: Conclusion.NEUTRAL,
    Phase.DESTROYED: Conclusion.NEUTRAL,
}


def name_of(view: EnvironmentView) -> str:
    """The commit of a branch or tag may also be a pull request's, and each has its own check."""
    if view.key is None or view.key.kind is RefKind.PULL:
        return CHECK_NAME
    return f"eph/{view.key.kind}/{view.ref_name or view.ref.stack}"


def commit_of(view: EnvironmentView) -> str:
    """The commit that the check belongs to: the desired one, or else the live one."""
    return view.wanted_commit or view.commit


def is_in_progress(view: EnvironmentView) -> bool:
    return bool(commit_of(view)) and _conclusion(view) is Conclusion.IN_PROGRESS


def report(view: EnvironmentView, now: datetime, words: ForgeWords = DEFAULT_WORDS) -> CheckReport:
    return CheckReport(
        conclusion=_conclusion(view),
        title=plain(_title(view), LONGEST_TITLE),
        summary=comment.render(view, now, words=words),
        details_url=comment.logs_url(view) if view.page_url else view.url if is_reachable(view) else "",
    )


def superseded(newer: str) -> CheckReport:
    """For a commit that was in progress when a newer one arrived: its check must not stay in progress forever."""
    sentence = wording.reports.superseded_by(short_sha(newer))
    return CheckReport(Conclusion.NEUTRAL, plain(sentence, LONGEST_TITLE), plain(sentence))


def _conclusion(view: EnvironmentView) -> Conclusion:
    found = _CONCLUSIONS.get(view.phase, Conclusion.IN_PROGRESS)
    if view.phase is Phase.REFUSED and view.problems:
        return Conclusion.FAILURE
    if found is Conclusion.SUCCESS and is_outdated(view):
        return Conclusion.IN_PROGRESS
    found = suite_table.conclusion(view, found)
    return Conclusion.NEUTRAL if found is Conclusion.SUCCESS and fallback_tags(view) else found


def _title(view: EnvironmentView) -> str:
    head = wording.reports.label_and_commit(label(view), short_sha(commit_of(view))) if commit_of(view) else label(view)
    return f"{head}: {rest}" if (rest := _rest(view)) else head


def _rest(view: EnvironmentView) -> str:
    if view.queue_position is not None:
        return wording.reports.queue_position(view.queue_position)
    if view.phase in (Phase.FAILED, Phase.STALLED) and view.failure is not None:
        return view.failure.error
    if view.phase is Phase.READY:
        return suite_table.title(view) or view.url
    return view.reasons[0] if view.reasons else ""
