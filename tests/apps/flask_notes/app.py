import os

import psycopg
from flask import Flask

app = Flask(__name__)


@app.get("/healthz")
def healthz():
    return "ok"


@app.get("/")
def index():
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        notes = [text for (text,) in database.execute("SELECT text FROM notes ORDER BY id")]
    return {"commit": os.environ.get("EPH_COMMIT", ""), "notes": notes}
