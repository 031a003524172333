"""Finds the services among the manifests that people open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from programs.eph_yaml.field_types import is_url_path
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import route_rules, wording
from programs.targets.kubernetes.manifests.manifest_reader import Manifest
from programs.targets.kubernetes.manifests.rewriting import find_pod_spec, is_selected
from programs.targets.kubernetes.manifests.route_rules import RouteRule
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.settings import KubernetesSettings

MAX_PATHS = 50
"""Of one host name."""
_FRONT_NAMES = ("web", "frontend", "app", "www")


@dataclass(frozen=True, slots=True)
class FrontNames:
    """``public``: the services that eph.yaml names. ``release``: the name that charts are rendered with."""

    project: str
    release: str = ""
    public: tuple[str, ...] = ()

    def short(self, service: str) -> str:
        """A chart's services are named after its release, which is the environment's name. People know them by the
        rest."""
        return self.project if service == self.release else service.removeprefix(f"{self.release}-")


@dataclass(frozen=True, slots=True)
class RoutedService:
    """A service that gets a host name, and the labels of its pods. ``name`` is part of the host name and of variables.
    ``headless``: its name resolves to the pods themselves, so its port numbers don't apply to clients that use the
    name. ``paths``: those of its host name that other services answer."""

    name: str
    service: str
    port: int
    selector: Mapping[str, str]
    target_port: int | str
    headless: bool = False
    paths: tuple[RoutedPath, ...] = ()

    def backend(self, objects: Iterable[Data], settings: KubernetesSettings) -> tuple[str, int]:
        """The service and the port at which the front finds it. An ingress controller looks up the pods itself."""
        ports = self.pod_ports(objects) if self.headless and settings.front == "eph" else ()
        return self.service, ports[0] if ports else self.port

    def pod_ports(self, objects: Iterable[Data]) -> tuple[int, ...]:
        """The ports on which those pods listen. A service can refer to a port by name."""
        if isinstance(self.target_port, int):
            return (self.target_port,)
        found = {
            int(port["containerPort"])
            for data in objects
            for container in (find_pod_spec(data) or {}).get("containers", [])
            for port in container.get("ports") or []
            if port.get("name") == self.target_port
        }
        return tuple(sorted(found))

    def probe_path(self, objects: Sequence[Data]) -> str:
        """The path of its pods' readiness probe at this port; empty if they have none."""
        ports = self.pod_ports(objects)
        pods = (find_pod_spec(data) or {} for data in objects if is_selected(data, self.selector))
        for container in (container for pod in pods for container in pod["containers"]):
            request = (container.get("readinessProbe") or {}).get("httpGet")
            named = {port.get("name"): port["containerPort"] for port in container.get("ports") or []}
            if request and named.get(request.get("port"), request.get("port")) in ports:
                path = str(request.get("path", "/"))
                return path if is_url_path(path) else ""
        return ""


@dataclass(frozen=True, slots=True)
class RoutedPath:
    """A path of a host name, and the service that answers it."""

    path: str
    exact: bool
    target: RoutedService


@dataclass(frozen=True, slots=True)
class RoutedServices:
    """The first one has the environment's own host name."""

    services: tuple[RoutedService, ...] = ()
    notices: tuple[str, ...] = ()


def find_public(manifests: Sequence[Manifest], routes: Sequence[Manifest], names: FrontNames) -> RoutedServices:
    """The services that eph.yaml names, or else those that Ingresses and HTTPRoutes route hosts to, or else the only
    one, or else the one whose name says so."""
    services = {item.name: item for item in manifests if item.data["kind"] == "Service"}
    if names.public:
        return RoutedServices(tuple(_public_service(_named(services, names, name), name) for name in names.public))
    if routes:
        return _routed(routes, services, names)
    usable = {name: item for name, item in services.items() if item.data["spec"].get("clusterIP") != "None"}
    found = _by_name(usable, names)
    if found is not None:
        return RoutedServices((_public_service(found, names.short(found.name)),))
    if not usable:
        return RoutedServices()
    raise KubernetesError(wording.services.no_choice(sorted(usable)))


def _named(services: Mapping[str, Manifest], names: FrontNames, public: str) -> Manifest:
    """Charts put the name of the release in front, and kustomizations a prefix."""
    for name in (public, f"{names.release}-{public}"):
        if name in services:
            return services[name]
    endings = [name for name in services if name.endswith(f"-{public}") or names.short(name) == public]
    if len(endings) == 1:
        return services[endings[0]]
    if endings:
        raise KubernetesError(wording.services.several_match(public, sorted(endings)))
    raise KubernetesError(wording.services.unknown_service(public, sorted(services)))


