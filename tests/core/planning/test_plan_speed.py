"""plan() stays linear (design.md, "How fast"): make bench has the figure for ten thousand."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import RepositoryFacts, World
from orchestrator.core.planning import plans
from stacks import keys, names
from stacks.model import BuildInfo, StackRecord, StackSnapshot, StackTag
from tests.worlds.plan.pull_requests import START, SimulatedPull, sha

NOW = START + timedelta(hours=1)


def large_world(number: int) -> World:
    """Every second environment is as it should be, every second waits for an update."""
    pulls = [SimulatedPull(keys.pull_request(1, each), sha("aaaaaaa")) for each in range(1, number + 1)]
    candidates = {pull.key: pull.request("acme/shop", False) for pull in pulls}
    stacks = {}
    for pull in pulls:
        ref = names.stack_ref(pull.key, "acme/shop")
        commit = pull.commit if pull.key.number % 2 else sha("bbbbbbb")
        recipe = candidates[pull.key].recipe
        built = BuildInfo(commit, getattr(recipe, "digest", ""), "1", "local", "", {}, START)
        tag = StackTag(pull.key, "acme/shop", pull.name, "", commit, START)
        stacks[ref] = StackRecord(ref, tag, built, 3)
    return World({1: RepositoryFacts(1, "acme/shop", True, "", candidates)}, StackSnapshot(stacks))


def cpu_seconds(world: World) -> float:
    policy = Policy(max_environments=9_999, max_per_repository=9_999)
    best = 1e9
    for _ in range(3):
        begun = time.process_time()
        made = plans.plan(world, policy, NOW)
        best = min(best, time.process_time() - begun)
        assert len(made.actions) == len(world.stacks.stacks)
    return best


@pytest.mark.long
def test_eight_times_as_many_take_about_eight_times_as_long() -> None:
    small, big = cpu_seconds(large_world(200)), cpu_seconds(large_world(1600))
    assert big / small < 16, f"{small:.4f} s for 200, {big:.4f} s for 1,600"
