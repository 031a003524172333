"""What ``eph list`` shows of each environment, read from the API's JSON without the API's models, which take longer to
import than the command runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.cli import output, wording

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

HEADINGS = ("NAME", "PHASE", "URL", "PULL REQUEST", "COMMIT", "EXPIRES")
WIDE_HEADINGS = ("TARGET", "AUTHOR", "PER DAY", "SPENT")
COLUMN_PRIORITY = ("NAME", "PHASE", "URL", "PULL REQUEST", "EXPIRES", "COMMIT")


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """``headline``: why it isn't ready, in one sentence."""

    name: str
    phase: str
    url: str
    source: str
    pull_url: str
    commit: str
    expires_at: datetime | None
    headline: str
    target: str
    author: str
    cost_per_day: str
    spent: str

    def cells(self) -> list[str | Text]:
        return [
            output.link(self.name, self.url),
            output.styled_phase(self.phase),
            self.url,
            output.link(self.source, self.pull_url),
            self.commit,
            output.relative_time(self.expires_at).removeprefix("in "),
        ]

    def wide_cells(self) -> list[str | Text]:
        money = [wording.costs.money(amount) if amount else "" for amount in (self.cost_per_day, self.spent)]
        return [*self.cells(), self.target, self.author, *money]


def parse(item: Mapping[str, Any]) -> EnvironmentRow:
    """Raises KeyError, TypeError or ValueError if it isn't an environment of the API."""
    failure, cost = item["failure"], item.get("cost")
    return EnvironmentRow(
        name=item["name"] or item["ref"],
        phase=phase_label(item["phase"], item["queue_position"]),
        url=item["url"],
        source=source_label(item["repository"], item["number"], item.get("ref_name", "")),
        pull_url=item["pull_url"],
        commit=(item["commit"] or item["wanted_commit"])[:7],
        expires_at=parse_time(item["expires_at"]),
        headline=_headline(item, failure["error"] if failure else ""),
        target=item["target"],
        author=item["author"],
        cost_per_day=cost["awake_daily"] if cost else "",
        spent=cost["spent"] if cost else "",
    )


def phase_label(phase: str, queue_position: int | None) -> str:
    return f"{phase} ({queue_position})" if queue_position is not None else phase


def source_label(repository: str, number: int | None, ref_name: str) -> str:
    if ref_name:
        return f"{repository}@{ref_name}"
    return f"{repository}#{number}" if number is not None else repository


def source_of(item: EnvironmentItem) -> str:
    return source_label(item.repository, item.number, item.ref_name)


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _headline(item: Mapping[str, Any], error: str) -> str:
    reasons: list[str] = item["reasons"]
    first = reasons[0] if reasons else ""
    if item["command"]:
        return wording.environments.to_continue(first or item["phase"], item["command"])
    if item["phase"] in ("ready", "asleep"):
        return ""
    if item["problems"]:
        return str(item["problems"][0])
    return str(error or item["progress"] or first)
