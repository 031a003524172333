"""What ``eph get`` shows below an environment: its pods or processes, and what happened to them last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli import output
from orchestrator.cli.errors import CliError

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.cli.client import Client
    from orchestrator.surfaces.api.schemas import Happening, Inside, Process

HEADINGS = ("SERVICE", "STATE", "RESTARTS", "AGE", "NAME", "IMAGE")
KEEP = ("SERVICE", "STATE", "NAME", "AGE", "RESTARTS", "IMAGE")
SHOWN = 8


def look(client: Client, ref: str) -> tuple[Inside, str]:
    """Why nothing is known of it stands beside: what the service knows of the environment is shown all the same."""
    from orchestrator.cli.client import segment
    from orchestrator.surfaces.api.schemas import Inside

    try:
        return Inside.model_validate(client.get(f"environments/{segment(ref)}/inside")), ""
    except CliError as error:
        return Inside(processes=[], happenings=[]), str(error)


def show(found: Inside, silence: str) -> None:
    if silence:
        output.note(silence)
    if found.processes:
        output.say("")
        output.table(HEADINGS, [_row(item) for item in found.processes], KEEP)
    for item in found.processes:
        if item.detail:
            output.say(f"{item.service}: {item.detail}")
    if found.happenings:
        output.say("\nWhat happened to them last:")
        for happening in found.happenings[-SHOWN:]:
            output.say(f"  {_told(happening)}")


def _row(item: Process) -> list[str | Text]:
    restarts = "" if item.restarts is None else str(item.restarts)
    return [item.service, output.phase(item.state), restarts, output.age(item.since), item.name, _short(item.image)]


def _short(image: str) -> str:
    """Twelve digits tell a digest."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}@{digest[:12]}" if at else image


def _told(item: Happening) -> str:
    often = f" ({item.times} times)" if item.times > 1 else ""
    return f"{output.when(item.at):<14} {item.about}: {item.message}{often}"
