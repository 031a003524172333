"""What Eph knows about the program target before it runs anything there."""

from __future__ import annotations

from programs.registry import TargetDescription
from programs.targets.program import settings_table


def _warm_up() -> None:
    from programs.kit.processes import sandbox

    sandbox.works()


DESCRIPTION = TargetDescription(
    title="The target `program`.",
    settings_model=settings_table.ProgramTargetSettings,
    section_model=settings_table.ProgramSection,
    problems=settings_table.problems,
    notices=settings_table.notices,
    tools=("pulumi-language-yaml",),
    needs_approvals=True,
    preload=("programs.targets.program.v1",),
    warm_up=_warm_up,
)
