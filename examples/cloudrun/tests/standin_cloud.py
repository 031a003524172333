"""The parts of Google's API that the target uses, on this machine. A revision is a process; an image is its program.

What the target and Pulumi's plugin rely on is real here: names that are taken, revisions that never become ready, the
previous one that stays live, policies that decide who may open a service, and operations that are polled.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROJECT, NUMBER, REGION, TOKEN = "acme-previews", "123456789012", "europe-west1", "a-token-of-the-standin"
LOCATION = f"projects/{PROJECT}/locations/{REGION}"
SERVICE = re.compile(rf"/v2/({LOCATION}/services/[a-z][a-z0-9-]{{0,48}})(?::(\w+))?")
MAPPINGS = f"/apis/domains.cloudrun.com/v1/namespaces/{PROJECT}/domainmappings"
INVOKER = {"role": "roles/run.invoker", "members": ["allUsers"]}
PROBE_SECONDS = 3.0
Data = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Revision:
    process: "subprocess.Popen[bytes]"
    port: int


@dataclass
class StandInCloud:
    """``images``: the program of each image, by reference."""

    images: dict[str, str]
    services: dict[str, Data] = field(default_factory=dict)
    policies: dict[str, Data] = field(default_factory=dict)
    mappings: dict[str, Data] = field(default_factory=dict)
    live: dict[str, Revision] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    folder: Path = Path()
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> Data:
        return {
            "project": PROJECT,
            "project_number": NUMBER,
            "region": REGION,
            "access_token": TOKEN,
            "endpoint": self.url,
            "run_url": f"http://{{service}}.run.localhost:{self.port}",
        }

    def deploy(self, name: str, body: Data, *, exists: bool) -> Data:
        """Returns the operation. The service is there even if its revision isn't ready."""
        with self.lock:
            if (name in self.services) != exists:
                raise Refused(
                    404 if exists else 409, f"Resource '{name}' {'not found' if exists else 'already exists'}"
                )
            before = self.services.get(name, {})
            number = int(before.get("generation", 0)) + 1
            revision = f"{name}/revisions/{name.rpartition('/')[2]}-{number:05}"
            ready = before.get("latestReadyRevision")
            kept = {"name": name, "generation": str(number), "latestReadyRevision": ready}
            self.services[name] = {**body, **kept, "uri": self._uri(name), "latestCreatedRevision": revision}
            error = self._start(name, body["template"]["containers"][0])
            if error:
                return {"name": f"{LOCATION}/operations/{number}", "done": True, "error": {"code": 9, "message": error}}
            self.services[name]["latestReadyRevision"] = revision
            return {"name": f"{LOCATION}/operations/{number}", "done": True, "response": self.services[name]}

    def delete(self, name: str) -> Data:
        with self.lock:
            if name not in self.services:
                raise Refused(404, f"Resource '{name}' not found")
            del self.services[name]
            self.policies.pop(name, None)
            self._stop(self.live.pop(name, None))
            return {"name": f"{LOCATION}/operations/delete", "done": True}

    def target_of(self, host: str) -> "Revision | None":
        """What serves this host name. Raises if nobody may open it."""
        name = host.partition(":")[0]
        mapped = self.mappings.get(name)
        short = mapped["spec"]["routeName"] if mapped else name.removesuffix(".run.localhost")
        path = f"{LOCATION}/services/{short}"
        if path not in self.services:
            raise Refused(404, "there is no such service")
        if INVOKER not in self.policies.get(path, {}).get("bindings", []):
            raise Refused(403, "your client does not have permission to get this URL")
        return self.live.get(path)

    def log_entries(self, filter_: str, limit: int) -> list[Data]:
        wanted = re.findall(r'"([a-z][a-z0-9-]*)"', filter_.partition("service_name")[2])
        found = [
            {"textPayload": line, "resource": {"labels": {"service_name": name}}}
            for name in wanted
            for path in self.folder.glob(f"{name}.log")
            for line in path.read_text().splitlines()
        ]
        return found[::-1][:limit]

    def close(self) -> None:
        for revision in self.live.values():
            self._stop(revision)

    def _uri(self, name: str) -> str:
        return f"http://{name.rpartition('/')[2]}.run.localhost:{self.port}"

    def _start(self, name: str, container: Data) -> str:
        """Returns why the revision isn't ready. The one before serves until the new one does."""
        program = self.images.get(container["image"])
        if program is None:
            return f"Image '{container['image']}' not found."
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        env = {item["name"]: str(item.get("value", "")) for item in container.get("env") or ()}
        with (self.folder / f"{name.rpartition('/')[2]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", program],
                env={**env, "PORT": str(port), "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        revision, path = Revision(process, port), container["startupProbe"]["httpGet"]["path"]
        until = time.monotonic() + PROBE_SECONDS * 10
        while not _responds(port, path):
            if process.poll() is not None or time.monotonic() > until:
                self._stop(revision)
                return (
                    "The user-provided container failed to start and listen on the port defined by the PORT variable."
                )
            time.sleep(0.05)
        self._stop(self.live.get(name))
        self.live[name] = revision
        return ""

    def _stop(self, revision: Revision | None) -> None:
        if revision is not None:
            revision.process.kill()
            revision.process.wait()


def _responds(port: int, path: str) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    cloud: StandInCloud

    def _serve(self) -> None:
        try:
            status, body, kind = self._answer()
        except Refused as refused:
            status, kind = refused.status, "application/json"
            body = json.dumps({"error": {"code": refused.status, "message": str(refused)}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base's names

    def _answer(self) -> tuple[int, bytes, str]:
        if not self.headers["Host"].startswith("127.0.0.1"):
            return self._visit(self.cloud.target_of(self.headers["Host"]))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Request had invalid authentication credentials.")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        return 200, json.dumps(self._call(body)).encode(), "application/json"

    def _visit(self, revision: Revision | None) -> tuple[int, bytes, str]:
        if revision is None:
            raise Refused(503, "no revision is ready")
        connection = http.client.HTTPConnection("127.0.0.1", revision.port, timeout=10)
        try:
            connection.request("GET", self.path, headers={"Host": self.headers["Host"]})
            found = connection.getresponse()
            return found.status, found.read(), found.headers.get_content_type()
        except OSError as error:
            raise Refused(502, str(error)) from error
        finally:
            connection.close()

    def _call(self, body: Data) -> Data:
        parts = urlsplit(self.path)
        query, cloud = {name: values[0] for name, values in parse_qs(parts.query).items()}, self.cloud
        found = SERVICE.fullmatch(parts.path)
        match self.command, parts.path:
            case "POST", path if path == f"/v2/{LOCATION}/services":
                return cloud.deploy(f"{LOCATION}/services/{query['serviceId']}", body, exists=False)
            case "GET", path if path == f"/v2/{LOCATION}/services":
                return _page("services", [cloud.services[name] for name in sorted(cloud.services)], query)
            case "POST", "/v2/entries:list":
                return {"entries": cloud.log_entries(body["filter"], int(body["pageSize"]))}
        if found:
            return self._service(found[1], found[2] or "", body)
        if parts.path.startswith(MAPPINGS):
            return self._mapping(parts.path.removeprefix(MAPPINGS).strip("/"), body, query)
        raise Refused(404, f"the stand-in doesn't have {self.command} {parts.path}")

    def _service(self, name: str, action: str, body: Data) -> Data:
        cloud = self.cloud
        match self.command, action:
            case "PATCH", "":
                return cloud.deploy(name, body, exists=True)
            case "DELETE", "":
                return cloud.delete(name)
        if name not in cloud.services:
            raise Refused(404, f"Resource '{name}' not found")
        match self.command, action:
            case "GET", "":
                return cloud.services[name]
            case "GET", "getIamPolicy":
                return cloud.policies.get(name, {"bindings": []})
            case "POST", "setIamPolicy":
                cloud.policies[name] = body["policy"]
                return body["policy"]
        raise Refused(404, f"the stand-in doesn't have {self.command} {action}")

    def _mapping(self, name: str, body: Data, query: dict[str, str]) -> Data:
        mappings = self.cloud.mappings
        if self.command == "POST":
            mappings[body["metadata"]["name"]] = body
            return body
        if not name:
            return _page("items", [mappings[key] for key in sorted(mappings)], query)
        if name not in mappings:
            raise Refused(404, f"Resource '{name}' not found")
        return mappings.pop(name) if self.command == "DELETE" else mappings[name]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""


def _page(key: str, items: list[Data], query: dict[str, str]) -> Data:
    """One item a page: whoever ignores the token misses the rest."""
    at = int(query.get("pageToken", "0"))
    return {key: items[at : at + 1], **({"nextPageToken": str(at + 1)} if at + 1 < len(items) else {})}


@contextlib.contextmanager
def running(images: dict[str, str]) -> Iterator[StandInCloud]:
    with tempfile.TemporaryDirectory(prefix="eph-cloudrun-") as folder:
        cloud = StandInCloud(images, folder=Path(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cloud": cloud}))
        cloud.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield cloud
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            cloud.close()
