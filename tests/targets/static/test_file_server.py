"""The file server of the target `static`, over real connections. Row: T9."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.targets.static import file_server

PAGES = {
    "index.html": "<h1>home</h1>",
    "app.js": "run()",
    "data.json": "{}",
    "logo.svg": "<svg/>",
    "module.wasm": "x",
    "site.webmanifest": "{}",
    "archive.tar.gz": "x",
    "unknown": "x",
    "docs/index.html": "docs",
    "with space.txt": "spaced",
}


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        path = tmp_path / "one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "served").mkdir()
    serve(tmp_path, "one", "")
    return tmp_path


def serve(sites: Path, folder: str, fallback: str) -> None:
    record = {"folder": str(sites / folder), "fallback": fallback, "log": str(sites / "access.log")}
    (sites / "served" / "shop.localhost.json").write_text(json.dumps(record))


@pytest.fixture
def connection(sites: Path) -> Iterator[http.client.HTTPConnection]:
    server = file_server.create_server(sites / "served", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def ask(
    client: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    named = {"Host": "shop.localhost:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    client.request(method, path, headers=named)
    response = client.getresponse()
    return response.status, response.headers, response.read().decode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/data.json", "application/json; charset=utf-8"),
        ("/logo.svg", "image/svg+xml; charset=utf-8"),
        ("/module.wasm", "application/wasm"),
        ("/site.webmanifest", "application/manifest+json; charset=utf-8"),
        ("/archive.tar.gz", "application/gzip"),
        ("/unknown", "application/octet-stream"),
        ("/with%20space.txt?v=1", "text/plain; charset=utf-8"),
    ],
)
def test_file_has_its_type(connection: http.client.HTTPConnection, path: str, kind: str) -> None:
    status, headers, _ = ask(connection, path)
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, kind, "nosniff")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/docs/..%2f..%2fsecret.txt", "/a%00b"])
def test_path_cannot_leave_the_site(connection: http.client.HTTPConnection, path: str) -> None:
    status, _, text = ask(connection, path)
    assert (status, "secret" in text) == (404, False)


def test_folder_needs_a_slash_so_that_relative_links_work(connection: http.client.HTTPConnection) -> None:
    status, headers, _ = ask(connection, "//docs?q=1")
    assert (status, headers["Location"]) == (301, "/docs/?q=1")
    assert ask(connection, "/docs/")[2] == "docs"
    assert ask(connection, "/index.html/")[0] == 404


def test_fallback_is_for_pages_only(connection: http.client.HTTPConnection, sites: Path) -> None:
    assert ask(connection, "/orders/7")[0] == 404
    serve(sites, "one", "index.html")
    assert ask(connection, "/orders/7?tab=a.b")[::2] == (200, PAGES["index.html"])
    assert ask(connection, "/missing.js")[0] == 404


def test_page_for_missing_files_is_the_sites_own(connection: http.client.HTTPConnection, sites: Path) -> None:
    (sites / "one" / "404.html").write_text("lost")
    assert ask(connection, "/nothing")[::2] == (404, "lost")


def test_new_record_is_live_on_an_open_connection(connection: http.client.HTTPConnection, sites: Path) -> None:
    tag = ask(connection, "/")[1]["ETag"]
    assert ask(connection, "/", If_None_Match=tag)[::2] == (304, "")
    (sites / "two").mkdir()
    (sites / "two" / "index.html").write_text("<h1>next</h1>")  # the same size
    serve(sites, "two", "")
    assert ask(connection, "/", If_None_Match=tag)[::2] == (200, "<h1>next</h1>")


def test_other_methods_and_hosts_are_refused(connection: http.client.HTTPConnection) -> None:
    status, headers, text = ask(connection, "/", "HEAD")
    assert (status, headers["Content-Length"], text) == (200, str(len(PAGES["index.html"])), "")
    status, headers, _ = ask(connection, "/", "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    for host in ("other.localhost", "../served/shop.localhost", ""):
        assert ask(connection, "/", Host=host)[0] == 404


def test_log_has_one_line_for_each_request(connection: http.client.HTTPConnection, sites: Path) -> None:
    ask(connection, "/app.js")
    ask(connection, "/a%0ab")
    first, second = (sites / "access.log").read_text().splitlines()
    assert first.endswith("200 GET '/app.js'")
    assert second.endswith("404 GET '/a%0ab'")
