"""Writes the project that the engine runs: the judged services with limits, labels and addresses of ours.

Ports aren't published: the gateway reaches a public service at its address in the project's network. Names, labels and
logging are ours, and one container runs for each service. A service that a push doesn't change stays the same here, so
Docker Compose keeps its container.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from programs.targets.compose import labels
from programs.targets.compose.files import repository_files
from programs.targets.compose.files.repository_files import CopiedFile, MountedFolder
from programs.targets.compose.resource_limits import Limits

Data = dict[str, Any]
FILES_LABEL = "eph.files"
"""The digest of the files that are copied into a container: a changed file gives a new container."""
KEPT = frozenset(
    {
        "cap_drop",
        "command",
        "domainname",
        "entrypoint",
        "extra_hosts",
        "group_add",
        "healthcheck",
        "hostname",
        "init",
        "links",
        "network_mode",
        "platform",
        "read_only",
        "restart",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "working_dir",
    }
)
CAP_DROP = ("MKNOD", "NET_RAW")
"""A container with NET_RAW can pretend to be its neighbour."""
LOGGING = {"driver": "json-file", "options": {"max-size": "2m", "max-file": "2"}}
MAX_GRACE_SECONDS = 30
DEFAULT_GRACE = "3s"
"""Many programs ignore the signal to stop when they are the first process of a container; Docker waits for 10 s."""


@dataclass(frozen=True, slots=True)
class ServiceImage:
    """``reference``: pinned. ``volumes``: the paths that the image declares as volumes. ``user``: as it declares it."""

    reference: str
    volumes: tuple[str, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class ServiceContents:
    """What a service mounts and expects of the repository's files."""

    folders: tuple[MountedFolder, ...] = ()
    files: tuple[CopiedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderInput:
    """``variables``: what eph.yaml and Eph set, for public services and for those that name them. ``own_labels``: those
    of every resource."""

    name: str
    own_labels: Mapping[str, str]
    images: Mapping[str, ServiceImage]
    contents: Mapping[str, ServiceContents]
    limits: Mapping[str, Limits]
    subnets: Mapping[str, IPv4Network]
    public: Mapping[str, int]
    variables: Mapping[str, str] = field(default_factory=dict)


def networks_of(project: Mapping[str, Any]) -> list[str]:
    """The networks that services use."""
    used = {name for service in project["services"].values() for name in service.get("networks") or {}}
    return sorted(used)


def contents_of(project: Mapping[str, Any], checkout: Path, variables: Mapping[str, str]) -> dict[str, ServiceContents]:
    """By service."""
    return {
        name: ServiceContents(
            tuple(_folders(service, checkout)),
            (*_mounted_files(service, checkout), *_configs(project, service, checkout, variables)),
        )
        for name, service in project["services"].items()
    }


def addresses(
    subnets: Mapping[str, IPv4Network], project: Mapping[str, Any], public: Mapping[str, int]
) -> dict[str, tuple[str, str]]:
    """For each public service the network and the address at which the gateway reaches it.

    They are in the lower half of a network; the engine gives out the upper half."""
    found = {}
    for index, name in enumerate(public):
        names = list(project["services"][name].get("networks") or {})
        outer = [item for item in names if not (project["networks"].get(item) or {}).get("internal")]
        network = (outer or names)[0]
        found[name] = (network, str(subnets[network][2 + index]))
    return found


def render(project: Mapping[str, Any], given: RenderInput) -> Data:
    where = addresses(given.subnets, project, given.public)
    services = {name: _service(name, service, given, where.get(name)) for name, service in project["services"].items()}
    sources = {mount["source"] for service in services.values() for mount in service["volumes"] if "source" in mount}
    return {
        "name": given.name,
        "services": services,
        "networks": {name: _network(name, project, given) for name in given.subnets},
        "volumes": {name: _named_volume(name, given) for name in sorted(sources)},
    }


def escape(text: str) -> str:
    """Docker Compose fills in variables once more; the normalized project is escaped already."""
    return text.replace("$", "$$")


def unescape(text: str) -> str:
    return text.replace("$$", "$")


def _service(name: str, service: Mapping[str, Any], given: RenderInput, where: tuple[str, str] | None) -> Data:
    kept = {key: value for key, value in service.items() if key in KEPT and value not in (None, [], {})}
    limit, contents = given.limits[name], given.contents[name]
    networks = {key: _aliases(options) for key, options in (service.get("networks") or {}).items()}
    if where is not None:
        networks[where[0]] = {**networks[where[0]], "ipv4_address": where[1]}
    return {
        **kept,
        "stop_grace_period": _grace(kept.get("stop_grace_period") or DEFAULT_GRACE),
        "image": given.images[name].reference,
        "pull_policy": "never",
        "environment": _environment(name, service, given),
        "depends_on": service.get("depends_on") or {},
        **({"networks": networks} if networks else {}),
        "volumes": [*_mounts(service, given, name)],
        "labels": {**given.own_labels, **_files_label(contents)},
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": sorted({*CAP_DROP, *(service.get("cap_drop") or ())}),
        "logging": LOGGING,
        "mem_limit": str(limit.memory),
        "memswap_limit": str(limit.memory),
        "cpus": limit.cpu,
        "pids_limit": limit.pids,
    }


def _environment(name: str, service: Mapping[str, Any], given: RenderInput) -> dict[str, str]:
    """A variable without a value is taken from eph.yaml, as Compose takes it from the shell."""
    own = {key: escape(value) for key, value in given.variables.items()}
    found: Mapping[str, str | None] = service.get("environment") or {}
    named = {key: own.get(key) if value is None else str(value) for key, value in found.items()}
    merged = {**(own if name in given.public else {}), **named}
    return {key: value for key, value in merged.items() if value is not None}


def _aliases(options: Mapping[str, Any] | None) -> Data:
    return {"aliases": options["aliases"]} if options and options.get("aliases") else {}


def _network(name: str, project: Mapping[str, Any], given: RenderInput) -> Data:
    subnet = given.subnets[name]
    addressing = {
        "subnet": str(subnet),
        "gateway": str(subnet[1]),
        "ip_range": str(list(subnet.subnets(prefixlen_diff=1))[1]),
    }
    internal = bool((project["networks"].get(name) or {}).get("internal"))
    return {
        "name": f"{given.name}_{name}",
        "driver": "bridge",
        "internal": internal,
        "labels": dict(given.own_labels),
        "ipam": {"config": [addressing]},
    }


def _named_volume(name: str, given: RenderInput) -> Data:
    """Volumes with files of the repository exist already."""
    if name.startswith(labels.volume_prefix(given.name, "files")):
        return {"name": name, "external": True}
    return {"name": name, "labels": dict(given.own_labels)}


def _mounts(service: Mapping[str, Any], given: RenderInput, name: str) -> Iterator[Data]:
    taken = set()
    for volume in service.get("volumes") or ():
        target, read_only = str(volume["target"]), bool(volume.get("read_only"))
        taken.add(target.rstrip("/"))
        if volume["type"] == "tmpfs":
            yield {"type": "tmpfs", "target": target, "tmpfs": volume.get("tmpfs") or {}}
        elif volume["type"] == "volume":
            source = volume.get("source") or f"{name}\0{target}"
            kind = "named" if volume.get("source") else "image"
            yield _volume(labels.volume_name(given.name, kind, source), target, read_only)
        else:
            folder = next((item for item in given.contents[name].folders if item.target == target), None)
            if folder is not None:
                volume_name = labels.volume_name(given.name, "files", f"{volume['source']}\0{folder.digest}")
                yield {**_volume(volume_name, target, read_only), "volume": {"nocopy": True}}
    for path in given.images[name].volumes:
        if path.rstrip("/") not in taken:
            yield _volume(labels.volume_name(given.name, "image", f"{name}\0{path}"), path, read_only=False)


def _volume(name: str, target: str, read_only: bool) -> Data:
    return {"type": "volume", "source": name, "target": target, "read_only": read_only}


def _folders(service: Mapping[str, Any], checkout: Path) -> Iterator[MountedFolder]:
    for volume in _binds(service):
        place = repository_files.locate(checkout, volume["source"])
        if not place.is_file():  # one that doesn't exist is an empty folder, as in Compose
            yield repository_files.mounted_folder(place, str(volume["target"]))


def _mounted_files(service: Mapping[str, Any], checkout: Path) -> Iterator[CopiedFile]:
    for volume in _binds(service):
        place = repository_files.locate(checkout, volume["source"])
        if place.is_file():
            content = repository_files.read_file(place, volume["source"])
            yield CopiedFile(str(volume["target"]), content, place.stat().st_mode & 0o777 | 0o444)


def _binds(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [volume for volume in service.get("volumes") or () if volume["type"] == "bind"]


def _configs(
    project: Mapping[str, Any], service: Mapping[str, Any], checkout: Path, variables: Mapping[str, str]
) -> Iterator[CopiedFile]:
    for kind, default in (("configs", "/{}"), ("secrets", "/run/secrets/{}")):
        for use in service.get(kind) or ():
            item = project[kind][use["source"]]
            target = str(use.get("target") or default.format(use["source"]))
            if not target.startswith("/"):
                target = default.format(target)
            mode = int(str(use["mode"]), 8) if use.get("mode") else 0o444
            user, group = (int(use[key]) if str(use.get(key) or "").isdigit() else None for key in ("uid", "gid"))
            yield CopiedFile(target, _config_content(item, checkout, variables), mode, user, group)


def _config_content(item: Mapping[str, Any], checkout: Path, variables: Mapping[str, str]) -> bytes:
    if item.get("file"):
        return repository_files.read_file(repository_files.locate(checkout, item["file"]), item["file"])
    if item.get("environment"):
        return variables.get(item["environment"], "").encode()
    return unescape(str(item["content"])).encode()


def _files_label(contents: ServiceContents) -> dict[str, str]:
    if not contents.files:
        return {}
    found = hashlib.sha256()
    for file in contents.files:
        found.update(f"{file.target}\0{file.mode}\0{file.user}\0{file.group}\0{len(file.content)}\0".encode())
        found.update(file.content)
    return {FILES_LABEL: found.hexdigest()[:16]}


def _grace(text: str) -> str:
    """At most half a minute: a destroy waits for it."""
    digits = text.removesuffix("s")
    return (
        text
        if text.endswith("s") and digits.isdigit() and int(digits) <= MAX_GRACE_SECONDS
        else f"{MAX_GRACE_SECONDS}s"
    )
