"""What the demo prints about Airflow."""

from __future__ import annotations

STARTING_AIRFLOW = "Starting Airflow and a warehouse (takes a minute)…"
NO_AIRFLOW = "Airflow isn't installed. `make demo ARGS='--once --target pipeline'` installs it first."


def airflow_failed(tail: str) -> str:
    return f"Airflow didn't start. The end of its log:\n{tail}"
