"""Creates the shop's table and rows."""

import os
from pathlib import Path

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as database:
    for name in ("schema.sql", "rows.sql"):
        database.execute(Path("db", name).read_text())
print("seeded")
