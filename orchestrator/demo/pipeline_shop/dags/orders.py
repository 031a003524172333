"""Adds up the orders of each day, then checks the result."""

from datetime import datetime

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task
from shop.prices import as_text


@dag(schedule="@daily", start_date=datetime(2026, 11, 1), catchup=True, tags=["shop"])
def orders() -> None:
    total = SQLExecuteQueryOperator(task_id="total", conn_id="warehouse", sql="sql/total.sql")

    @task
    def report() -> str:
        row = PostgresHook("warehouse").get_first("SELECT sum(cents) FROM daily_totals")
        return as_text(row[0])

    total >> report()


orders()
