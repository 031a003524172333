"""Pulumi without Eph, for comparison: ``python -m tests.bench.plain_pulumi``, a process that has imported everything.

One JSON line in, one out. ``cli`` runs what a person would type, ``pulumi stack init`` and ``pulumi up``; ``api`` is
``create_or_select_stack`` and ``up`` of the Automation API, all settings left as they come. The program is Eph's own
target's, which ends only when the app answers: the app's own start is inside. An inline program needs a
language host, which for the CLI is started here just as the Automation API does.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from pulumi import automation
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

from programs import registry
from programs.spec import EnvironmentSpec

PRELOADED = ("programs.targets.kubernetes.program.kubernetes_program", "programs.targets.local.local_program")
"""Imported before anything is timed, as in a warm worker of Eph's."""

PROJECT = "eph-bench-1"
Program = Callable[[], None]


def run_cli(stack: str, program: Program) -> float:
    with tempfile.TemporaryDirectory(prefix="eph-bench-plain-") as folder:
        Path(folder, "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        begun = time.monotonic()
        _pulumi(folder, "stack", "init", stack)
        with _language_host(program) as port:
            host = [f"--client=127.0.0.1:{port}", "--exec-kind", "auto.inline"]
            _pulumi(folder, "up", "--yes", "--skip-preview", "--stack", stack, *host)
        return time.monotonic() - begun


def run_automation_api(stack: str, program: Program) -> float:
    begun = time.monotonic()
    automation.create_or_select_stack(stack, PROJECT, program).up()
    return time.monotonic() - begun


def _pulumi(folder: str, *words: str) -> None:
    done = subprocess.run(["pulumi", "--non-interactive", *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pulumi {words[0]}: {done.stdout[-2000:]} {done.stderr[-2000:]}")


@contextmanager
def _language_host(program: Program) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0)


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    ways = {"cli": run_cli, "api": run_automation_api}
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        spec = EnvironmentSpec.from_json(order["spec"])
        try:
            program = registry.get(spec.target).program(spec)
            answer: dict[str, Any] = {"seconds": ways[order["way"]](order["stack"], program)}
        except Exception as error:  # noqa: BLE001 - whatever it was, the measurement has to say it
            answer = {"error": str(error)}
        print("\n" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
