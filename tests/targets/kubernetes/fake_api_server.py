"""A small API server: it stores objects, lists them and streams changes like the real one, and can be made to close its
streams, forget its history, deny access and stop responding."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from pathlib import Path
from typing import Any

Data = dict[str, Any]
LABELS = {"app.kubernetes.io/managed-by": "eph", "eph.dev/server": "eph-1", "eph.dev/environment": "shop-a-1"}
SHORT_GRACE = 10
NAMESPACES_PATH = "/api/v1/namespaces"


class FakeApiServer(http.server.ThreadingHTTPServer):
    """``objects`` by path; ``events`` is what a stream can send. ``requests``: every request."""

    daemon_threads = True
    request_queue_size = 128  # a watch opens its streams at once; a full queue costs each a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, Data] = {}
        self.events: list[tuple[int, str, Data]] = []
        self.requests: list[str] = []
        self.version = 100
        self.oldest_version = 0
        self.epoch = 0
        self.down = False
        self.forbidden: set[str] = set()
        self.grace: dict[str, int] = {}
        """Pods that stop only after so many seconds, which is never in a test. A namespace waits for its pods."""
        self.changed = threading.Condition()

    # --- what happens in the cluster

    def put(
        self,
        path: str,
        *,
        manager: str = "pulumi-kubernetes",
        fields: Data | None = None,
        content: Data | None = None,
        **metadata: Any,
    ) -> str:
        """``path`` is like ``apps/v1/deployments:shop-a-1/web``. ``content``: besides the metadata. Returns the
        object's path."""
        address, data = _object(path)
        data |= content or {}
        entry = {"manager": manager, "fieldsV1": {"f:spec": {"f:x": {}}} if fields is None else fields}
        data["metadata"] |= {"labels": LABELS, "managedFields": [entry], **metadata}
        kind = "MODIFIED" if address in self.objects else "ADDED"
        self.objects[address] = data
        self._publish(kind, address, data)
        return address

    def remove(self, address: str) -> None:
        self._publish("DELETED", address, self.objects.pop(address))

    def delete(self, address: str, grace: int) -> None:
        """Removes it, or marks it as terminating until it may be removed. ``grace`` replaces that of a pod."""
        if address in self.grace and grace >= 0:
            self.grace[address] = grace
        if self.grace.get(address, 0) > SHORT_GRACE or any(pod.startswith(f"{address}/") for pod in self.grace):
            data = self.objects[address]
            data["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z"}
            if address in self.grace:
                data["metadata"]["deletionGracePeriodSeconds"] = self.grace[address]
            return
        self.remove(address)
        self.grace.pop(address, None)
        for above in [path for path in self.objects if address.startswith(f"{path}/")]:
            if self.objects[above]["metadata"].get("deletionTimestamp"):
                self.delete(above, -1)

    def _publish(self, kind: str, address: str, data: Data) -> None:
        with self.changed:
            self.version += 1
            data["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, address, {"type": kind, "object": json.loads(json.dumps(data))}))
            self.changed.notify_all()

    def end_streams(self, *, expire: bool = False, down: bool = False) -> None:
        """Ends every stream; with ``expire``, none can resume."""
        with self.changed:
            self.epoch += 1
            self.down = down
            if expire:
                self.version += 1
                self.oldest_version = self.version
            self.changed.notify_all()

    def count(self, *words: str) -> int:
        return sum(all(word in line for word in words) for line in self.requests)

    def close(self) -> None:
        self.end_streams(down=True)
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


def _is_listed(path: str, address: str) -> bool:
    """Whether an object belongs to a list: of its namespace, or of its kind across all namespaces."""
    head, _, plural = path.rpartition("/")
    parts = address.split("/")
    if parts[-2] != plural:
        return False
    return address.startswith((f"{head}/{plural}/", f"{head}/namespaces/"))


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeApiServer

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.server.requests.append(f"{'WATCH' if asked.get('watch') else 'GET'} {path}")
        if self.server.down:
            self._respond(503, {"message": "down"})
        elif path in self.server.forbidden:
            self._respond(403, {"message": "not yours"})
        elif asked.get("watch"):
            self._watch(
                path, int(asked["resourceVersion"]), asked.get("fieldSelector", "").removeprefix("metadata.name=")
            )
        elif path in self.server.objects:
            self._respond(200, self.server.objects[path])
        elif path.rpartition("/")[2].endswith("s"):
            items = [data for address, data in self.server.objects.items() if _is_listed(path, address)]
            self._respond(200, {"metadata": {"resourceVersion": str(self.server.version)}, "items": items or None})
        else:
            self._respond(404, {"message": "not found"})

    def do_DELETE(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.requests.append(f"DELETE {self.path}")
        if path in self.server.objects:
            self.server.delete(path, int(dict(urllib.parse.parse_qsl(query)).get("gracePeriodSeconds", "-1")))
            self._respond(200, {})
        else:
            self._respond(404, {"message": "not found"})

    def _watch(self, path: str, version: int, name: str) -> None:
        """``name``: of the only object to report; empty for all."""
        server = self.server
        if version < server.oldest_version:
            self._respond(410, {"message": "too old resource version"})
            return
        self.send_response(200)
        self.end_headers()
        epoch = server.epoch
        while True:
            with server.changed:
                told = [
                    (at, event)
                    for at, address, event in server.events
                    if at > version and _is_listed(path, address) and name in ("", address.rpartition("/")[2])
                ]
                if not told:
                    if server.epoch != epoch:
                        return
                    server.changed.wait(30)
            for at, event in told:
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
                version = at

    def _respond(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Silent."""
