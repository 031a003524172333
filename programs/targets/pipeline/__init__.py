"""The target ``pipeline``: the DAGs of a branch on a shared Airflow, bound to data of their own.

An environment is a folder of Airflow's DAG folder, connections with its name, and a schema of views and copies over the
shared tables. The repository's code runs in Airflow's workers, not in Eph's sandbox.
"""
