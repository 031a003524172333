"""Connects with psycopg, and prints who it is."""

import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as session:
    print(*(session.execute("SELECT current_user, current_database()").fetchone() or ()))
