"""The DAGs of environments as Airflow knows them: found by tag and by name, parsed, and deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from programs.kit import waiting
from programs.kit.errors import TargetError
from programs.targets.pipeline import names, wording
from programs.targets.pipeline.airflow.client import AirflowClient, AirflowError, segment

POLL_SECONDS = 0.5
DELETE_SECONDS = 60.0
RUNNING = ("queued", "running")
ERROR_MARK = "DagFileError: "
"""Before the message of the loader's own error, which begins with the generation."""
MAX_TRACE = 30


@dataclass(frozen=True, slots=True)
class ParsedDag:
    """``name`` is the ID in the repository, ``dag_id`` the one in Airflow."""

    dag_id: str
    name: str
    tags: frozenset[str]


def list_owned(client: AirflowClient) -> list[ParsedDag]:
    """Those of all environments of this Eph."""
    tag = names.owner_tag(client.host.server)
    return [_parsed(item) for item in client.list_all("dags", "dags", tags=tag, exclude_stale=False)]


def list_of(client: AirflowClient, environment: str) -> list[ParsedDag]:
    """By name, because a DAG's own code could have removed its tags."""
    prefix = names.prefix(environment)
    found = client.list_all("dags", "dags", dag_id_pattern=f"{prefix}%", exclude_stale=False)
    return [_parsed(item) for item in found if str(item["dag_id"]).startswith(prefix)]


def _parsed(item: Mapping[str, Any]) -> ParsedDag:
    dag_id = str(item["dag_id"])
    return ParsedDag(
        dag_id, dag_id.partition(names.SEPARATOR)[2], frozenset(str(tag["name"]) for tag in item.get("tags") or ())
    )


def request_parsing(client: AirflowClient, environment: str) -> None:
    """Of a file that Airflow knows already. It finds new files by itself."""
    for dag in list_of(client, environment)[:1]:
        details = client.find(f"dags/{segment(dag.dag_id)}")
        if details and details.get("file_token"):
            with contextlib.suppress(AirflowError):  # it was requested already, or the file is parsed later
                client.put(f"parseDagFile/{segment(str(details['file_token']))}")


def import_error(client: AirflowClient, environment: str) -> tuple[str, str]:
    """The time and the text of the error of the environment's wrapper. Empty if there is none."""
    wrapper = names.wrapper(environment)
    for item in client.list_all("importErrors", "import_errors"):
        if str(item["filename"]).rpartition("/")[2] == wrapper:
            return str(item["timestamp"]), str(item["stack_trace"])
    return "", ""


def wait_until_parsed(client: AirflowClient, environment: str, generation: str, before: str) -> list[ParsedDag]:
    """``before``: the time of the import error that existed before this generation. Raises if a file can't be
    imported."""
    tag = names.generation_tag(generation)
    found: list[ParsedDag] = []

    def parsed() -> bool:
        at, text = import_error(client, environment)
        if text and (generation in text if ERROR_MARK in text else at != before):
            raise import_failure(text, generation)
        found[:] = [dag for dag in list_of(client, environment) if tag in dag.tags]
        return bool(found) and not text

    if not waiting.wait_until(parsed, client.host.parse_seconds, POLL_SECONDS):
        raise TargetError(wording.not_parsed(client.host.parse_seconds, names.wrapper(environment)))
    return found


def import_failure(text: str, generation: str) -> TargetError:
    """The loader's own error says where; of any other error, the end of its traceback is shown."""
    _, mark, own = text.partition(ERROR_MARK)
    if mark:
        first, *trace = own.strip().removeprefix(f"{generation}: ").splitlines()
        return TargetError(wording.import_failed(first), trace)
    lines = text.strip().splitlines()
    return TargetError(wording.import_failed(lines[-1] if lines else ""), lines[-MAX_TRACE:])


def delete(client: AirflowClient, environment: str, keep: frozenset[str] = frozenset()) -> None:
    """With their runs, tasks and versions. Runs that haven't ended are failed first, because Airflow refuses to delete
    a DAG with running tasks."""

    def all_deleted() -> bool:
        left = [dag for dag in list_of(client, environment) if dag.dag_id not in keep]
        for dag in left:
            _delete(client, dag.dag_id)
        return not left

    if not waiting.wait_until(all_deleted, DELETE_SECONDS, POLL_SECONDS):
        left = [dag.dag_id for dag in list_of(client, environment) if dag.dag_id not in keep]
        raise TargetError(wording.not_deleted(left))


def _delete(client: AirflowClient, dag_id: str) -> None:
    path = f"dags/{segment(dag_id)}"
    for run in client.list_all(f"{path}/dagRuns", "dag_runs", state=list(RUNNING)):
        with contextlib.suppress(AirflowError):  # it has ended meanwhile
            client.patch(f"{path}/dagRuns/{segment(str(run['dag_run_id']))}", {"state": "failed"})
    try:
        client.delete(path)
    except AirflowError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
