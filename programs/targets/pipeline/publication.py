"""The page at an environment's address: its DAGs, with links to Airflow, and where its data is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from programs.kit import address_pages, files, host_settings
from programs.kit.address_pages import AddressPage
from programs.kit.processes import shared_server, supervisor
from programs.kit.record_environments import RecordEnvironments
from programs.targets.pipeline.airflow.dags import ParsedDag
from programs.targets.pipeline.settings import PipelineHost

TARGET_NAME = "pipeline"
SERVICE = "dags"


def ensure(host: PipelineHost) -> None:
    """Starts the server of the pages, unless it runs."""
    files.make_folder(host.root)
    files.make_folder(host.pages)
    host_settings.save(host)
    supervisor.ensure(host)
    shared_server.ensure(host, address_pages.server(host.pages))


def dag_url(host: PipelineHost, dag_id: str) -> str:
    return f"{host.web_url}/dags/{quote(dag_id, safe='')}"


def publish(host: PipelineHost, name: str, props: Mapping[str, Any], dags: Sequence[ParsedDag], data: str) -> None:
    outputs = {f"DAG {dag.name}": dag_url(host, dag.dag_id) for dag in sorted(dags, key=lambda dag: dag.name)}
    page = AddressPage(name, "", {**outputs, **({"Data": data} if data else {})}, f"{len(dags)} DAGs")
    address_pages.publish(host, host.pages, page, props, service=SERVICE, target=TARGET_NAME, sole=True)


def environments(host: PipelineHost) -> RecordEnvironments:
    """What exists of them on this machine."""
    return RecordEnvironments(host, host, TARGET_NAME, address_pages.list_records(host.pages))


def list_complete(host: PipelineHost) -> frozenset[str]:
    found = environments(host)
    return found.list_routed() & frozenset(found.records.values())
