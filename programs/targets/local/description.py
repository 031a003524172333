"""What Eph knows about the local target before it runs anything there."""

from __future__ import annotations

from programs.drift_wording import DriftWording
from programs.kit.server_engines import engines
from programs.registry import TargetDescription
from programs.spec import POSTGRESQL
from programs.targets.local import eph_yaml_checks
from programs.targets.local.settings_table import LocalTargetSettings

STRATEGIES = ("empty", "seed", "template")


def _warm_up() -> None:
    """The first two try something in another process, which takes longer than starting a small app."""
    from programs.kit.database import postgres
    from programs.kit.isolation import servers
    from programs.kit.processes import sandbox

    sandbox.works()
    postgres.server_identity()
    servers.code_digest()


DESCRIPTION = TargetDescription(
    title="The target `local`.",
    settings_model=LocalTargetSettings,
    problems=eph_yaml_checks.problems,
    notices=eph_yaml_checks.notices,
    hints=eph_yaml_checks.hints,
    database_strategies=STRATEGIES,
    database_engines=(POSTGRESQL, *engines.ENGINES),
    missing_engines=engines.missing,
    catches_mail=True,
    runs_tests=True,
    drift_wording=DriftWording(seeds={"database-": "seed-"}),
    preload=("programs.targets.local.local_program", "psycopg"),
    warm_up=_warm_up,
)
