"""Brings a database to the schema of this version, whoever comes first, however many come at once.

The steps are Alembic's, in ``migrations``. They run in one transaction under a lock of the database, so there is the
old schema or the new one and never half of it, and a second replica waits and finds the work done. A table from
before there were steps is taken as the first one. A schema that is newer than this version is left as it is: steps
only add, so that replicas of two versions can share a database while they are replaced.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import sqlalchemy as sa

from orchestrator.ledger import database_engine

LATEST_REVISION = "0003"
"""The last step; they are numbered with four digits, in order."""
FIRST_REVISION = "0001"
FOLDER = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x65706801
"""The number of PostgreSQL's advisory lock for this; the next one is that of writing events."""
LOCK_SECONDS = 600.0

_process_lock = threading.Lock()


def upgrade(engine: sa.Engine) -> None:
    """Costs two small questions when there is nothing to do."""
    _create_folder(engine)
    with engine.connect() as connection:
        if _version(connection) >= LATEST_REVISION:
            return
    with _process_lock, engine.begin() as connection:  # Alembic's environment is one for the process
        _lock(connection)
        if _version(connection) < LATEST_REVISION:
            _run_migrations(connection)


def _create_folder(engine: sa.Engine) -> None:
    database = engine.url.database
    if engine.dialect.name == "sqlite" and database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)


def _version(connection: sa.Connection) -> str:
    """Empty without a version, which sorts before all."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    database_engine.extend_timeout(connection, LOCK_SECONDS)
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")


def _run_migrations(connection: sa.Connection) -> None:
    from alembic import command  # here, because it is needed once in a ledger's life and takes its time to import
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    tables = sa.inspect(connection)
    if tables.has_table("events") and not tables.has_table("alembic_version"):
        command.stamp(config, FIRST_REVISION)
    command.upgrade(config, LATEST_REVISION)
