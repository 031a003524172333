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
REFUSED = {
    "privileged": "privileged containers control this machine. Remove it.",
    "devices": "devices of this machine aren't available. Remove it.",
    "device_cgroup_rules": "devices of this machine aren't available. Remove it.",
    "gpus": "devices of this machine aren't available. Remove it.",
    "cap_add": "additional capabilities aren't available. Remove it.",
    "pid": "the processes of other containers and of this machine aren't available. Remove it.",
    "ipc": "the memory of other containers and of this machine isn't available. Remove it.",
    "uts": "the host name of this machine isn't available. Remove it.",
    "userns_mode": "the users of this machine aren't available. Remove it.",
    "cgroup": "the control groups of this machine aren't available. Remove it.",
    "cgroup_parent": "the control groups of this machine aren't available. Remove it.",
    "use_api_socket": "the container engine isn't available. Remove it.",
    "volumes_from": "volumes of other containers aren't available. List the volumes in both services.",
    "external_links": "containers of others aren't available. Remove it.",
    "provider": "programs of this machine aren't available. Remove it.",
    "post_start": "hooks aren't available. Use a service that exits when it is done.",
    "pre_stop": "hooks aren't available. Remove it.",
    "sysctls": "kernel parameters can't be changed. Remove it.",
    "oom_kill_disable": "memory limits can't be disabled. Remove it.",
    "oom_score_adj": "the priority of processes can't be changed. Remove it.",
    "runtime": "the runtime is the server's. Remove it.",
    "storage_opt": "storage options are the server's. Remove it.",
}
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
            yield ("services", name, *path), f"service {name!r}: {message}"
    yield from _unknown_services(services, public)
    for name, network in (project.get("networks") or {}).items():
        yield from ((("networks", name, *path), text) for path, text in _network_problems(name, network or {}))
    for name, volume in (project.get("volumes") or {}).items():
        yield from ((("volumes", name, *path), text) for path, text in _volume_problems(name, volume or {}))
    for kind in ("configs", "secrets"):
        for name, item in (project.get(kind) or {}).items():
            yield from (((kind, name, *path), text) for path, text in _file_problems(kind[:-1], name, item or {}))
    if project.get("models"):
        yield ("models",), "models aren't available. Remove them."


def _unknown_services(services: Mapping[str, Data], public: Mapping[str, int]) -> Iterator[Problem]:
    known = ", ".join(sorted(services)) or "none"
    if not services:
        yield ("services",), "there are no services to run; check compose.profiles in eph.yaml."
    for name in public:
        if services and name not in services:
            yield ("services",), f"there is no service {name!r}, which eph.yaml names; the services are: {known}."
        elif (services.get(name) or {}).get("network_mode"):
            yield ("services", name, "network_mode"), f"service {name!r} is public, so it needs a network. Remove it."


def _service_problems(service: Data) -> Iterator[Problem]:
    for key, value in service.items():
        if key in REFUSED and value not in (None, False, [], {}, ""):
            yield (key,), REFUSED[key]
        elif key not in USED | DROPPED | REFUSED.keys() and not key.startswith("x-"):
            yield (key,), f"{key!r} isn't supported. Remove it."
        elif key in _VALUE_CHECKS and value:
            yield from (((key, *path), message) for path, message in _VALUE_CHECKS[key](value))
    if not service.get("image") and not service.get("build"):
        yield (), "it has neither an image nor a build. Add one of them."


def _security_opt(value: list[str]) -> Iterator[Problem]:
    for index, text in enumerate(value):
        if str(text) not in ("no-new-privileges", "no-new-privileges:true"):
            yield (index,), f"the security option {str(text)[:60]!r} weakens the sandbox. Remove it."


def _network_mode(value: str) -> Iterator[Problem]:
    if value != "none":
        yield (), f"network_mode {value[:60]!r} isn't available. Remove it, or use none."


def _volumes(value: list[Data]) -> Iterator[Problem]:
    for index, volume in enumerate(value):
        kind, source = volume.get("type"), str(volume.get("source") or "")
        if kind == "bind" and source.rpartition("/")[2].endswith(".sock"):
            yield (index,), f"{source!r} is a socket; sockets of this machine, such as the engine's, aren't available."
        elif kind == "bind" and not is_inside(source):
            yield (index,), f"{source!r} is outside the repository. Mount a file or folder of the repository."
        elif kind not in ("bind", "volume", "tmpfs"):
            yield (index,), f"mounts of the type {kind!r} aren't available. Use a volume."
        elif kind == "volume" and (volume.get("volume") or {}).get("subpath"):
            yield (index,), "a subpath of a volume isn't available. Use one volume for each mount."


