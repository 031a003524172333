"""Why a test suite is skipped, and why its report isn't accepted."""

from __future__ import annotations

REPORT_WITHOUT_SUITE = "its root element is neither testsuites nor testsuite"
REPORT_WITH_ENTITY = "it declares a document type or an entity, which isn't allowed"
UNNAMED_TEST = "unnamed test case"


def needs_failed(suite: str) -> str:
    return f"skipped because {suite} didn't pass"


def report_too_large(limit: int) -> str:
    return f"it is larger than {limit // 1024**2} MB"


def report_not_xml(problem: str, line: int) -> str:
    return f"it isn't valid XML: {problem}, line {line}"


def report_too_deep(limit: int) -> str:
    return f"it is nested more than {limit} levels deep"
