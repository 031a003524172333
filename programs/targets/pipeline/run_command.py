"""Runs a DAG of an environment and waits for it: ``python -m programs.targets.pipeline.run_command REQUEST``.

It is a process of its own, because a run can take hours. Its output is a table of tasks, and its exit status says
whether all succeeded. If it is interrupted, the run continues in Airflow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from programs.kit import files, identifiers, waiting
from programs.kit.errors import TargetError
from programs.redaction import redact
from programs.targets.pipeline import names, publication, settings, wording
from programs.targets.pipeline.airflow import client as airflow_client
from programs.targets.pipeline.airflow import dag_runs
from programs.targets.pipeline.airflow.client import AirflowClient
from programs.targets.pipeline.airflow.dag_runs import GOOD, DagRun
from programs.targets.pipeline.settings import PipelineHost

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DagRunRequest:
    """``report`` names the JUnit report to write, if any."""

    root: str
    environment: str
    dag: str
    parameters: str = "{}"
    report: str = ""


def command_line(host: PipelineHost, environment: str, dag: str, parameters: str = "", report: str = "") -> list[str]:
    request = DagRunRequest(
        str(host.root), identifiers.check_label(environment, "environment"), dag, parameters, report
    )
    if report:
        _report_file(host, environment, report).unlink(missing_ok=True)
    return [sys.executable, "-I", "-m", __name__, json.dumps(asdict(request))]


def read_report(host: PipelineHost, environment: str, report: str, max_bytes: int) -> bytes | None:
    try:
        return _report_file(host, environment, report).read_bytes()[: max_bytes + 1]
    except FileNotFoundError:
        return None


def _report_file(host: PipelineHost, environment: str, report: str) -> Path:
    return host.env(environment) / "runs" / f"{identifiers.check_label(report, 'suite')}.xml"


def main(text: str, say: Callable[[str], object] = print) -> int:
    request = DagRunRequest(**json.loads(text))
    host = settings.load(request.root)
    try:
        parameters = json.loads(request.parameters or "{}")
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        say(wording.INVALID_PARAMETERS)
        return 2
    try:
        with airflow_client.connect(host) as client:
            run_id = dag_runs.start(client, request.environment, request.dag, parameters)
            run = _follow(client, request, run_id, say)
            _print_result(client, request.environment, run, say)
    except TargetError as error:
        say(str(error))
        return 2
    if request.report:
        files.write(_report_file(host, request.environment, request.report), junit_report(run))
    return 0 if run.state == "success" else 1


def _follow(client: AirflowClient, request: DagRunRequest, run_id: str, say: Callable[[str], object]) -> DagRun:
    """Reports each change of a task's state."""
    where = f"{publication.dag_url(client.host, names.prefix(request.environment) + request.dag)}/runs/{run_id}"
    say(wording.run_started(request.dag, where))
    shown: dict[str, str] = {}
    while True:
        run = dag_runs.read(client, request.environment, request.dag, run_id)
        for task in run.tasks:
            if shown.get(task.name, "waiting") != task.state:
                say(f"{task.name}: {task.state}")
                shown[task.name] = task.state
        if run.has_ended:
            return run
        waiting.pause(POLL_SECONDS)


def _print_result(client: AirflowClient, environment: str, run: DagRun, say: Callable[[str], object]) -> None:
    for task in run.tasks:
        if task.state not in GOOD and (lines := dag_runs.log_lines(client, environment, run, task)):
            say(wording.task_failed(task.name))
            for line in lines:
                say(f"  {redact(line)}")
    rows = [wording.TASK_COLUMNS, *((t.name, t.state, f"{t.seconds:.1f}", str(t.attempt)) for t in run.tasks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(wording.TASK_COLUMNS))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say(wording.run_ended(run.dag, run.state, run.seconds))


def junit_report(run: DagRun) -> str:
    """A test case per task."""
    suite = ElementTree.Element("testsuite", name=run.dag, tests=str(len(run.tasks)))
    for task in run.tasks:
        case = ElementTree.SubElement(suite, "testcase", classname=run.dag, name=task.name, time=f"{task.seconds:.1f}")
        if task.state == "skipped":
            ElementTree.SubElement(case, "skipped")
        elif task.state not in GOOD:
            ElementTree.SubElement(case, "failure", message=task.state)
    return ElementTree.tostring(suite, encoding="unicode")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
