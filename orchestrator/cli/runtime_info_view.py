"""What ``eph get`` shows below an environment: its pods or processes, and their latest events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli import output
from orchestrator.cli.cli_errors import CliError

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.runtime_schemas import ProcessItem, RuntimeEventItem, RuntimeInfoResponse

HEADINGS = ("SERVICE", "STATE", "RESTARTS", "AGE", "NAME", "IMAGE")
COLUMN_PRIORITY = ("SERVICE", "STATE", "NAME", "AGE", "RESTARTS", "IMAGE")
MAX_EVENTS = 8


def fetch(client: ApiClient, ref: str) -> tuple[RuntimeInfoResponse, str]:
    """The second value says why nothing is known; the rest of the environment is shown anyway."""
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.runtime_schemas import RuntimeInfoResponse

    try:
        return RuntimeInfoResponse.model_validate(client.get(f"environments/{path_segment(ref)}/inside")), ""
    except CliError as error:
        return RuntimeInfoResponse(processes=[], happenings=[]), str(error)


def print_info(found: RuntimeInfoResponse, error: str) -> None:
    if error:
        output.print_note(error)
    if found.processes:
        output.print_line("")
        output.print_table(HEADINGS, [_row(item) for item in found.processes], COLUMN_PRIORITY)
    for item in found.processes:
        if item.detail:
            output.print_line(f"{item.service}: {item.detail}")
    if found.happenings:
        output.print_line("\nLatest events:")
        for happening in found.happenings[-MAX_EVENTS:]:
            output.print_line(f"  {_event_line(happening)}")


def _row(item: ProcessItem) -> list[str | Text]:
    restarts = "" if item.restarts is None else str(item.restarts)
    return [
        item.service,
        output.styled_phase(item.state),
        restarts,
        output.age(item.since),
        item.name,
        _short_image(item.image),
    ]


def _short_image(image: str) -> str:
    """Twelve digits identify a digest."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}@{digest[:12]}" if at else image


def _event_line(item: RuntimeEventItem) -> str:
    often = f" ({item.times} times)" if item.times > 1 else ""
    return f"{output.relative_time(item.at):<14} {item.about}: {item.message}{often}"