def _extra_hosts(value: list[str]) -> Iterator[Problem]:
    for index, text in enumerate(value):
        if "host-gateway" in str(text):
            yield (index,), "'host-gateway' is this machine, which previews don't connect to. Remove it."


def _networks(value: Mapping[str, Data | None]) -> Iterator[Problem]:
    for name, options in value.items():
        for key, text in (options or {}).items():
            if key not in ("aliases", "priority", "gw_priority") and text not in (None, "", [], {}):
                yield (name, key), f"{key!r} of a network isn't available; services find each other by name. Remove it."


def _build(value: Data) -> Iterator[Problem]:
    for key, setting in value.items():
        if key not in BUILD_USED | BUILD_DROPPED and setting not in (None, False, [], {}, ""):
            yield (key,), f"{key!r} of a build isn't supported. Remove it."
    if not is_inside(str(value.get("context") or "")):
        yield ("context",), f"the build context {value.get('context')!r} is outside the repository."
    dockerfile = str(value.get("dockerfile") or "")
    folder = str(value.get("context") or INSIDE)
    if dockerfile and not is_inside(str(PurePosixPath(folder, dockerfile))):
        yield ("dockerfile",), f"the Dockerfile {dockerfile!r} is outside the repository."


def _deploy(value: Data) -> Iterator[Problem]:
    for key, setting in value.items():
        if key not in DEPLOY_USED and setting not in (None, [], {}, ""):
            yield (key,), f"{key!r} of deploy isn't supported. Remove it."
    for where in ("limits", "reservations"):
        if ((value.get("resources") or {}).get(where) or {}).get("devices"):
            yield ("resources", where, "devices"), REFUSED["devices"]


def _ulimits(value: Mapping[str, Any]) -> Iterator[Problem]:
    for name, limit in value.items():
        numbers = list(limit.values()) if isinstance(limit, Mapping) else [limit]
        if name not in ("nofile", "nproc", "core", "stack", "memlock") or any(
            int(number) > MAX_ULIMIT for number in numbers if name in ("nofile", "nproc")
        ):
            yield (name,), f"the limit {name!r} can't be raised like this. Remove it."


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
        yield ("external",), f"network {name!r} is external; networks of others aren't available. Remove `external`."
    if network.get("driver") not in (None, "bridge", "default"):
        yield ("driver",), f"network {name!r}: the driver {network['driver']!r} isn't available. Remove it."
    if network.get("driver_opts"):
        yield ("driver_opts",), f"network {name!r}: driver options aren't available. Remove them."
    if (network.get("ipam") or {}).get("driver") not in (None, "default"):
        yield ("ipam",), f"network {name!r}: the server chooses the addresses. Remove `ipam`."


def _volume_problems(name: str, volume: Data) -> Iterator[Problem]:
    if volume.get("external"):
        yield ("external",), f"volume {name!r} is external; volumes of others aren't available. Remove `external`."
    if volume.get("driver") not in (None, "local"):
        yield ("driver",), f"volume {name!r}: the driver {volume['driver']!r} isn't available. Remove it."
    if volume.get("driver_opts"):
        yield ("driver_opts",), f"volume {name!r}: driver options can mount folders of this machine. Remove them."


def _file_problems(kind: str, name: str, item: Data) -> Iterator[Problem]:
    if item.get("external"):
        yield ("external",), f"{kind} {name!r} is external; use a file, or a variable of eph.yaml."
    elif item.get("file") and not is_inside(str(item["file"])):
        yield ("file",), f"{kind} {name!r}: {item['file']!r} is outside the repository."
    elif not any(item.get(key) is not None for key in ("file", "environment", "content")):
        yield (), f"{kind} {name!r} has no file, environment or content. Add one of them."
    elif item.get("environment"):
        identifiers.check_variable(str(item["environment"]), f"{kind} {name}: the variable")


def is_inside(path: str) -> bool:
    """Whether a path of the normalized project is in the checkout, as far as its text says."""
    return PurePosixPath(posixpath.normpath(path)).is_relative_to(INSIDE)
