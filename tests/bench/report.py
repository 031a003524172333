"""docs/reference/benchmarks.md: the newest measurement of each row, on what, and how to repeat it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tests.bench.results import Measurement

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"

_HEAD = """# Benchmarks

What `make bench` measured. Each run updates its rows on this page; do not edit it. Every row compares two things done
in one run on one machine, and judges their ratio: seconds alone say more about the machine than about Eph. Each row
names the commit and the date that it was measured at; a row whose measurement failed shows "not measured".

Repeat it with `make bench`, one row with `make bench ARGS=label-to-url`; those on a Kubernetes are run when
`EPH_TEST_KUBECONFIG` names one. All take about a quarter of an hour on two free cores, and leave nothing behind.
`make bench-small` runs every local row in a reduced size in a few minutes, and only checks that each still works; CI
runs it.
"""

_METHODOLOGY = """## What is measured

- **label-to-url**: a whole Eph with a Git host beside it; from the moment the label is set until the preview answers
  through the gateway. Against it `pulumi stack init` and `pulumi up --yes --skip-preview` of the same program by the
  CLI: the target `local` with the demo's shop, so checkout, build, database, seed, migration, and the app's own start
  are in both. Python's language plugin for the CLI is not needed: an interpreter that has imported everything serves
  the program, as the Automation API does it, and only the two commands are timed. What environments share (PostgreSQL
  server, supervisor) is up before in both. In turns, after one turn for warming up; medians.
- **pulumi-processes**: a wrapper in front of `pulumi` writes a line for each start.
- **parallel-20**: twenty labels set at once, until all twenty answer; against twenty times
  `create_or_select_stack(…).up()` with the settings as they come, one after the other in one interpreter that has
  imported everything. Half of them before Eph's turn and half after it, so that other work on the machine weighs on
  both.
- **wake**: a preview of the demo's shop sleeps; the time from a request at the gateway to its answer, which is ephd
  hearing the knock, a worker, supervisord, and the app's own start. Against the same command lines in the same sandbox
  with the same variables, started by hand until they answer. In turns, after one for warming up; medians. Then two
  hundred requests at the same moment: all are answered, by one start.
- **kubernetes-url**: on a cluster (`eval "$(make -s cluster-up)"; EPH_TEST_KUBECONFIG=$KUBECONFIG make bench`): a
  whole Eph as in the first row, one service from an image; from the label until the page answers through the gateway
  and the ingress controller. Against `pulumi stack init` and `pulumi up` of the same program by the CLI, and against
  `kubectl apply` of the very objects that Eph made, under another name, until its page answers. In turns, after one for
  warming up; medians.
- **kubernetes-10**: ten labels set at once, until all ten pages answer; against ten times
  `create_or_select_stack(…).up()`, half of them before and half after, as in parallel-20. Where the cluster runs on the
  same machine its own work is in both. And the most memory that one operation's processes held, shared pages counted in
  each.
- **kubernetes-wake**: a preview that sleeps on the cluster; from a request at the gateway to its answer. Against
  `kubectl scale` of a copy's Deployment, from nothing too, until its page answers. In turns, after one for warming up;
  medians. Then two hundred requests at the same moment, as above.
- **quiet-cycle**: 1,000 stacks in a file backend, each a copy of one that was really made; a cycle looks at the Git
  host (in memory), the store and the target, plans, and shows the outcome. The target holds all that the stacks list:
  folders, routes, 1,000 processes that sleep under its supervisor, and databases without files. Against
  `pulumi stack ls --all` of the same backend. It also proves that such a cycle starts no update.
- **plan-10000**: CPU seconds of `plan()`; growth is 10,000 against 5,000, and 2 is linear.
- **ephd-memory**: a whole ephd on those 1,000 stacks (the Git host in memory again), gateway beside it, all of them
  asked for their health, after three quiet cycles.
- **github-hour**: 100 repositories with 20 open pull requests each on the sandbox, which reckons as GitHub documents
  it (304 is free, ETags belong to the token, GraphQL by connections); a GitHub App; an hour of looks on a clock that
  is turned, with a restart and nothing else going on, checks and comments asked for in every look: the budget is 1,000
  counted requests. Then looks with a push, a label, a comment and a check each: what one such adds.
- **template-clone**: a role, a database cloned from a prepared one of a gigabyte, and everything in it handed over to
  that role; against copying the prepared database's files within the same folder. In turns, three of each; medians.
"""


def write(rows: Sequence[Measurement]) -> None:
    PAGE.write_text(f"{_HEAD}\n{_table(rows)}\n{_figures(rows)}\n{_METHODOLOGY}\n{_machine()}")


def _table(rows: Sequence[Measurement]) -> str:
    lines = ["| row | figure | measured | budget | |", "|---|---|---|---|---|"]
    for kept in rows:
        for figure in kept.row.figures if kept.row else ():
            sign = "≥" if figure.at_least else "≤"
            verdict = "ok" if figure.ok else "**over**"
            lines.append(f"| {kept.name} | {figure.what} | {figure.shown} | {sign} {figure.wanted} | {verdict} |")
        if not kept.row:
            lines.append(f"| {kept.name} | | not measured | | **not measured** |")
    return "\n".join(lines) + "\n"


def _figures(rows: Sequence[Measurement]) -> str:
    lines = [
        "## The two figures of each row",
        "",
        "| row | Eph | against | commit | when, and the load then |",
        "|---|---|---|---|---|",
    ]
    for kept in rows:
        ours, theirs = (kept.row.ours, kept.row.theirs) if kept.row else (f"not measured{_reason(kept)}", "")
        lines.append(f"| {kept.name} | {ours} | {theirs} | {kept.commit or 'unknown'} | {_when(kept)} |")
    return "\n".join(lines) + "\n"


def _reason(kept: Measurement) -> str:
    """One line that does not break the table."""
    words = " ".join(kept.error.replace("|", "/").replace("`", "'").split())
    return f": `{words[:200]}`" if words else ""


def _when(kept: Measurement) -> str:
    load = " to ".join(f"{load:.1f}" for load in kept.loads)
    return f"{kept.at} UTC, {load}" if kept.at else "never"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    told = {
        "cores": f"{os.cpu_count()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}",
        "Pulumi": metadata.version("pulumi"),
        "Eph": metadata.version("eph"),
        "load": "one minute's average before and after, and the run itself is part of the second; above 0.5 before, "
        "other work shared the machine",
    }
    return "## The machine\n\n" + "".join(f"- {name}: {value}\n" for name, value in told.items())
