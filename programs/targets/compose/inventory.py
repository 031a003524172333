"""What exists of environments, found on the engine by label and on this machine by folder, never by Pulumi's state."""

from __future__ import annotations

from collections.abc import Iterator

from programs.inventory import HeldResource
from programs.kit import identifiers, routes
from programs.targets.compose import databases, labels, releases, subnets, wording
from programs.targets.compose.engine import engine_client
from programs.targets.compose.engine.engine_client import Data, EngineClient
from programs.targets.compose.environments import TARGET_NAME
from programs.targets.compose.settings import ComposeHost

RESTARTED = ("running", "restarting", "paused")
PULUMI_KIND = "ComposeProject"
"""Of the one resource of an environment in Pulumi's state; its ID is the environment's name."""


def exists(host: ComposeHost) -> bool:
    """Whether anything can exist: this Eph has used the target, or there is an engine to ask."""
    return host.root.exists() or host.socket.exists()


def list_names(host: ComposeHost) -> frozenset[str]:
    """The environments of which anything exists. Raises if the engine can't be read."""
    if not exists(host):
        return frozenset()
    found = {path.name for path in host.envs.iterdir()} if host.envs.is_dir() else set()
    found |= {route.environment for route in routes.list_routes(host.routes, TARGET_NAME)}
    found |= {environment for _, (environment, _) in subnets.list_reserved(host)}
    found |= {item.environment for item in list_resources(host)}
    return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))


def list_resources(host: ComposeHost) -> list[HeldResource]:
    if not exists(host):
        return []
    with engine_client.connect(host) as client:
        return sorted(_resources(host, client))


def delete_resource(host: ComposeHost, resource: HeldResource) -> bool:
    with engine_client.connect(host) as client:
        removals = {
            "container": client.remove_container,
            "network": client.remove_network,
            "volume": client.remove_volume,
            "image": client.remove_image,
        }
        if resource.kind not in removals:
            return False
        removals[resource.kind](resource.name)
    return True


def list_remaining(host: ComposeHost) -> list[str]:
    lines = [wording.remaining_resource(item.kind, item.name, item.environment) for item in list_resources(host)]
    lines += [f"route {route.host}" for route in routes.list_routes(host.routes, TARGET_NAME)]
    lines += [wording.remaining_database(item.name) for item in databases.list_owned(host) if item.kind == "DATABASE"]
    lines += [wording.remaining_addresses(subnet, owner) for subnet, (owner, _) in subnets.list_reserved(host)]
    return lines + [f"folder {path}" for path in (sorted(host.envs.iterdir()) if host.envs.is_dir() else ())]


def list_whole(host: ComposeHost) -> frozenset[str]:
    """The environments whose services all run, or sleep. A container that its engine restarts counts as running."""
    if not exists(host):
        return frozenset()
    with engine_client.connect(host) as client:
        by_environment: dict[str, dict[str, Data]] = {}
        for item in client.containers(host):
            found = by_environment.setdefault(labels.environment_of(item["Labels"]), {})
            found[item["Labels"].get(labels.SERVICE, "")] = item
    routed = list(routes.list_routes(host.routes, TARGET_NAME))
    asleep = {route.environment for route in routed if route.asleep}
    hosts = {route.host for route in routed}
    return frozenset(
        name
        for name, containers in by_environment.items()
        if _is_whole(host, name, containers, hosts, is_asleep=name in asleep)
    )


def _is_whole(host: ComposeHost, name: str, containers: dict[str, Data], hosts: set[str], *, is_asleep: bool) -> bool:
    plan = releases.live_plan(host, name)
    if plan is None or not hosts.issuperset(route.host for route in plan.routes):
        return False
    if not containers.keys() >= plan.services.keys():
        return False
    return is_asleep or all(_is_well(containers[service]) for service in plan.services)


def _is_well(container: Data) -> bool:
    """A service that ended without an error has done what it is for."""
    return container["State"] in RESTARTED or container.get("Status", "").startswith("Exited (0)")


def _resources(host: ComposeHost, client: EngineClient) -> Iterator[HeldResource]:
    for item in client.containers(host):
        yield _held("container", item["Names"][0].lstrip("/"), item["Labels"], "docker rm -f")
    for item in client.networks(host):
        yield _held("network", item["Name"], item["Labels"], "docker network rm")
    for item in client.volumes(host):
        yield _held("volume", item["Name"], item["Labels"], "docker volume rm")
    for item in client.images(host):
        name = (item.get("RepoTags") or [item["Id"]])[0]
        yield _held("image", name, item["Labels"], "docker rmi -f")


def _held(kind: str, name: str, found: dict[str, str], removal: str) -> HeldResource:
    """Pulumi's state has one resource, which is the whole environment."""
    environment = labels.environment_of(found)
    return HeldResource(kind, name, environment, f"{PULUMI_KIND}:{environment}", f"{removal} {name}")
