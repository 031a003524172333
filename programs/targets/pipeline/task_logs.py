"""The logs of an environment: those of the tasks of its DAGs' last runs, as Airflow has them."""

from __future__ import annotations

from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, refuse_times, require_service, with_service_prefix
from programs.targets.pipeline import wording
from programs.targets.pipeline.airflow import client as airflow_client
from programs.targets.pipeline.airflow import dag_runs, dags
from programs.targets.pipeline.settings import PipelineHost


def read(host: PipelineHost, name: str, request: LogRequest) -> LogLines:
    """A DAG takes the place of a service. A follower gets the log of a run when its tasks have ended."""
    refuse_times(request)
    if request.previous:
        raise NoSuchLog(wording.NO_LOG)
    if not host.is_configured:
        return LogLines()
    lines: list[tuple[str, str]] = []
    positions = {}
    with airflow_client.connect(host) as client:
        found = sorted(dag.name for dag in dags.list_of(client, name))
        require_service(request.service, set(found), name)
        for dag in found:
            if request.service not in (None, dag):
                continue
            run = dag_runs.newest(client, name, dag)
            if run is None:
                continue
            positions[dag] = f"{run.run_id} {run.state}"
            if request.since is not None and request.since.get(dag) == positions[dag]:
                continue
            for task in run.tasks:
                lines += [
                    (dag, f"{task.name} | {redact(line)}") for line in dag_runs.log_lines(client, name, run, task)
                ]
    shown = lines[-request.lines :] if request.since is None else lines
    return LogLines(with_service_prefix(shown, multiple=request.service is None), positions)
