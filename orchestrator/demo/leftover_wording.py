"""What the demo found after it should have removed everything. Each line names one thing."""

from __future__ import annotations

from pathlib import Path


def process(pid: int, name: object) -> str:
    return f"process {pid} of {name}"


def stack_file(path: Path) -> str:
    return f"stack file {path}"


def port_in_use(port: int) -> str:
    return f"port {port} is still in use"


def airflow_table(row: str) -> str:
    return f"Airflow's table {row}"


def of_cloud(kind: str, name: str) -> str:
    return f"cloud: {kind} {name}"


def namespace_left(name: str, reason: str) -> str:
    return f"namespace {name}: {reason}"


def unlabelled_namespace(name: str) -> str:
    return f"namespace {name} (without Eph's label)"


def by_name(item: str) -> str:
    return f"{item} (by name)"
