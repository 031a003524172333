"""Serves the files of all sites by host name: ``python file_server.py FOLDER PORT``. Standard library only.

FOLDER contains one JSON file per host name: the ``folder`` to serve, the ``fallback`` and the ``log``. It is read for
each request, so a new commit is live at once. Sites contain only regular files and folders (``publication``), so a path
without ``..`` can't leave its site.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import mimetypes
import re
import shutil
import sys
import time
import urllib.parse
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

MAX_LOG_BYTES = 2 * 1024 * 1024
HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
TYPES = mimetypes.MimeTypes(filenames=())
"""Python's own table and these, so that a type doesn't depend on the machine."""
for _type, _ending in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/json", ".map"),
    ("application/manifest+json", ".webmanifest"),
    ("application/wasm", ".wasm"),
    ("image/avif", ".avif"),
    ("image/webp", ".webp"),
    ("image/x-icon", ".ico"),
    ("font/woff", ".woff"),
    ("font/woff2", ".woff2"),
    ("font/ttf", ".ttf"),
    ("font/otf", ".otf"),
    ("text/markdown", ".md"),
):
    TYPES.add_type(_type, _ending)
_TEXT = ("application/json", "application/manifest+json", "application/xml", "image/svg+xml")
_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


@dataclass(frozen=True, slots=True)
class ServedSite:
    folder: str
    fallback: str
    log: str


def content_type(name: str) -> str:
    """A compressed file is served as such: nothing decompresses it on the way."""
    found, encoding = TYPES.guess_type(f"/{name}")
    if encoding:
        return _ENCODED.get(encoding, "application/octet-stream")
    kind = found or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in _TEXT else kind


def parts_of(path: str) -> list[str] | None:
    """The names in a URL path, or None if no file can have it."""
    text = urllib.parse.unquote(path, errors="surrogateescape")
    names = [name for name in text.split("/") if name]
    return None if "\0" in text or any(name in (".", "..") for name in names) else names


class FileHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "eph-static"
    sys_version = ""
    timeout = 60
    sites: Path
    site: ServedSite | None = None

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def __getattr__(self, name: str) -> object:
        """Every other method is answered, so that the connection can stay open."""
        if name.startswith("do_"):
            return self._refuse_method
        raise AttributeError(name)

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        for _ in range(3):
            self.site = self._find_site()
            if self.site is None:
                self._send_text(HTTPStatus.NOT_FOUND, "There is no site with this host name.\n")
                return
            if self._send_path(Path(self.site.folder), path, query):
                return
            if self._find_site() == self.site:
                break  # otherwise a new commit went live meanwhile
        self._send_missing()

    def _send_path(self, folder: Path, path: str, query: str) -> bool:
        names = parts_of(path)
        if names is None:
            return False
        found = folder.joinpath(*names)
        try:
            if found.is_dir():
                if (found / "index.html").is_file() and not path.endswith("/"):
                    self._redirect(names, query)
                    return True
                return self._send_file(found / "index.html", HTTPStatus.OK)
            return not path.endswith("/") and self._send_file(found, HTTPStatus.OK)
        except OSError:
            return False  # such as a name that is too long

    def _send_missing(self) -> None:
        """The fallback is for pages: a missing script must not be answered with a page."""
        site = self.site
        is_page = "." not in self.path.partition("?")[0].rpartition("/")[2]
        if site and site.fallback and is_page and self._send_file(Path(site.folder, site.fallback), HTTPStatus.OK):
            return
        if not (site and self._send_file(Path(site.folder, "404.html"), HTTPStatus.NOT_FOUND)):
            self._send_text(HTTPStatus.NOT_FOUND, "This site has no such file.\n")

    def _send_file(self, path: Path, status: HTTPStatus) -> bool:
        try:
            file = path.open("rb")
        except OSError:
            return False
        with file:
            self._send_open_file(file, path.name, status)
        return True

    def _send_open_file(self, file: BinaryIO, name: str, status: HTTPStatus) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        tag = f'"{Path(self.site.folder).name if self.site else ""}-{size:x}"'
        if status is HTTPStatus.OK and tag in self.headers.get("If-None-Match", ""):
            self._start(HTTPStatus.NOT_MODIFIED, {"ETag": tag})
            return
        self._start(status, {"Content-Type": content_type(name), "Content-Length": str(size), "ETag": tag})
        if self.command != "HEAD":
            shutil.copyfileobj(file, self.wfile)

    def _redirect(self, names: list[str], query: str) -> None:
        encoded = "/".join(urllib.parse.quote(name, errors="surrogateescape") for name in names)
        where = f"/{encoded}/" + (f"?{query}" if query else "")
        self._start(HTTPStatus.MOVED_PERMANENTLY, {"Location": where, "Content-Length": "0"})

    def _refuse_method(self) -> None:
        self.close_connection = True  # its body wasn't read
        self.site = self._find_site()
        self._send_text(
            HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or HEAD.\n", {"Allow": "GET, HEAD", "Connection": "close"}
        )

    def _send_text(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        size = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
        self._start(status, {**size, **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        # A push changes a file without changing its name.
        for name, value in {**headers, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _find_site(self) -> ServedSite | None:
        host = self.headers.get("Host", "").partition(":")[0].lower()
        if not HOST.fullmatch(host):
            return None
        try:
            return ServedSite(**json.loads((self.sites / f"{host}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def log_request(self, code: int | str = "-", *_: object, **__: object) -> None:
        """Into the environment's own log. If its folder is gone, so is the environment."""
        if self.site is None:
            return
        status = code.value if isinstance(code, HTTPStatus) else code
        line = f"{formatdate(time.time(), usegmt=True)} {status} {self.command} {self.path!r:.2000}\n"
        log = Path(self.site.log)
        with contextlib.suppress(OSError):
            if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line)

    def log_message(self, *_: object) -> None:
        """Nothing: clients' mistakes aren't worth a log."""


def create_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    handler = type("SitesHandler", (FileHandler,), {"sites": folder})
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    create_server(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()
