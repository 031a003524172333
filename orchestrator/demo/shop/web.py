"""The sample shop: one page with rows from its database. Standard library and psycopg, nothing else."""

import html
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

PAGE = Path("dist/page.html").read_text()
ROW = "<tr><td>{name}</td><td>{price:.2f}</td></tr>"
CONNECTIONS = threading.Semaphore(20)
"""To the database: a preview's role may have 50."""


def products():
    with CONNECTIONS, psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as database:
        name = database.execute("SELECT current_database()").fetchone()[0]
        return name, database.execute("SELECT name, price FROM products ORDER BY name").fetchall()


def page():
    database, rows = products()
    values = {
        "products": "".join(ROW.format(name=html.escape(name), price=price) for name, price in rows),
        "environment": html.escape(os.environ["EPH_ENVIRONMENT"]),
        "commit": html.escape(os.environ["EPH_COMMIT"]),
        "database": html.escape(database),
    }
    text = PAGE
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            self.answer("ok" if products() else "", "text/plain")
        elif self.path == "/":
            self.answer(page(), "text/html; charset=utf-8")
        else:
            self.send_error(404)

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":  # a cluster asks every second
            super().log_request(code, size)

    def answer(self, text, kind):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    """Everyone who waited for a sleeping preview connects at once; with the default of 5, most retry for minutes."""


if __name__ == "__main__":
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler)
    print(f"serving commit {os.environ['EPH_COMMIT']} on port {server.server_port}", flush=True)
    server.serve_forever()
