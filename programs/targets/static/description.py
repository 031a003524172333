"""What Eph knows about the static target before it runs anything there."""

from __future__ import annotations

from programs.registry import TargetDescription
from programs.targets.static import settings_table


def _warm_up() -> None:
    from programs.kit.processes import sandbox

    sandbox.works()


DESCRIPTION = TargetDescription(
    title="The target `static`.",
    settings_model=settings_table.StaticTargetSettings,
    section_model=settings_table.StaticSection,
    problems=settings_table.problems,
    notices=settings_table.notices,
    preload=("programs.targets.static.v1",),
    warm_up=_warm_up,
)
