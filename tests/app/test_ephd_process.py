"""``ephd`` as people start it: ready, stopped by SIGTERM, and what is left is what must keep running (L2).

The gateway outlives it, and so does what the target keeps running for previews: they respond while ephd restarts.
"""

from __future__ import annotations

import signal
import socket
import time

import pytest

from orchestrator.demo import leak_check
from programs.targets.local.target import TARGET
from tests.app.ephd_harness import READY_SECONDS, EphdHarness

pytestmark = pytest.mark.real

STOP_SECONDS = 15.0


@pytest.mark.long
def test_gets_ready_stops_within_fifteen_seconds_and_leaves_the_gateway(ephd: EphdHarness) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(ephd.home / "notify"))
        systemd.settimeout(READY_SECONDS)
        ephd.environment["NOTIFY_SOCKET"] = str(ephd.home / "notify")
        life = ephd.start()
        assert systemd.recv(100) == b"READY=1"
        assert ephd.eph("server", "status").returncode == 0, "systemctl start && eph must work"
        del ephd.environment["NOTIFY_SOCKET"]
    ephd.wait_ready(life)
    began = time.monotonic()
    life.send_signal(signal.SIGTERM)
    assert life.wait(60) == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert ephd.gateway_answers()
    TARGET.stop(ephd.target())
    assert set(leak_check.processes(str(ephd.home / "eph"))) == ephd.gateways()
    assert not (ephd.home / "config/eph/current.json").exists()

    again = ephd.start()
    before = ephd.gateways()
    ephd.wait_ready(again)
    assert ephd.gateways() == before
    second = ephd.start()
    assert second.wait(60) == 1
    assert f"port {ephd.api_port} is already in use" in ephd.log.read_text()
    assert "Traceback" not in ephd.log.read_text()
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 0
