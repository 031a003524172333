"""moto's server with a door in front of it: it counts requests, injects failures, and can call a test back.

Moments are counted in requests, not in seconds, so what a test interrupts doesn't depend on how fast the machine is.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from moto.server import ThreadedMotoServer

_SCOPE = re.compile(r"Credential=[^/]+/[0-9]+/[^/]+/(?P<service>[^/]+)/")
_READS = ("Describe", "List", "Get", "Head")
Environ = dict[str, Any]


@dataclass
class Fault:
    """An answer of AWS that isn't moto's. ``operation``: ``rds CreateDBInstance``. ``times``: how often it is given.
    ``body``: the whole answer, such as an empty list of what AWS doesn't list yet, in place of an error."""

    operation: str
    code: str
    message: str = "injected"
    times: int = 1
    status: int = 400
    body: str = ""


@dataclass
class AwsServer:
    """``changes``: the requests that change something, in order. ``on_change``: called with their number before each
    of them is carried out; returns whether it should be."""

    faults: list[Fault] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    on_change: Callable[[int], bool] = lambda _: True
    expired_keys: set[str] = field(default_factory=set)
    """Access keys that AWS no longer accepts."""
    _app: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation = operation_of(environ, body)
        fault = self._fault(operation) or self._expired(environ)
        if fault:
            text, kind = _render(operation.partition(" ")[0], fault, environ)
            start_response(f"{fault.status} Injected", [("Content-Type", kind), ("Content-Length", str(len(text)))])
            return [text]
        if changes_something(operation):
            with self._lock:
                self.changes.append(operation)
                number = len(self.changes)
            if not self.on_change(number):
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return []
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def _expired(self, environ: Environ) -> Fault | None:
        if access_key_of(environ) in self.expired_keys:
            return Fault("", "ExpiredToken", "The security token included in the request is expired", status=403)
        return None

    def _fault(self, operation: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.operation == operation and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


def operation_of(environ: Environ, body: bytes) -> str:
    """Service and operation, such as ``ecs CreateService``; for S3 and Route 53, whose requests name none, the method:
    ``s3 PUT``."""
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = found["service"] if found else ""
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    action = target or parse_qs(body.decode("latin1")).get("Action", [""])[0]
    return f"{service} {action or environ['REQUEST_METHOD']}"


def access_key_of(environ: Environ) -> str:
    return str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")[2].partition("/")[0]


def changes_something(operation: str) -> bool:
    service, _, action = operation.partition(" ")
    return bool(service) and not action.startswith(_READS) and action not in ("GET", "HEAD")


def not_listed_yet(operation: str, body: str, times: int) -> Fault:
    """AWS is eventually consistent: it doesn't list or describe what it has just created."""
    return Fault(operation, "", times=times, status=200, body=body)


def _render(service: str, fault: Fault, environ: Environ) -> tuple[bytes, str]:
    """In the form that the service's protocol has for errors."""
    if fault.body:
        return fault.body.encode(), "application/x-amz-json-1.1"
    if environ.get("HTTP_X_AMZ_TARGET"):
        return json.dumps({"__type": fault.code, "message": fault.message}).encode(), "application/x-amz-json-1.1"
    about = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
    if service == "ec2":
        return f"<Response><Errors>{about}</Errors><RequestID>1</RequestID></Response>".encode(), "text/xml"
    return f"<ErrorResponse>{about}<RequestId>1</RequestId></ErrorResponse>".encode(), "text/xml"


@contextlib.contextmanager
def serving(server: AwsServer) -> Iterator[str]:
    """Its endpoint."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        http = moto._server
        assert http is not None
        server._app, http.app = http.app, server
        host, port = moto.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        moto.stop()
