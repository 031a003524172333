"""The domain of an environment: the supervised process that keeps it alive, and the record of that process.

Every command of the environment joins the domain (``launch.py``). Nothing outside can connect to what listens in it,
and nothing in it can connect to anything outside. ``broker`` provides the exceptions.
"""

from __future__ import annotations

from pathlib import Path

from programs.kit import files, identifiers, waiting
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import limits, namespaces, servers, users, wording
from programs.kit.processes import program_files, sandbox, supervisor
from programs.kit.processes.sandbox import LaunchSpec

START_SECONDS = 15.0
_KEEPER = ("/bin/sleep", "infinity")


def record(settings: HostSettings, environment: str) -> Path:
    """The file that names the process that keeps the domain alive."""
    return settings.domain_record(identifiers.check_label(environment, "environment"))


def ensure(settings: HostSettings, environment: str) -> Path:
    """Creates the domain unless it exists, and returns its record."""
    path = record(settings, environment)
    if namespaces.is_alive(str(path)):
        return path
    with files.locked(path.with_name("domain.lock")):
        if not namespaces.is_alive(str(path)):
            _start(settings, environment)
    return path


def exists(settings: HostSettings, environment: str) -> bool:
    return record(settings, environment).exists()


def remove(settings: HostSettings, environment: str) -> None:
    """Ends the domain and every process in it."""
    path = record(settings, environment)
    if program_files.program_file(settings, _program(environment)).exists():
        # First, because supervisord restarts what only ended.
        supervisor.remove(settings, [_program(environment)])
    namespaces.end_members(str(path))
    limits.remove(settings, environment)
    path.unlink(missing_ok=True)


def _program(environment: str) -> str:
    return f"domain.{environment}"


def _start(settings: HostSettings, environment: str) -> None:
    path = record(settings, environment)
    uid = users.reserve(settings, environment)
    own = settings.env(environment) / "home"
    if own.exists() and own.stat().st_uid != uid:  # created by an earlier version
        users.give(own, uid)
    bounds = limits.describe(settings, environment)
    launch = LaunchSpec(_KEEPER, sandbox.launcher_env(), "/", creates=str(path), uid=uid, limits=bounds)
    name = _program(environment)
    supervisor.add(settings, program_files.SupervisedProgram(name, launch, wording.namespaces_of(environment)))
    if not waiting.wait_until(lambda: namespaces.is_alive(str(path)), START_SECONDS, 0.005):
        tail = files.tail(program_files.log(settings, name), 10)
        raise TargetError(wording.namespaces_not_created(environment), tail)
    servers.serve(settings, environment)
