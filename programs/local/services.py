"""A service of one generation: started under supervisord, and believed only when it answers over HTTP.

It is given up when it ended again and again or its deadline passed; then its process goes and its last lines are in
the error. Whatever runs of the last generation is not looked at here.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from programs.local import files, sandbox, supervision
from programs.local.errors import LocalError
from programs.local.identifiers import Program
from programs.local.sandbox import Place
from programs.local.settings import Settings
from programs.local.waiting import POLL, pause

EXITS_MOST = 3
LOOK_SECONDS = 0.2
ANSWER_SECONDS = 5.0
TAIL_LINES = 40
ASKED = 2


@dataclass(frozen=True, slots=True)
class Service:
    program: Program
    command: str
    port: int
    path: str
    deadline: int
    env: Mapping[str, str]


@dataclass(slots=True)
class _Exits:
    """How often a program ended, as far as looking now and then can tell."""

    seen: set[tuple[int, int]] = field(default_factory=set)

    def look(self, info: Mapping[str, Any]) -> int:
        if info.get("statename") in ("BACKOFF", "EXITED", "FATAL"):
            self.seen.add((info["start"], info["stop"]))
        return len(self.seen)


def start(settings: Settings, place: Place, service: Service) -> None:
    """Returns when the service answers."""
    name = str(service.program)
    launch = sandbox.wrap(settings, place, service.command, service.env)
    try:
        supervision.add(settings, supervision.Entry(name, launch, _note(service)))
        _wait(settings, service)
    except BaseException:
        stop(settings, [service.program])
        raise


def _note(service: Service) -> str:
    """What whoever starts it again needs to know to tell that it answers."""
    return json.dumps({"port": service.port, "path": service.path, "deadline": service.deadline})


def await_again(settings: Settings, program: Program) -> None:
    """Of one that was just started again: returns when it answers, as ``start`` does."""
    try:
        told = json.loads(supervision.note(settings, str(program)))
        port, path, deadline = int(told["port"]), str(told["path"]), int(told["deadline"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # an earlier version made it and noted nothing: ephd's own questions tell
    _wait(settings, Service(program, "", port, path, deadline, {}))


def stop(settings: Settings, found: list[Program]) -> None:
    supervision.remove(settings, [str(item) for item in found])


def answers(port: int, path: str) -> bool:
    """Asked more than once: one slow answer must not cost a running service its life."""
    return any(probe(port, path)[0] for _ in range(ASKED))


def _wait(settings: Settings, service: Service) -> None:
    name = str(service.program)
    began = time.monotonic()
    looked, exits, answer = began, _Exits(), "nothing listens there"
    while time.monotonic() - began < service.deadline:
        ok, answer = probe(service.port, service.path)
        now = time.monotonic()
        if ok or now - looked > LOOK_SECONDS:
            looked = now
            ended = exits.look(supervision.info(settings, name))
            # A port that answers while our process ended is somebody else's.
            if ok and not ended:
                return
            if ended >= EXITS_MOST:
                raise _failed(settings, service, f"ended {ended} times in {now - began:.1f} s without answering")
        pause(POLL)
    raise _failed(settings, service, f"did not answer {service.path} within {service.deadline} s: {answer}")


def _failed(settings: Settings, service: Service, reason: str) -> LocalError:
    tail = files.tail(supervision.log(settings, str(service.program)), TAIL_LINES)
    return LocalError(f"service {service.program.service} {reason}", tail)


def probe(port: int, path: str) -> tuple[bool, str]:
    """Whether any 2xx or 3xx answer came, and what came instead."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"User-Agent": "eph-health", "Connection": "close"})
        status = connection.getresponse().status
    except ConnectionRefusedError:
        return False, "nothing listens there"
    except (OSError, http.client.HTTPException) as error:
        return False, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return 200 <= status < 400, f"HTTP {status}"
