"""The conformance suite on Docker Compose projects, with a real container engine. Row: T6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance
from tests.targets.compose import compose_machine
from tests.targets.compose.compose_machine import COMPOSE, WEB

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(900)]

EPH_YAML = """
version: "1.0"
name: shop
compose: {public: [{service: web, port: 8000, health: /srv/page, deadline: 60s}]}
"""


class TestCompose(TargetConformance):
    """Its page is a file of the repository, in a volume."""

    target = "compose"
    first = Commit(
        {
            "eph.yaml": EPH_YAML,
            "compose.yaml": COMPOSE,
            "srv/web.py": WEB.replace("open(self.path)", 'open("/srv/page")'),
            "srv/page": "the first page",
        },
        "the first page",
    )
    second = Commit({**first.files, "srv/page": "the second page"}, "the second page")
    broken = Commit({**first.files, "srv/web.py": "raise SystemExit('it is broken')"})


@pytest.fixture(scope="class")
def conformance_settings(engine: Path) -> Iterator[Mapping[str, Any]]:
    before = compose_machine.everything_on(engine)
    yield {"socket": engine, "compose": compose_machine.compose_program(), "build_network": "none"}
    assert compose_machine.everything_on(engine) == before, "as the engine lists it"
