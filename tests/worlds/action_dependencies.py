"""What a desk of ephd reaches into, when the rest of ephd is a town of the stories."""

from __future__ import annotations

from pathlib import Path

from orchestrator.runtime.suites.suite_runner import SuiteRunner, SuiteRunnerDependencies
from orchestrator.service.auditor import AuditDependencies, Auditor
from orchestrator.service.environment_service import ControlPlaneDependencies
from stacks.executors.process.pool import Pool
from tests.stack_folders import stack_paths
from tests.worlds.world import World


def action_dependencies(world: World, folder: Path) -> ControlPlaneDependencies:
    places = stack_paths(folder)
    return ControlPlaneDependencies(
        version="1",
        started_at=world.now,
        auditor=Auditor(
            AuditDependencies(
                last_cycle=lambda: world.loop.last_cycle,
                executor=world.executor,
                inventory=lambda: world.stacks,
                stores=(places.backend, Pool(places, "3.0.0")),
                settings={"local": {}},
                target=lambda _: world.target,
            )
        ),
        suite_runner=SuiteRunner(
            SuiteRunnerDependencies(
                places, world.memory, world.journal, world.clock, world.wakeups.wake, token=lambda _: ""
            )
        ),
        loop=world.loop,
        executor=world.executor,
        loop_state=world.memory,
        journal=world.journal,
        wakeups=world.wakeups,
        forge=world.forge,
        ledger=world.ledger,
        paths=places,
        target_settings=lambda _: {},
        clock=world.clock,
    )
