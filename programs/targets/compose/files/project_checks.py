"""What a compose file may request, judged on the project that Docker Compose makes of it: an allowlist.

A key that isn't listed is refused, so a new key of Compose can't open anything before someone has looked at it. Keys
that have no meaning in a preview (``ports``, ``container_name``, labels) are dropped by ``rendering``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from programs.kit import identifiers
from programs.targets.compose.files import wording
from programs.targets.compose.files.config_command import INSIDE
from programs.targets.compose.files.source_files import SourcePath

Data = Mapping[str, Any]
Problem = tuple[SourcePath, str]

USED = frozenset(
    {
        "build",
        "cap_drop",
        "command",
        "configs",
        "cpus",
        "depends_on",
        "deploy",
        "domainname",
        "entrypoint",
        "environment",
        "extra_hosts",
        "group_add",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "links",
        "mem_limit",
        "network_mode",
        "networks",
        "pids_limit",
        "platform",
        "read_only",
        "restart",
        "secrets",
        "security_opt",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "volumes",
        "working_dir",
    }
)
DROPPED = frozenset(
    {
        "annotations",
        "attach",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpu_period",
        "cpu_quota",
        "cpu_shares",
        "develop",
        "expose",
        "labels",
        "logging",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "ports",
        "profiles",
        "pull_policy",
        "scale",
    }
)
"""They have no effect, and nothing breaks without them."""
BUILD_USED = frozenset(("context", "dockerfile", "dockerfile_inline", "args", "target"))
BUILD_DROPPED = frozenset(
    {
        "cache_from",
        "cache_to",
        "labels",
        "no_cache",
        "platforms",
        "provenance",
        "pull",
        "sbom",
        "shm_size",
        "tags",
        "ulimits",
    }
)
DEPLOY_USED = frozenset(("resources", "replicas", "placement", "mode", "restart_policy", "labels", "update_config"))
MAX_ULIMIT = 1_048_576


def find_problems(project: Data, public: Mapping[str, int]) -> Iterator[Problem]:
    """``public``: the ports of the services that eph.yaml names."""
    services: Mapping[str, Data] = project.get("services") or {}
    for name, service in services.items():
        for path, message in _service_problems(service):
            yield ("services", name, *path), wording.of_service(name, message)
    yield from _unknown_services(services, public)
    for name, network in (project.get("networks") or {}).items():
        yield from ((("networks", name, *path), text) for path, text in _network_problems(name, network or {}))
    for name, volume in (project.get("volumes") or {}).items():
        yield from ((("volumes", name, *path), text) for path, text in _volume_problems(name, volume or {}))
    for kind in ("configs", "secrets"):
        for name, item in (project.get(kind) or {}).items():
            yield from (((kind, name, *path), text) for path, text in _file_problems(kind[:-1], name, item or {}))
    if project.get("models"):
        yield ("models",), wording.NO_MODELS


def _unknown_services(services: Mapping[str, Data], public: Mapping[str, int]) -> Iterator[Problem]:
    if not services:
        yield ("services",), wording.NO_SERVICES
    for name in public:
        if services and name not in services:
            yield ("services",), wording.unknown_service(name, sorted(services))
        elif (services.get(name) or {}).get("network_mode"):
            yield ("services", name, "network_mode"), wording.public_without_network(name)


def _service_problems(service: Data) -> Iterator[Problem]:
    for key, value in service.items():
        if key in wording.REFUSED and value not in (None, False, [], {}, ""):
            yield (key,), wording.REFUSED[key]
        elif key not in USED | DROPPED | wording.REFUSED.keys() and not key.startswith("x-"):
            yield (key,), wording.unsupported(key)
        elif key in _VALUE_CHECKS and value:
            yield from (((key, *path), message) for path, message in _VALUE_CHECKS[key](value))
    if not service.get("image") and not service.get("build"):
        yield (), wording.NEITHER_IMAGE_NOR_BUILD


def _security_opt(value: list[str]) -> Iterator[Problem]:
    for index, text in enumerate(value):
        if str(text) not in ("no-new-privileges", "no-new-privileges:true"):
            yield (index,), wording.weakens_sandbox(str(text)[:60])


def _network_mode(value: str) -> Iterator[Problem]:
    if value != "none":
        yield (), wording.network_mode(value[:60])


def _volumes(value: list[Data]) -> Iterator[Problem]:
    for index, volume in enumerate(value):
        kind, source = volume.get("type"), str(volume.get("source") or "")
        if kind == "bind" and source.rpartition("/")[2].endswith(".sock"):
            yield (index,), wording.is_a_socket(source)
        elif kind == "bind" and not is_inside(source):
            yield (index,), wording.mount_outside(repr(source))
        elif kind not in ("bind", "volume", "tmpfs"):
            yield (index,), wording.mount_type(str(kind))
        elif kind == "volume" and (volume.get("volume") or {}).get("subpath"):
            yield (index,), wording.NO_SUBPATHS


def _extra_hosts(value: list[str]) -> Iterator[Problem]:
    for index, text in enumerate(value):
        if "host-gateway" in str(text):
            yield (index,), wording.HOST_GATEWAY


def _networks(value: Mapping[str, Data | None]) -> Iterator[Problem]:
    for name, options in value.items():
        for key, text in (options or {}).items():
            if key not in ("aliases", "priority", "gw_priority") and text not in (None, "", [], {}):
                yield (name, key), wording.network_option(key)


def _build(value: Data) -> Iterator[Problem]:
    for key, setting in value.items():
        if key not in BUILD_USED | BUILD_DROPPED and setting not in (None, False, [], {}, ""):
            yield (key,), wording.unsupported_in_build(key)
    if not is_inside(str(value.get("context") or "")):
        yield ("context",), wording.context_outside(str(value.get("context")))
    dockerfile = str(value.get("dockerfile") or "")
    folder = str(value.get("context") or INSIDE)
    if dockerfile and not is_inside(str(PurePosixPath(folder, dockerfile))):
        yield ("dockerfile",), wording.dockerfile_outside(dockerfile)


def _deploy(value: Data) -> Iterator[Problem]:
    for key, setting in value.items():
        if key not in DEPLOY_USED and setting not in (None, [], {}, ""):
            yield (key,), wording.unsupported_in_deploy(key)
    for where in ("limits", "reservations"):
        if ((value.get("resources") or {}).get(where) or {}).get("devices"):
            yield ("resources", where, "devices"), wording.REFUSED["devices"]


def _ulimits(value: Mapping[str, Any]) -> Iterator[Problem]:
    for name, limit in value.items():
        numbers = list(limit.values()) if isinstance(limit, Mapping) else [limit]
        if name not in ("nofile", "nproc", "core", "stack", "memlock") or any(
            int(number) > MAX_ULIMIT for number in numbers if name in ("nofile", "nproc")
        ):
            yield (name,), wording.limit_too_high(name)


_VALUE_CHECKS: Mapping[str, Callable[[Any], Iterator[Problem]]] = {
    "security_opt": _security_opt,
    "network_mode": _network_mode,
    "volumes": _volumes,
    "extra_hosts": _extra_hosts,
    "networks": _networks,
    "build": _build,
    "deploy": _deploy,
    "ulimits": _ulimits,
}


def _network_problems(name: str, network: Data) -> Iterator[Problem]:
    if network.get("external"):
        yield ("external",), wording.network_external(name)
    if network.get("driver") not in (None, "bridge", "default"):
        yield ("driver",), wording.network_driver(name, network["driver"])
    if network.get("driver_opts"):
        yield ("driver_opts",), wording.network_driver_options(name)
    if (network.get("ipam") or {}).get("driver") not in (None, "default"):
        yield ("ipam",), wording.network_addresses(name)


def _volume_problems(name: str, volume: Data) -> Iterator[Problem]:
    if volume.get("external"):
        yield ("external",), wording.volume_external(name)
    if volume.get("driver") not in (None, "local"):
        yield ("driver",), wording.volume_driver(name, volume["driver"])
    if volume.get("driver_opts"):
        yield ("driver_opts",), wording.volume_driver_options(name)


def _file_problems(kind: str, name: str, item: Data) -> Iterator[Problem]:
    if item.get("external"):
        yield ("external",), wording.file_external(kind, name)
    elif item.get("file") and not is_inside(str(item["file"])):
        yield ("file",), wording.file_outside(kind, name, str(item["file"]))
    elif not any(item.get(key) is not None for key in ("file", "environment", "content")):
        yield (), wording.file_without_content(kind, name)
    elif item.get("environment"):
        identifiers.check_variable(str(item["environment"]), wording.variable_of(kind, name))


def is_inside(path: str) -> bool:
    """Whether a path of the normalized project is in the checkout, as far as its text says."""
    return PurePosixPath(posixpath.normpath(path)).is_relative_to(INSIDE)
