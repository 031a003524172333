"""What Eph knows about the pipeline target before it runs anything there."""

from __future__ import annotations

from programs.registry import TargetDescription
from programs.targets.pipeline import settings_table

DESCRIPTION = TargetDescription(
    title="The target `pipeline`.",
    settings_model=settings_table.PipelineTargetSettings,
    section_model=settings_table.PipelineSection,
    problems=settings_table.problems,
    notices=settings_table.notices,
    runs_tests=True,
    preload=("programs.targets.pipeline.v1",),
)
