"""Which URL and path is checked before an environment is ready (P3)."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.model.policy import Policy
from orchestrator.runtime.observation.health_monitor import probe_requests
from tests.worlds.plan.pull_requests import sha, spec
from tests.worlds.plan.simulation import Simulation


def test_front_of_manifests_is_checked_at_the_path_that_the_build_found() -> None:
    """T2: eph.yaml has no public service then. Outputs are sorted by name, so the front isn't the first."""
    world = Simulation(Policy())
    world.open_pull(42)
    without = replace(spec("shop1-gentle-stream-42", sha("aaaaaaa")), services=())
    world.change(42, recipe={"spec": without})
    world.run_cycle()
    record = world.stacks[world.ref(42)]
    assert record.built is not None
    urls = {"api": "http://api--shop.localhost", "web": record.built.url}
    for health, expected in (({"api": "/v1", "web": "/up"}, "/up"), ({"api": "/v1"}, "/"), ({}, "/")):
        world.stacks[world.ref(42)] = replace(record, built=replace(record.built, urls=urls, health=health))
        (request, *_) = probe_requests(world.world())
        assert request.path == expected
