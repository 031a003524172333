"""A suite's JUnit XML, read as a stranger's file: bounded in size and depth, no entities, no document type, nothing
fetched. Only counts and the first names of what failed are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

MOST_BYTES = 2 * 1024 * 1024
MOST_DEPTH = 50
MOST_NAMES = 10
LONGEST = 160


class BadReport(ValueError):
    """It is no JUnit XML that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """``names`` are the first of those that failed."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    names: tuple[str, ...] = ()

    @property
    def passed(self) -> int:
        return max(0, self.tests - self.failures - self.errors - self.skipped)


def parse(data: bytes) -> Report:
    """Raises BadReport."""
    if len(data) > MOST_BYTES:
        raise BadReport(f"it has more than {MOST_BYTES // 1024**2} MB")
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
        raise BadReport(f"it is no XML: {expat.errors.messages[error.code]}, line {error.lineno}") from None
    if not reader.known:
        raise BadReport("it has neither testsuites nor testsuite")
    return reader.report()


def _refuse(*_: object) -> int:
    raise BadReport("it declares a document type or an entity, which is refused")


@dataclass(slots=True)
class _Reader:
    """Counts cases one by one: what a header claims is not believed."""

    depth: int = 0
    known: bool = False
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("case", "failure", "error", "skipped"), 0))
    names: list[str] = field(default_factory=list)
    case: str = ""
    said: str = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise BadReport(f"it is more than {MOST_DEPTH} levels deep")
        if tag in ("testsuites", "testsuite"):
            self.known = True
        elif tag == "testcase":
            self.case = " ".join(attributes.get(key, "").strip() for key in ("classname", "name")).strip()
            self.said = ""
            self.counts["case"] += 1
        elif tag in ("failure", "error", "skipped") and not self.said:
            self._ends(tag)

    def _ends(self, tag: str) -> None:
        """One outcome for each case, whatever else it says."""
        self.said = tag
        self.counts[tag] += 1
        if tag != "skipped" and len(self.names) < MOST_NAMES:
            self.names.append((self.case or "a case without a name")[:LONGEST])

    def end(self, _: str) -> None:
        self.depth -= 1

    def report(self) -> Report:
        count = self.counts
        return Report(count["case"], count["failure"], count["error"], count["skipped"], tuple(self.names))
