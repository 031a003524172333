"""Upgrades a database to the schema of this version, safely with concurrent replicas.

The migrations are Alembic's, in ``migrations``. They run in one transaction under a database lock, so the schema is
either the old or the new one, and a second replica waits and finds the work done. A table from before there were
migrations counts as the first one. A schema newer than this version is left alone: migrations only add, so replicas of
two versions can share a database during an upgrade.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import sqlalchemy as sa

from orchestrator.ledger import database_engine

LATEST_REVISION = "0007"
"""The last migration. Migrations are numbered with four digits, in order."""
FIRST_REVISION = "0001"
FOLDER = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x65706801
"""The number of PostgreSQL's advisory lock for migrations; the next number is the lock for writing events."""
LOCK_SECONDS = 600.0

_process_lock = threading.Lock()


def upgrade(engine: sa.Engine) -> None:
    """Costs two small queries if there is nothing to do."""
    _create_folder(engine)
    with engine.connect() as connection:
        if _version(connection) >= LATEST_REVISION:
            return
    with _process_lock, engine.begin() as connection:  # Alembic's environment is global to the process
        _lock(connection)
        if _version(connection) < LATEST_REVISION:
            _run_migrations(connection)


def _create_folder(engine: sa.Engine) -> None:
    database = engine.url.database
    if engine.dialect.name == "sqlite" and database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)


def _version(connection: sa.Connection) -> str:
    """Empty if there is no version, which sorts before all others."""
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
    from alembic import command  # imported here, because it is rarely needed and slow to import
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    tables = sa.inspect(connection)
    if tables.has_table("events") and not tables.has_table("alembic_version"):
        command.stamp(config, FIRST_REVISION)
    command.upgrade(config, LATEST_REVISION)
