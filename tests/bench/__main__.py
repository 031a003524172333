"""Runs the rows, prints a line for each, and writes them on the page.

``--small`` runs every local row in a reduced size and judges no budget: it shows that each row still works.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.demo.airflow import airflow_process
from tests.bench import (
    build_cache,
    cleanup,
    environments,
    github_hour,
    label_deploys,
    network_namespace,
    on_kubernetes,
    pipelines,
    quiet_cycle,
    report,
    results,
    shared_builds,
    template_clone,
    waking,
)
from tests.bench.results import Measurement
from tests.bench.rows import Row
from tests.bench.sizes import FULL, SMALL, Size

Measure = Callable[[Size], Coroutine[None, None, Row]]

ROWS: dict[str, Measure] = {
    "label-to-url": environments.label_to_url,
    "network-namespace": network_namespace.network_namespace,
    "pulumi-processes": environments.pulumi_processes,
    "parallel-20": environments.parallel_20,
    "wake": waking.wake_row,
    "first-request": label_deploys.first_request,
    "quiet-cycle": quiet_cycle.quiet_cycle,
    "plan-10000": quiet_cycle.plan_10000,
    "ephd-memory": quiet_cycle.ephd_memory,
    "github-hour": github_hour.github_hour,
    "template-clone": template_clone.template_clone,
    "build-cache": build_cache.build_cache,
    "builds": shared_builds.builds,
}
CLUSTER_ROWS: dict[str, Measure] = {
    "kubernetes-url": on_kubernetes.kubernetes_url,
    "kubernetes-10": on_kubernetes.kubernetes_10,
    "kubernetes-wake": on_kubernetes.kubernetes_wake,
}
"""Run when EPH_TEST_KUBECONFIG names a cluster, as for tests/cluster, or when they are asked for."""
AIRFLOW_ROWS: dict[str, Measure] = {"pipeline": pipelines.pipeline}
"""Run when EPH_TEST_AIRFLOW_PYTHON names the interpreter of an Airflow, or when they are asked for: each round starts
another Airflow."""


def main(words: Sequence[str]) -> int:
    """0 when every row was measured, whether it kept its budget or not, and left nothing behind."""
    everything = ROWS | CLUSTER_ROWS | AIRFLOW_ROWS
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Eph against its budgets.")
    parser.add_argument("--small", action="store_true", help="every local row in a reduced size, without budgets")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"rows to run: {', '.join(everything)}")
    options = parser.parse_args(words)
    if unknown := sorted(set(options.names) - everything.keys()):
        parser.error(f"unknown row {', '.join(unknown)}; rows: {', '.join(everything)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended then too
    cleanup.adopt_orphans()
    names = options.names or _default_names(small=options.small)
    try:
        return _small(names) if options.small else _full(names, everything)
    except KeyboardInterrupt:
        _print("bench: stopped; everything that was started has ended")
        return 130


def _default_names(*, small: bool) -> list[str]:
    found = [*ROWS]
    if os.environ.get("EPH_TEST_KUBECONFIG") and not small:
        found += CLUSTER_ROWS
    if os.environ.get(airflow_process.PYTHON_VARIABLE) and not small:
        found += AIRFLOW_ROWS
    return found


def _full(names: Iterable[str], everything: dict[str, Measure]) -> int:
    measured: list[Measurement] = []
    clean = True
    version = results.version()
    for name in names:
        before = os.getloadavg()[0]
        row, error, leftovers = _measured(everything[name], FULL)
        loads = (before, os.getloadavg()[0])
        measured.append(Measurement(name, row, version, f"{datetime.now(UTC):%Y-%m-%d %H:%M}", loads, error))
        _print(*([row.line(), f"  {row.ours}", f"  {row.theirs}"] if row else [f"bench {name} not measured: {error}"]))
        _print(*(f"bench {name} left behind: {line}" for line in leftovers))
        clean = clean and not leftovers
    report.write(results.write(measured, everything))
    return 0 if clean and all(item.row for item in measured) else 1


def _small(names: Iterable[str]) -> int:
    """Each row ran, has a figure for everything that it measures, and left nothing behind."""
    failed = []
    for name in names:
        begun = time.monotonic()
        row, error, leftovers = _measured((ROWS | CLUSTER_ROWS | AIRFLOW_ROWS)[name], SMALL)
        problems = [*([error] if error else []), *(f"left behind: {line}" for line in leftovers)]
        figures = ", ".join(f"{figure.what} {figure.shown}" for figure in row.figures) if row else ""
        _print(f"bench-small {name:16} {time.monotonic() - begun:5.1f} s  {'; '.join(problems) or figures}")
        failed += [name] if problems or not figures else []
    _print(f"bench-small: {len(failed)} rows failed: {', '.join(failed)}" if failed else "bench-small: ok")
    return 1 if failed else 0


def _measured(measure: Measure, size: Size) -> tuple[Row | None, str, list[str]]:
    """The row, or why there is none; and what it left behind."""
    leftovers: list[str] = []
    row, error = None, ""
    with cleanup.sandbox(leftovers):
        try:
            row = asyncio.run(measure(size))
        except Exception as failure:  # noqa: BLE001 - one row's trouble hides no other row
            error = f"{type(failure).__name__} in {_place(failure)}: {str(failure)[:900]}"
    return row, error, leftovers


def _place(failure: Exception) -> str:
    """The innermost line of ours: a timeout says nothing else."""
    frames = traceback.extract_tb(failure.__traceback__)
    ours = [frame for frame in frames if "/tests/bench/" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _print(*lines: str) -> None:
    if lines:
        print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
