"""What Eph knows about the compose target before it runs anything there."""

from __future__ import annotations

from programs.registry import TargetDescription
from programs.targets.compose import detection, settings_table

DESCRIPTION = TargetDescription(
    title="The target `compose`.",
    settings_model=settings_table.ComposeTargetSettings,
    section_model=settings_table.ComposeSection,
    problems=settings_table.problems,
    notices=settings_table.notices,
    detect=detection.detect,
    database_strategies=("empty", "seed", "template"),
    runs_images=True,
    tools=("docker-compose",),
    preload=("programs.targets.compose.v1",),
)
