"""Parses a suite's JUnit XML as untrusted input: limited size and depth, no entities, no document type, no fetches.

Only counts and the names of the first failures are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from orchestrator.core import wording

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 50
MAX_NAMES = 10
MAX_NAME_LENGTH = 160


class InvalidReport(ValueError):
    """The file isn't readable JUnit XML; the message says why."""


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """``names`` are the first failed tests."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    names: tuple[str, ...] = ()

    @property
    def passed(self) -> int:
        return max(0, self.tests - self.failures - self.errors - self.skipped)


def parse(data: bytes) -> JUnitReport:
    """Raises InvalidReport."""
    if len(data) > MAX_BYTES:
        raise InvalidReport(wording.suites.report_too_large(MAX_BYTES))
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        message = wording.suites.report_not_xml(expat.errors.messages[error.code], error.lineno)
        raise InvalidReport(message) from None
    if not reader.found_suite:
        raise InvalidReport(wording.suites.REPORT_WITHOUT_SUITE)
    return reader.report()


def _refuse(*_: object) -> int:
    raise InvalidReport(wording.suites.REPORT_WITH_ENTITY)


@dataclass(slots=True)
class _Reader:
    """Counts test cases itself, because a header's totals can't be trusted."""

    depth: int = 0
    found_suite: bool = False
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("case", "failure", "error", "skipped"), 0))
    names: list[str] = field(default_factory=list)
    case: str = ""
    outcome: str = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidReport(wording.suites.report_too_deep(MAX_DEPTH))
        if tag in ("testsuites", "testsuite"):
            self.found_suite = True
        elif tag == "testcase":
            self.case = " ".join(attributes.get(key, "").strip() for key in ("classname", "name")).strip()
            self.outcome = ""
            self.counts["case"] += 1
        elif tag in ("failure", "error", "skipped") and not self.outcome:
            self._record_outcome(tag)

    def _record_outcome(self, tag: str) -> None:
        """Only the first outcome of each test case counts."""
        self.outcome = tag
        self.counts[tag] += 1
        if tag != "skipped" and len(self.names) < MAX_NAMES:
            self.names.append((self.case or wording.suites.UNNAMED_TEST)[:MAX_NAME_LENGTH])

    def end(self, _: str) -> None:
        self.depth -= 1

    def report(self) -> JUnitReport:
        count = self.counts
        return JUnitReport(count["case"], count["failure"], count["error"], count["skipped"], tuple(self.names))
