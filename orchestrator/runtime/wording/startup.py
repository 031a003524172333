"""Why ephd can't start or has to stop, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path


def not_reported_ready(error: object) -> str:
    return f"systemd couldn't be notified that ephd is ready: {error}"


def listening(api_url: str, url_template: str) -> str:
    return f"ephd: the API is at {api_url}, previews at {url_template}\n"


def address_unusable(setting: str, address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        why = f"port {port} is already in use; stop the other program or use another port"
    elif error.errno == errno.EACCES:
        why = f"port {port} requires root; use a port above 1023"
    else:
        why = f"{error.strerror or error}; use an address of this machine"
    variable = f"EPH_{setting.upper().replace('.', '__')}"
    return f"{setting} = {address}: {why} (the setting `{setting}` in eph.toml, or {variable})"


def certificate_unusable(certificate: Path, key: Path, error: str) -> str:
    return (
        f"can't use the certificate {certificate} with the key {key}: {error}; use PEM files that belong "
        "together, and a key without a passphrase"
    )


OTHER_CERTIFICATE = "the key belongs to another certificate"
INVALID_PEM = "they aren't valid PEM"


def replica_authority_unusable(file: Path, error: Exception) -> str:
    return f"can't use the certificate authority {file}: {error}; set replicas.ca_file to a file in PEM"


def home_in_use(process: str, home: Path) -> str:
    return f"another ephd (process {process}) uses {home}; stop it, or set another home for this one (EPH_HOME)"


def replicas_running(folder: Path) -> str:
    return f"another replica uses {folder}; stop all replicas first"


ALL_WITHOUT_STOP = "--all belongs to `ephd stop`"
EVERYTHING_STOPPED = "stopped the gateway, shared services and previews here; the next start brings them back"


def not_running(home: Path) -> str:
    return f"no ephd uses {home}"


def ephd_stopped(pid: int) -> str:
    return f"stopped ephd (process {pid})"


def does_not_stop(pid: int, seconds: float) -> str:
    return f"ephd (process {pid}) hasn't stopped within {seconds:.0f} s; its log says why, or end it with kill -9"


def shared_without_lease(folder: Path) -> str:
    return (
        f"another ephd uses {folder}, and one of them has replicas.lease = none; "
        "set replicas.lease = postgres on all replicas, or stop the other one"
    )


def target_on_other_machine(target: str, root: Path, there: str, here: str, file: Path) -> str:
    return (
        f"the target {target} in {root} runs its processes on {there}, but this is {here}; "
        f"start this replica there, or delete {file} if that machine is permanently gone"
    )


def task_stopped(name: str, error: BaseException | None) -> str:
    return f"the task {name!r} of ephd stopped: {error or 'without an error'}"


# --- The gateway


def gateway_not_started(timeout: float | None, detail: str) -> str:
    """``timeout``: how long it was awaited; None if it exited."""
    what = "exited immediately" if timeout is None else f"didn't respond within {timeout:.0f} s"
    return f"the gateway {what}: {detail}"


def empty_log(log: Path) -> str:
    return f"its log {log} is empty"


def no_gateway(address: str) -> str:
    return (
        f"no gateway responds at {address}; with the setting gateway = beside you start it "
        "separately with: ephd --gateway"
    )
