"""``ephd stop``: ends the ephd of a home, and with ``--all`` everything that outlives it.

Nothing is destroyed: the next ephd starts the gateway, what targets share, and all previews again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from orchestrator.config import server_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime import wording
from orchestrator.runtime.server import home_lock, shared_folder
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.gateway_process import open_gateway
from programs import registry
from stacks import process_identity

STOP_TIMEOUT = 120.0
"""An operation that is interrupted saves its state first."""


def stop(settings: ServerSettings, everything: bool, report: Callable[[str], None]) -> None:
    """Idempotent. Raises StartupError if something can't be stopped."""
    _stop_ephd(settings, report)
    if not everything or not settings.keys_dir.exists():
        return
    with home_lock.lock_home(settings.home), shared_folder.lock_alone(settings):
        open_gateway(settings).stop()
        for name, mapping in settings.target_settings(server_keys.server_id(settings.keys_dir)).items():
            registry.get(name).stop(mapping)
    report(wording.startup.EVERYTHING_STOPPED)


def _stop_ephd(settings: ServerSettings, report: Callable[[str], None]) -> None:
    running = home_lock.holder(settings.home)
    if running is None:
        report(wording.startup.not_running(settings.home))
        return
    process_identity.send_signal(running.pid, signal.SIGTERM)
    if not process_identity.wait_until_gone(running, STOP_TIMEOUT):
        raise StartupError(wording.startup.does_not_stop(running.pid, STOP_TIMEOUT))
    report(wording.startup.ephd_stopped(running.pid))
