"""A small Airflow and a warehouse for the demo's data pipelines. Not part of Eph's service."""
