"""Finds the service among the manifests that people open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests.manifest_reader import Manifest
from programs.targets.kubernetes.manifests.rewriting import find_pod_spec
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.settings import KubernetesSettings

_FRONT_NAMES = ("web", "frontend", "app", "www")
_ROOTS = ("", "/", "/*", "/.*")


@dataclass(frozen=True, slots=True)
class FrontNames:
    """``public``: the service that eph.yaml names. ``release``: the name that charts are rendered with."""

    project: str
    release: str = ""
    public: str = ""


@dataclass(frozen=True, slots=True)
class FrontService:
    """The public service, and the labels of its pods. ``headless``: its name resolves to the pods themselves, so its
    port numbers don't apply to clients that use the name."""

    service: str
    port: int
    selector: Mapping[str, str]
    target_port: int | str
    headless: bool = False
    notice: str = ""

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


def find_front(manifests: Sequence[Manifest], routes: Sequence[Manifest], names: FrontNames) -> FrontService | None:
    """The service that eph.yaml names, or else the one that an Ingress or HTTPRoute routes to, or else the only one,
    or else the one whose name says so."""
    services = {item.name: item for item in manifests if item.data["kind"] == "Service"}
    if names.public:
        return _front_service(_named(services, names), None)
    for route in sorted(routes, key=lambda item: item.data["kind"] != "Ingress"):
        return _routed(route, services)
    usable = {name: item for name, item in services.items() if item.data["spec"].get("clusterIP") != "None"}
    found = _by_name(usable, names)
    if found is not None:
        return _front_service(found, None)
    if not usable:
        return None
    raise KubernetesError(
        f"Can't choose the public service among {', '.join(sorted(usable))}. "
        f"Set kubernetes.public in eph.yaml to one of them, or add an Ingress"
    )


def _named(services: Mapping[str, Manifest], names: FrontNames) -> Manifest:
    """Charts put the name of the release in front."""
    for name in (names.public, f"{names.release}-{names.public}"):
        if name in services:
            return services[name]
    known = ", ".join(sorted(services)) or "none"
    raise KubernetesError(
        f"eph.yaml, kubernetes.public: the manifests have no service {names.public!r}; their services are {known}"
    )


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


def _routed(route: Manifest, services: Mapping[str, Manifest]) -> FrontService:
    """The service at the root of the first host, or else the first one."""
    backends = list(_backends(route.data))
    if not backends:
        raise route.error("no rule has a path that routes to a service")
    _, name, port = next((each for each in backends if each[0] in _ROOTS), backends[0])
    if name not in services:
        raise route.error(f"it routes to a service {name!r} that isn't among the manifests")
    others = sorted({each for _, each, _ in backends} - {name})
    notice = f"everything goes to {name}; its routes to {', '.join(others)} are left out" if others else ""
    return _front_service(services[name], port, route.error(notice).sentence if notice else "")


def _backends(data: Data) -> Iterator[tuple[str, str, int | str | None]]:
    """Path, service and port of each rule. Anything of an unexpected shape is skipped."""
    spec = data.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    for rule in rules if isinstance(rules, list) else ():
        if data["kind"] == "Ingress":
            yield from _ingress_backends(rule)
        else:
            yield from _http_route_backends(rule)
    default = spec.get("defaultBackend") if isinstance(spec, dict) else None
    if isinstance(default, dict):
        yield from _backend("", default.get("service"))


def _ingress_backends(rule: Any) -> Iterator[tuple[str, str, int | str | None]]:
    http = rule.get("http") if isinstance(rule, dict) else None
    paths = http.get("paths") if isinstance(http, dict) else None
    for item in paths if isinstance(paths, list) else ():
        backend = item.get("backend") if isinstance(item, dict) else None
        if isinstance(backend, dict):
            yield from _backend(str(item.get("path", "")), backend.get("service"))


def _http_route_backends(rule: Any) -> Iterator[tuple[str, str, int | str | None]]:
    if not isinstance(rule, dict):
        return
    matches, references = rule.get("matches"), rule.get("backendRefs")
    first = matches[0] if isinstance(matches, list) and matches and isinstance(matches[0], dict) else {}
    path = first.get("path")
    shown = str(path.get("value", "")) if isinstance(path, dict) else ""
    for item in references if isinstance(references, list) else ():
        yield from _backend(shown, item)


def _backend(path: str, service: Any) -> Iterator[tuple[str, str, int | str | None]]:
    """The port of an Ingress is a mapping with a number or a name, that of an HTTPRoute a number."""
    if not isinstance(service, dict) or not isinstance(service.get("name"), str):
        return
    port = service.get("port")
    wanted = (port.get("number") or port.get("name")) if isinstance(port, dict) else port
    yield path, service["name"], wanted if isinstance(wanted, (int, str)) else None


def _front_service(service: Manifest, wanted_port: int | str | None, notice: str = "") -> FrontService:
    spec: Mapping[str, Any] = service.data["spec"]
    for port in spec.get("ports") or []:
        if wanted_port is None or wanted_port in (port.get("port"), port.get("name")):
            target, headless = port.get("targetPort", port["port"]), spec.get("clusterIP") == "None"
            return FrontService(service.name, int(port["port"]), dict(spec["selector"]), target, headless, notice)
    raise service.error(f"it has no port{f' {wanted_port}' if wanted_port is not None else 's'}")
