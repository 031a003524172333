"""What the stores beside the event log share: a connection to the ledger's database, with an error of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.ledger import database_engine, schema_upgrade


class SqlStore:
    """``url`` is parsed by ``database_engine.parse``. ``unavailable``: the error for a database, as people may see its
    URL, and a summary of what went wrong."""

    def __init__(self, url: str, unavailable: Callable[[str, str], Exception]) -> None:
        self._engine = database_engine.create_engine(url)
        self._unavailable = unavailable
        self._schema_ready = False

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """The first one upgrades the schema."""
        try:
            if not self._schema_ready:
                schema_upgrade.upgrade(self._engine)
                self._schema_ready = True
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            where = database_engine.display_url(self._engine.url)
            raise self._unavailable(where, database_engine.error_summary(error)) from error
