"""The tests' sample service: reports what it runs from, and tries what a test requests."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

Reply = dict[str, object]


def shown(_: str) -> Reply:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as database:
        goods = [name for (name,) in database.execute("SELECT name FROM goods ORDER BY name")]
    return {"commit": os.environ["EPH_COMMIT"], "environment": os.environ["EPH_ENVIRONMENT"], "goods": goods}


def add(name: str) -> Reply:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as database:
        database.execute("INSERT INTO goods VALUES (%s)", [name])
    return {"added": name}


def read(path: str) -> Reply:
    try:
        return {"text": Path(path).read_text(errors="replace")}
    except OSError as error:
        return {"refused": type(error).__name__}


def connect(url: str) -> Reply:
    try:
        with psycopg.connect(url, connect_timeout=5) as database:
            return {"rows": len(database.execute("SELECT * FROM goods").fetchall())}
    except psycopg.Error as error:
        return {"refused": type(error).__name__, "message": str(error)}


def environ(_: str) -> Reply:
    return dict(os.environ)


WAYS = {"/": shown, "/healthz": shown, "/add": add, "/read": read, "/connect": connect, "/environ": environ}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        way = WAYS.get(asked.path)
        if way is None:
            self.send_error(404)
            return
        body = json.dumps(way(parse_qs(asked.query).get("q", [""])[0])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Without the request: the tests send passwords in it."""
        self.log_message('"%s" %s', urlsplit(self.path).path, code)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    os.write(1, f"serving {os.environ['EPH_COMMIT']} from {os.environ['DATABASE_URL']}\n".encode())
    server.serve_forever()