def _by_name(usable: Mapping[str, Manifest], names: FrontNames) -> Manifest | None:
    released = [f"{names.release}-{name}" for name in (names.project, *_FRONT_NAMES)] if names.release else []
    for name in (names.project, *_FRONT_NAMES, names.release, *released):
        if name in usable:
            return usable[name]
    if len(usable) == 1:
        return next(iter(usable.values()))
    # A chart names its other services after the main one: RELEASE-shop and RELEASE-shop-worker.
    first = min(usable, key=len, default="")
    others = all(name == first or name.startswith(f"{first}-") for name in usable)
    return usable[first] if first and others else None


def _routed(routes: Sequence[Manifest], services: Mapping[str, Manifest], names: FrontNames) -> RoutedServices:
    """The service at the root of each host, or else the host's first one. The front is one at a root: that whose name
    says so, or else the first."""
    rules = route_rules.read(routes)
    if not rules:
        raise routes[0].error(wording.services.ROUTES_NOWHERE)
    roots = [rule for rule in rules if rule.is_root] or rules
    named = _front_among((rule.service for rule in roots), names)
    front = next((rule for rule in roots if rule.service == named), roots[0])
    if front.service not in services:
        raise front.manifest.error(wording.services.route_to_unknown(front.service))
    known, ignored = ([rule for rule in rules if (rule.service in services) is exists] for exists in (True, False))
    hosts = _first_of_each_host(known)
    chosen: dict[str, RouteRule] = {}
    for rule in (front, *hosts.values()):
        chosen.setdefault(rule.service, rule)
    found = []
    for name, rule in chosen.items():
        paths: dict[tuple[str, bool], RoutedPath] = {}
        for other in _further_rules(name, hosts, known):
            path = _routed_path(other, services) if len(paths) < MAX_PATHS else None
            if path:
                paths.setdefault((path.path, path.exact), path)
            elif other.service != name:
                ignored.append(other)
        made = _public_service(services[name], names.short(name), rule.port)
        found.append(replace(made, paths=tuple(paths.values())))
    return RoutedServices(tuple(_with_unique_names(found)), tuple(_ignored_routes(ignored)))


def _front_among(services: Iterable[str], names: FrontNames) -> str | None:
    """kustomize sorts objects by name, so the first one says nothing."""
    routed = list(services)
    for wanted in (names.project, *_FRONT_NAMES):
        for name in routed:
            if names.short(name) == wanted or name.endswith(f"-{wanted}"):
                return name
    return None


def _first_of_each_host(rules: Sequence[RouteRule]) -> dict[str, RouteRule]:
    """The rule of its root, or else its first one."""
    hosts: dict[str, RouteRule] = {}
    for rule in rules:
        known = hosts.setdefault(rule.host, rule)
        if rule.is_root and not known.is_root:
            hosts[rule.host] = rule
    return hosts


def _further_rules(service: str, hosts: Mapping[str, RouteRule], rules: Sequence[RouteRule]) -> Iterator[RouteRule]:
    """The rules that route paths of this service's hosts somewhere else."""
    for rule in rules:
        root = hosts[rule.host]
        if root.service == service and not rule.is_root and (rule.service, rule.port) != (root.service, root.port):
            yield rule


def _routed_path(rule: RouteRule, services: Mapping[str, Manifest]) -> RoutedPath | None:
    service = services[rule.service]
    if not rule.as_is or _port(service, rule.port) is None:
        return None
    return RoutedPath(rule.path, rule.exact, _public_service(service, rule.service, rule.port))


def _ignored_routes(ignored: Sequence[RouteRule]) -> Iterator[str]:
    """A notice for each Ingress and HTTPRoute that isn't applied as it is written."""
    for manifest in {id(rule.manifest): rule.manifest for rule in ignored}.values():
        others = sorted({rule.service for rule in ignored if rule.manifest is manifest})
        yield manifest.error(wording.services.routes_omitted(others)).sentence


def _with_unique_names(found: Iterable[RoutedService]) -> Iterator[RoutedService]:
    """The services `shop` and `RELEASE-shop` have the same short name."""
    taken: set[str] = set()
    for item in found:
        unique = replace(item, name=item.service) if item.name in taken else item
        taken.add(unique.name)
        yield unique


def _public_service(service: Manifest, name: str, wanted_port: int | str | None = None) -> RoutedService:
    port = _port(service, wanted_port)
    if port is None:
        raise service.error(wording.services.NO_PORTS if wanted_port is None else wording.services.no_port(wanted_port))
    spec: Mapping[str, Any] = service.data["spec"]
    target, headless = port.get("targetPort", port["port"]), spec.get("clusterIP") == "None"
    return RoutedService(name, service.name, int(port["port"]), dict(spec["selector"]), target, headless)


def _port(service: Manifest, wanted: int | str | None) -> Mapping[str, Any] | None:
    ports: list[Mapping[str, Any]] = service.data["spec"].get("ports") or []
    return next((port for port in ports if wanted is None or wanted in (port.get("port"), port.get("name"))), None)
