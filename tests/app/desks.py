"""What a desk of ephd reaches into, when the rest of ephd is a town of the stories."""

from __future__ import annotations

from pathlib import Path

from orchestrator.app.desk import Behind
from orchestrator.runtime.auditing import Around, Auditor
from orchestrator.runtime.testing import Bench, SuiteRunner
from stacks.places import Places
from tests.stories.town import Town


def behind(town: Town, folder: Path) -> Behind:
    places = Places(*(folder / name for name in ("backend", "work", "operations", "pulumi", "passphrase")))
    return Behind(
        version="1",
        started=town.now,
        auditor=Auditor(
            Around(
                shown=lambda: town.loop.shown,
                executor=town.executor,
                inventory=lambda: town.stacks,
                places=places,
                settings={"local": {}},
                target=lambda _: town.target,
            )
        ),
        tester=SuiteRunner(Bench(places, town.memory, town.journal, town.clock, town.wakes.wake, token=lambda _: "")),
        loop=town.loop,
        executor=town.executor,
        memory=town.memory,
        journal=town.journal,
        wakeups=town.wakes,
        forge=town.forge,
        ledger=town.ledger,
        places=places,
        settings=lambda _: {},
        clock=town.clock,
    )
