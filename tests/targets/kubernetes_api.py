"""A small API server: it keeps objects, lists them and streams their changes as the real one does, and can be made to
close its streams, to forget its past, to refuse and to fall silent."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from pathlib import Path
from typing import Any

Data = dict[str, Any]
LABELS = {"app.kubernetes.io/managed-by": "eph", "eph.dev/server": "eph-1", "eph.dev/environment": "shop-a-1"}
SPACE = "/api/v1/namespaces"


class Api(http.server.ThreadingHTTPServer):
    """``objects`` by address; ``past`` is what a stream can tell of. ``asked``: every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, Data] = {}
        self.past: list[tuple[int, str, Data]] = []
        self.asked: list[str] = []
        self.version = 100
        self.oldest = 0
        self.epoch = 0
        self.down = False
        self.forbidden: set[str] = set()
        self.news = threading.Condition()

    # --- what happens in the cluster

    def put(self, path: str, *, by: str = "pulumi-kubernetes", fields: Data | None = None, **about: Any) -> str:
        """``path`` as ``apps/v1/deployments:shop-a-1/web``; gives the object's address."""
        address, data = _object(path)
        entry = {"manager": by, "fieldsV1": {"f:spec": {"f:x": {}}} if fields is None else fields}
        data["metadata"] |= {"labels": LABELS, "managedFields": [entry], **about}
        kind = "MODIFIED" if address in self.objects else "ADDED"
        self.objects[address] = data
        self._tell(kind, address, data)
        return address

    def remove(self, address: str) -> None:
        self._tell("DELETED", address, self.objects.pop(address))

    def _tell(self, kind: str, address: str, data: Data) -> None:
        with self.news:
            self.version += 1
            data["metadata"]["resourceVersion"] = str(self.version)
            self.past.append((self.version, address, {"type": kind, "object": json.loads(json.dumps(data))}))
            self.news.notify_all()

    def cut(self, *, forget: bool = False, down: bool = False) -> None:
        """Every stream ends; with ``forget`` none can go on from where it was."""
        with self.news:
            self.epoch += 1
            self.down = down
            if forget:
                self.version += 1
                self.oldest = self.version
            self.news.notify_all()

    def count(self, *words: str) -> int:
        return sum(all(word in line for word in words) for line in self.asked)

    def close(self) -> None:
        self.cut(down=True)
        self.shutdown()
        self.server_close()

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "kubeconfig"
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(data))
        return path

    def settings(self, folder: Path) -> dict[str, str]:
        told = {"root": str(folder), "server": "eph-1", "routes": str(folder / "routes")}
        return {**told, "kubeconfig": str(self.kubeconfig(folder))}


def _object(path: str) -> tuple[str, Data]:
    kind, _, id_ = path.partition(":")
    group = "api" if kind.startswith("v1/") else "apis"
    version, _, plural = kind.rpartition("/")
    space, slash, name = id_.rpartition("/")
    address = (
        f"/{group}/{version}/namespaces/{space}/{plural}/{name}" if slash else f"/{group}/{version}/{plural}/{name}"
    )
    return address, {"metadata": {"name": name, **({"namespace": space} if slash else {})}}


def _listed(path: str, address: str) -> bool:
    """Whether an object belongs to a list: of its namespace, or of its kind in all of them."""
    head, _, plural = path.rpartition("/")
    parts = address.split("/")
    if parts[-2] != plural:
        return False
    return address.startswith((f"{head}/{plural}/", f"{head}/namespaces/"))


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.server.asked.append(f"{'WATCH' if asked.get('watch') else 'GET'} {path}")
        if self.server.down:
            self._say(503, {"message": "down"})
        elif path in self.server.forbidden:
            self._say(403, {"message": "not yours"})
        elif asked.get("watch"):
            self._watch(path, int(asked["resourceVersion"]))
        elif path in self.server.objects:
            self._say(200, self.server.objects[path])
        elif path.rpartition("/")[2].endswith("s"):
            items = [data for address, data in self.server.objects.items() if _listed(path, address)]
            self._say(200, {"metadata": {"resourceVersion": str(self.server.version)}, "items": items or None})
        else:
            self._say(404, {"message": "not found"})

    def do_DELETE(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"DELETE {self.path}")
        if path in self.server.objects:
            self.server.remove(path)
            self._say(200, {})
        else:
            self._say(404, {"message": "not found"})

    def _watch(self, path: str, version: int) -> None:
        server = self.server
        if version < server.oldest:
            self._say(410, {"message": "too old resource version"})
            return
        self.send_response(200)
        self.end_headers()
        epoch = server.epoch
        while True:
            with server.news:
                told = [(at, event) for at, address, event in server.past if at > version and _listed(path, address)]
                if not told:
                    if server.epoch != epoch:
                        return
                    server.news.wait(30)
            for at, event in told:
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
                version = at

    def _say(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Silent."""
