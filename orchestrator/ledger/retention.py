"""Deletes old events in small batches, so that no transaction is long and no reader waits.

The newest event of each subject is always kept, so the last thing that happened to an environment can be shown.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from orchestrator.ledger.tables import EVENTS, format_time

KEEP = timedelta(days=90)
BATCH = 500
SOON_SECONDS, LATER_SECONDS = 60.0, 3600.0
"""Seconds until the next run: after a full batch, and otherwise."""


def prune(connection: sa.Connection, before: datetime, batch: int = BATCH) -> int:
    """Returns how many were deleted; fewer than ``batch`` means that none are left."""
    newer = EVENTS.alias("newer")
    superseded = sa.exists().where(newer.c.subject == EVENTS.c.subject, newer.c.id > EVENTS.c.id)
    old = sa.select(EVENTS.c.id).where(EVENTS.c.at < format_time(before), superseded).order_by(EVENTS.c.at).limit(batch)
    return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id.in_(old))).rowcount
