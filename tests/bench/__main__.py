"""Runs the rows, tells each on a line, and writes them anew on the page."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime

from tests.bench import clones, cluster, environments, hour, kept, page, quiet, waking
from tests.bench.kept import Kept
from tests.bench.rows import Row

ROWS: dict[str, Callable[[], Coroutine[None, None, Row]]] = {
    "label-to-url": environments.label_to_url,
    "pulumi-processes": environments.pulumi_processes,
    "parallel-20": environments.parallel_20,
    "wake": waking.wake,
    "quiet-cycle": quiet.quiet_cycle,
    "plan-10000": quiet.plan_10000,
    "ephd-memory": quiet.ephd_memory,
    "github-hour": hour.github_hour,
    "template-clone": clones.template_clone,
}
ON_A_CLUSTER: dict[str, Callable[[], Coroutine[None, None, Row]]] = {
    "kubernetes-url": cluster.kubernetes_url,
    "kubernetes-10": cluster.kubernetes_10,
    "kubernetes-wake": cluster.kubernetes_wake,
}
"""Run when EPH_TEST_KUBECONFIG names a cluster, as for tests/cluster, or when they are asked for."""


def main(names: Sequence[str]) -> int:
    """0 when every row was measured, whether it kept its budget or not."""
    everything = ROWS | ON_A_CLUSTER
    if unknown := sorted(set(names) - everything.keys()):
        _say(f"bench: there is no row {', '.join(unknown)}; there are: {', '.join(everything)}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended then too
    measured: list[Kept] = []
    missing = False
    for name in names or (everything if os.environ.get("EPH_TEST_KUBECONFIG") else ROWS):
        before = os.getloadavg()[0]
        try:
            row = asyncio.run(everything[name]())
        except KeyboardInterrupt:
            _say("bench: stopped; everything that was started has ended")
            return 130
        except Exception as error:  # noqa: BLE001 - one row's trouble hides no other row
            missing = True
            _say(f"bench {name} not measured: {type(error).__name__}: {str(error)[:900]}")
            continue
        measured.append(Kept(row, f"{datetime.now(UTC):%Y-%m-%d %H:%M}", (before, os.getloadavg()[0])))
        _say(row.line(), f"  {row.ours}", f"  {row.theirs}")
    page.write(kept.write(measured, everything))
    return 1 if missing else 0


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
