"""Airflow's REST API, version 2, as far as the target needs it."""
