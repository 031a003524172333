"""Checks, deployments and failed reports at the Git host. The comment is a template of its own (reports/comment.py)."""

from __future__ import annotations


def superseded_by(commit: str) -> str:
    return f"Superseded by commit {commit}."


def queue_position(position: int) -> str:
    return f"position {position} in the queue"


def label_and_commit(label: str, commit: str) -> str:
    return f"{label}, commit {commit}"


def kind_not_shown(kind: str, pull_request: str) -> str:
    return f"can't show a {kind} on {pull_request}s"


def update_failed(where: str, report: str, when: str, reason: str) -> str:
    return f"{where}: couldn't update the {report}, next attempt at {when}: {reason}"


# --- Reports of problems


def problem_head(by: str, page: str, commit: str) -> str:
    """All three are Markdown."""
    return f"{by} reported a problem on {page} at {commit}:"
