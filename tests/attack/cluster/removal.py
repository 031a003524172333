"""An environment that delays its own removal as much as manifests and running code can, and one that is held."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass
from functools import cache

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.attack.cluster.cluster_arena import ClusterArena
from tests.attack.cluster.pull_requests import LABELS, documents, workload
from tests.e2e.previews import Preview
from tests.e2e.site import REPOSITORY, wait_until
from tests.polling import BackgroundPoller

FAMILY = Family("removal")
GRACE_SECONDS = 60
"""The longest that Eph accepts. The container ignores SIGTERM meanwhile."""
STUBBORN = workload(
    pod={"terminationGracePeriodSeconds": GRACE_SECONDS},
    container={
        "command": ["sh", "-c", "trap '' TERM; tools serve & while :; do sleep 1; done"],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3600"]}}},
    },
)
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "shop"},
    "spec": {"minAvailable": "100%", "selector": {"matchLabels": LABELS}},
}
FINALIZER = "example.com/eph-attack"
REMOVED_WITHIN = GRACE_SECONDS - 10.0
"""Without Eph's own short grace period, it would take longer. Nothing else here takes more than a few seconds."""
BUSY_MACHINE = 120.0


class VictimMonitor(BackgroundPoller):
    """``problems``: what was wrong with the victim's preview meanwhile."""

    def __init__(self, made: ClusterArena) -> None:
        super().__init__()
        self._made = made
        self.problems: set[str] = set()

    def poll(self) -> None:
        if problem := self._made.problem_of(self._made.victim):
            self.problems.add(problem)


@dataclass(frozen=True, slots=True)
class Removal:
    eviction: str
    left: str
    delayed: str
    held: str
    problems: set[str]


@cache
def removal(made: ClusterArena) -> Removal | str:
    """Three environments are closed at once: a stubborn one, one that a finalizer holds, and a harmless one. A text
    says why that didn't work."""
    try:
        return _remove_three(made)
    except Exception:  # noqa: BLE001  # each of the attacks below reports it
        return traceback.format_exc(limit=-3)


def removed(arena: Arena) -> Removal:
    found = removal(arena.cluster)
    if isinstance(found, str):
        raise NotTried(found)
    return found


def _remove_three(made: ClusterArena) -> Removal:
    _ = made.victim
    opened = {
        "stubborn": made.open_manifests("stubborn", STUBBORN + documents(BUDGET)),
        "held": made.open_manifests("held", workload()),
    }
    previews = {branch: made.wait_for_preview(branch, *pull) for branch, pull in opened.items()}
    previews["harmless"] = made.harmless(workload())
    eviction = _eviction_problem(made, previews["stubborn"])
    _hold(made, previews["held"])
    with VictimMonitor(made) as monitor:
        for preview in previews.values():
            made.site.forge.close_pull(REPOSITORY, preview.number)
        began = time.monotonic()
        left = _time_to_remove(made, previews["stubborn"])
        delayed = made.wait_until_gone(previews["harmless"], BUSY_MACHINE - (time.monotonic() - began))
        if previews["held"].name not in made.site.namespaces():
            raise NotTried("the finalizer held nothing")
        _release(made, previews["held"])
        held = made.wait_until_gone(previews["held"], BUSY_MACHINE)
    return Removal(eviction, left, delayed, held, monitor.problems)


def _time_to_remove(made: ClusterArena, preview: Preview) -> str:
    """Counts from when the namespace is being deleted: before, Eph had to notice the close."""

    def pending() -> str:
        found = {item["metadata"]["name"]: item["status"]["phase"] for item in made.cluster.get("namespaces")["items"]}
        return "" if found.get(preview.name) != "Active" else "it is active"

    wait_until("the removal begins", pending, BUSY_MACHINE)
    return made.wait_until_gone(preview, REMOVED_WITHIN)


def _eviction_problem(made: ClusterArena, preview: Preview) -> str:
    """As a drain asks, in a dry run."""
    pod = made.cluster.get("pods", "-n", preview.name)["items"][0]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": preview.name},
        "deleteOptions": {"dryRun": ["All"]},
    }
    path = f"/api/v1/namespaces/{preview.name}/pods/{pod}/eviction"
    try:
        made.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    except AssertionError as error:
        if "disruption budget" not in str(error):
            raise
        return str(error)
    return ""


def _hold(made: ClusterArena, preview: Preview) -> None:
    data = {"apiVersion": "v1", "kind": "ConfigMap"}
    about = {"name": "held", "namespace": preview.name, "finalizers": [FINALIZER]}
    made.cluster.apply({**data, "metadata": about})


def _release(made: ClusterArena, preview: Preview) -> None:
    patch = json.dumps({"metadata": {"finalizers": None}})
    made.cluster.kubectl("patch", "configmap", "held", "-n", preview.name, "--type=merge", "-p", patch)


@FAMILY.attack("L7 S3", "delay it with grace periods, hooks and ignored signals", "the grace period is waited for")
def grace(arena: Arena) -> str:
    return removed(arena).left


@FAMILY.attack("S3", "block the drain of a node with a PodDisruptionBudget", "an eviction is refused")
def budget(arena: Arena) -> str:
    return removed(arena).eviction


@FAMILY.attack("L7 S3", "delay another environment's removal with a finalizer", "the other one stays")
def delayed(arena: Arena) -> str:
    return removed(arena).delayed


@FAMILY.attack("L7 S3", "make Eph give up with a finalizer", "the namespace stays after the finalizer is gone")
def held(arena: Arena) -> str:
    return removed(arena).held


@FAMILY.attack("L7 S3", "disturb the victim during a removal", "a response of the victim's preview is wrong")
def neighbour(arena: Arena) -> str:
    found = removed(arena)
    return "; ".join(found.problems) or arena.cluster.victim_problem()
