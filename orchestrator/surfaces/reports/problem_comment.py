"""The comment that a person's report of a problem becomes.

Every line is quoted and is nothing but text: Eph posts it with its own account, so it must contain neither a chat
command nor a mention.
"""

from __future__ import annotations

import hashlib

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service.changes.problem_reports import MarkedComment
from orchestrator.service.port import ProblemReport
from orchestrator.surfaces import wording
from orchestrator.surfaces.reports.markdown import code, link, plain, text

MAX_LINES = 40


def render(view: EnvironmentView, report: ProblemReport, by: str) -> MarkedComment:
    parts = "\0".join((str(view.ref), view.commit, report.path, report.text, by))
    marker = f"<!-- eph:problem {hashlib.sha256(parts.encode(errors='replace')).hexdigest()[:24]} -->"
    lines = [f"> {text(line)}" for line in report.text.strip().splitlines()[:MAX_LINES]]
    where = link(f"{view.url.rstrip('/')}/{report.path.lstrip('/')}") if view.url else code(report.path)
    head = wording.reports.problem_head(code(by), where, code(plain(view.commit)[:7]))
    return MarkedComment(marker, "\n\n".join([head, "\n".join(lines), marker]) + "\n")
