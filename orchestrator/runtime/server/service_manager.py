"""Reports to systemd that ephd is ready (sd_notify), so that `systemctl start ephd` returns when `eph` can reach it.

See sd_notify(3). Without systemd, nothing happens.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass

from orchestrator.runtime import wording

log = logging.getLogger("eph.service")

VARIABLE = "NOTIFY_SOCKET"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """``address`` is a socket's path, or an abstract name after an @. Empty without a service manager."""

    address: str

    def report_ready(self) -> None:
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(address)
                sender.sendall(b"READY=1")
        except OSError as error:
            log.warning(wording.startup.not_reported_ready(error))


def take() -> ServiceManager:
    """Removes the variable: processes that ephd starts must not report anything."""
    return ServiceManager(os.environ.pop(VARIABLE, ""))
