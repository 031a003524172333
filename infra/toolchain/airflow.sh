#!/bin/sh
# Installs Apache Airflow, for the tests and the demo of data pipelines, and prints the path of its Python interpreter.
# `airflow.sh --find` only prints the path, and fails if Airflow isn't installed. `airflow.sh --lock` resolves
# airflow/requirements.lock from airflow/requirements.in. Takes a minute the first time, and 0.1 s after that.
exec "$(dirname "$0")/python_tool.sh" airflow "$@"
