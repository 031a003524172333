"""Environments: a branch's DAGs in Airflow, its data, and its page. Created, updated and removed, each idempotently."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import steps
from programs.kit import files, identifiers
from programs.kit.errors import TargetError
from programs.kit.git import checkouts
from programs.steps import StepName
from programs.targets.pipeline import dag_folder, names, publication, wording
from programs.targets.pipeline.airflow import client as airflow_client
from programs.targets.pipeline.airflow import connections, dags
from programs.targets.pipeline.airflow.client import AirflowClient
from programs.targets.pipeline.airflow.dags import ParsedDag
from programs.targets.pipeline.dag_folder import DagFolder
from programs.targets.pipeline.data import engines
from programs.targets.pipeline.data.port import DataConnection, TableCopy
from programs.targets.pipeline.settings import PipelineHost

Props = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeployedDags:
    dag_ids: tuple[str, ...]
    data_url: str


def deploy(host: PipelineHost, name: str, props: Props, previous_url: str = "") -> DeployedDags:
    """The previous commit's DAGs stay until Airflow has parsed the new ones without errors. Data is bound before, and
    rows that a branch wrote stay."""
    identifiers.check_label(name, "environment")
    _require_configured(host)
    folder, options = DagFolder(host, name), props["options"]
    with steps.step(StepName.CHECKOUT) as output:
        output.add(_check_out(host, folder, props))
    with airflow_client.connect(host) as client:
        bound = _bind_data(host, name, options, previous_url)
        mapped = connections.write(client, name, options["connections"], bound) if bound else {}
        with steps.step(StepName.PUBLISH) as output:
            found = _activate(client, folder, props, _record(host, name, props, mapped, bound))
            output.add([wording.parsed(sorted(dag.name for dag in found))])
        dags.delete(client, name, keep=frozenset(dag.dag_id for dag in found))
        if not bound:
            connections.delete(client, name)
    publication.publish(host, name, props, found, bound.place if bound else "")
    files.remove(host.env(name) / "src")
    return DeployedDags(tuple(sorted(dag.dag_id for dag in found)), bound.url if bound else "")


def remove(host: PipelineHost, name: str) -> None:
    """In Airflow first: files, then what Airflow knows of them, then connections. The environment's folder goes last,
    so that an interrupted removal is found again."""
    identifiers.check_label(name, "environment")
    if host.is_configured:
        folder = DagFolder(host, name)
        folder.deactivate()
        with airflow_client.connect(host) as client:
            dags.delete(client, name)
            connections.delete(client, name)
        _remove_logs(host, name)
        if engine := engines.find(host):
            engine.remove(name)
        folder.remove()
    publication.environments(host).remove(name)


def list_names(host: PipelineHost) -> frozenset[str]:
    """The environments of which anything exists: here, in Airflow's folder and database, and in the data."""
    found = publication.environments(host).list_names()
    if host.is_configured:
        found |= dag_folder.list_names(host)
        with airflow_client.connect(host) as client:
            found |= frozenset(filter(None, (names.environment_of(dag.dag_id) for dag in dags.list_owned(client))))
            found |= connections.list_environments(client)
        if engine := engines.find(host):
            found |= engine.list_names()
    return found


def list_complete(host: PipelineHost) -> frozenset[str]:
    """The environments whose files and page exist."""
    return frozenset(name for name in publication.list_complete(host) if DagFolder(host, name).is_complete())


def _require_configured(host: PipelineHost) -> None:
    if not host.is_configured:
        raise TargetError(wording.NOT_CONFIGURED)
    dag_folder.require(host)


def _check_out(host: PipelineHost, folder: DagFolder, props: Props) -> tuple[str, ...]:
    checkout = host.env(folder.environment) / "src" / props["generation"]
    notes = checkouts.create(host, (props["clone_url"], props["commit"]), checkout)
    wanted = props["options"]["folder"]
    if not (checkout / wanted).is_dir():
        raise TargetError(wording.no_folder(wanted))
    folder.copy_tree(checkout, props["generation"])
    return notes


def _bind_data(host: PipelineHost, name: str, options: Props, previous_url: str) -> DataConnection | None:
    engine = engines.find(host)
    if not options["connections"]:
        if options["copies"]:
            raise TargetError(wording.COPIES_WITHOUT_CONNECTION)
        if engine:
            engine.remove(name)
        return None
    if engine is None:
        raise TargetError(wording.NO_DATA)
    copies = [_copy(item) for item in options["copies"]]
    with steps.step(StepName.DATABASE) as output:
        bound = engine.bind(name, copies, previous_url)
        output.add([wording.data_summary(bound.views, bound.copies, bound.place)])
    return bound


def _copy(item: Mapping[str, Any]) -> TableCopy:
    """Pulumi drops what is empty."""
    column, start, end = (str(item.get(name) or "") for name in ("column", "start", "end"))
    return TableCopy(item["table"], column, tuple(map(str, item.get("values") or ())), start, end)


def _record(
    host: PipelineHost, name: str, props: Props, mapped: Mapping[str, str], bound: DataConnection | None
) -> dict[str, Any]:
    """What the loader reads. Contains no secret."""
    options = props["options"]
    own = {"EPH_ENVIRONMENT": name, "EPH_COMMIT": props["commit"], "EPH_DATA": bound.place if bound else ""}
    variables = {f"AIRFLOW_VAR_{key.upper()}": value for key, value in options["variables"].items()}
    return {
        "environment": name,
        "prefix": names.prefix(name),
        "tree": props["generation"],
        "dags": options["folder"],
        "python_path": list(options["python_path"]),
        "connections": dict(mapped),
        "env": {**props["env"], **variables, **own},
        "label": props["label"],
        "tags": [names.owner_tag(host.server), names.generation_tag(props["generation"]), props["label"]],
        "owner": props["owner"],
        "schedules": bool(options["schedules"]),
        "external_dags": list(options["external_dags"]),
    }


def _activate(client: AirflowClient, folder: DagFolder, props: Props, record: Mapping[str, Any]) -> list[ParsedDag]:
    """If Airflow can't import the new commit, the previous one is restored. Without one, nothing is left that Airflow
    would report to everyone."""
    name, generation = folder.environment, str(props["generation"])
    before = folder.read_record()
    known_error, _ = dags.import_error(client, name)
    folder.activate(record)
    try:
        dags.request_parsing(client, name)
        found = dags.wait_until_parsed(client, name, generation, known_error)
    except BaseException:
        if not before:
            folder.deactivate()
        elif before.get("tree") != generation:
            _restore(client, folder, before)
        raise
    # The tree before it stays as well: tasks that run may still import from it.
    folder.remove_trees(frozenset({generation, str(before.get("tree", generation))}))
    return found


def _restore(client: AirflowClient, folder: DagFolder, before: Mapping[str, Any]) -> None:
    """Until Airflow has parsed it, it refuses to run these DAGs."""
    generation = str(before["tree"])
    folder.activate(before)
    folder.remove_trees(frozenset({generation}))
    with contextlib.suppress(TargetError):
        dags.request_parsing(client, folder.environment)
        dags.wait_until_parsed(client, folder.environment, generation, "")


def _remove_logs(host: PipelineHost, name: str) -> None:
    """Of tasks and of the parser: Airflow deletes none."""
    folder = Path(host.logs_folder)
    if not host.logs_folder or not folder.is_dir():
        return
    for pattern in (f"dag_id={names.prefix(name)}*", f"dag_processor/*/*/{names.wrapper(name)}.log"):
        for path in folder.glob(pattern):
            files.remove(path)
