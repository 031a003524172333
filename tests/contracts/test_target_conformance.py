"""The conformance suite on Eph's own targets: whole environments, with the real Pulumi and the real gateway. Row: T6.

Authors of targets run the same suite (docs/how-to/add-a-target.md).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from orchestrator.conformance.machine import ConformanceMachine
from orchestrator.conformance.suite import Commit, TargetConformance
from programs.targets.local import settings as local_settings
from programs.targets.static import settings as static_settings

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(900)]

HEAD = 'version: "1.0"\nname: shop\n'


PAGE = f"{HEAD}static: {{root: public}}\n"
SERVER = """
import http.server, os

class Handler(http.server.SimpleHTTPRequestHandler):
    pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
SERVICE = f"""{HEAD}
services:
  - {{name: web, command: exec python3 server.py, health: {{path: /index.html, deadline: 60s}}}}
database: {{instances: [{{name: main}}]}}
"""


class TestStatic(TargetConformance):
    target = "static"
    first = Commit({"eph.yaml": PAGE, "public/index.html": "the first page"}, "the first page")
    second = Commit({"eph.yaml": PAGE, "public/index.html": "the second page"}, "the second page")
    broken = Commit({"eph.yaml": PAGE})

    @classmethod
    def writable_folder(cls, settings: Mapping[str, str], name: str) -> Path:
        return static_settings.from_mapping(settings).env(name) / "home"


class TestLocal(TargetConformance):
    target = "local"
    stubborn: ClassVar[subprocess.Popen[bytes]]
    first = Commit({"eph.yaml": SERVICE, "server.py": SERVER, "index.html": "the first page"}, "the first page")
    second = Commit({**first.files, "index.html": "the second page"}, "the second page")
    broken = Commit({**first.files, "server.py": "raise SystemExit('it is broken')"})

    @classmethod
    def writable_folder(cls, settings: Mapping[str, str], name: str) -> Path:
        return local_settings.from_mapping(settings).env(name) / "home" / "left"

    @classmethod
    def make_hostile(cls, settings: Mapping[str, str], name: str) -> bool:
        """A process that ignores every signal that it can ignore."""
        home = local_settings.from_mapping(settings).env(name) / "home"
        command = ["/bin/sh", "-c", "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"]
        env = {"HOME": str(home), "PATH": os.defpath}
        cls.stubborn = subprocess.Popen(command, env=env, start_new_session=True)
        return True

    def test_hostile_environment_delays_no_reading_update_or_destroy(
        self, conformance_machine: ConformanceMachine
    ) -> None:
        super().test_hostile_environment_delays_no_reading_update_or_destroy(conformance_machine)
        assert self.stubborn.wait(10) == -signal.SIGKILL
