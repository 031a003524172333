"""ephd reports to systemd that it is ready, over a real socket. Row: O4."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.runtime.server import service_manager


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.setblocking(False)
        yield found


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_ready_is_reported_once_and_not_by_other_processes(
    listener: socket.socket, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "notify") if kind == "path" else f"\0eph-test-{os.getpid()}"
    listener.bind(place)
    monkeypatch.setenv(service_manager.VARIABLE, place.replace("\0", "@"))
    manager = service_manager.take()
    assert service_manager.VARIABLE not in os.environ
    with pytest.raises(BlockingIOError):
        listener.recv(100)
    manager.report_ready()
    assert listener.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(service_manager.VARIABLE, raising=False)
    service_manager.take().report_ready()


def test_ephd_runs_even_if_the_socket_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="eph.service"):
        service_manager.ServiceManager(str(tmp_path / "gone")).report_ready()
    assert len(caplog.records) == 1
