"""Reads which services the Ingresses and HTTPRoutes of a repository route to. Anything of an unexpected shape is
skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from programs.targets.kubernetes.manifests.manifest_reader import Manifest
from programs.targets.kubernetes.rendering.namespace_objects import Data

_ROOTS = ("", "/", "/*", "/.*")
Backend = tuple[str, str, int | str | None]
"""Path, service, and the port's number or name."""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """``host`` is empty if the rule applies to every host."""

    manifest: Manifest
    host: str
    path: str
    service: str
    port: int | str | None

    @property
    def is_root(self) -> bool:
        return self.path in _ROOTS


def read(routes: Iterable[Manifest]) -> list[RouteRule]:
    """Those of Ingresses come first."""
    ordered = sorted(routes, key=lambda item: item.data["kind"] != "Ingress")
    return [
        RouteRule(manifest, host, *backend) for manifest in ordered for host, backend in _host_backends(manifest.data)
    ]


def _host_backends(data: Data) -> Iterator[tuple[str, Backend]]:
    spec = data.get("spec")
    if not isinstance(spec, dict):
        return
    rules = spec.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, dict):
            continue
        if data["kind"] == "Ingress":
            yield from ((_text(rule.get("host")), backend) for backend in _ingress_backends(rule))
        else:
            names = spec.get("hostnames")
            host = _text(names[0]) if isinstance(names, list) and names else ""
            yield from ((host, backend) for backend in _http_route_backends(rule))
    default = spec.get("defaultBackend")
    if isinstance(default, dict):
        yield from (("", backend) for backend in _backend("", default.get("service")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _ingress_backends(rule: dict[str, Any]) -> Iterator[Backend]:
    http = rule.get("http")
    paths = http.get("paths") if isinstance(http, dict) else None
    for item in paths if isinstance(paths, list) else ():
        backend = item.get("backend") if isinstance(item, dict) else None
        if isinstance(backend, dict):
            yield from _backend(str(item.get("path", "")), backend.get("service"))


def _http_route_backends(rule: dict[str, Any]) -> Iterator[Backend]:
    matches, references = rule.get("matches"), rule.get("backendRefs")
    first = matches[0] if isinstance(matches, list) and matches and isinstance(matches[0], dict) else {}
    path = first.get("path")
    shown = str(path.get("value", "")) if isinstance(path, dict) else ""
    for item in references if isinstance(references, list) else ():
        yield from _backend(shown, item)


def _backend(path: str, service: Any) -> Iterator[Backend]:
    """The port of an Ingress is a mapping with a number or a name, that of an HTTPRoute a number."""
    if not isinstance(service, dict) or not isinstance(service.get("name"), str):
        return
    port = service.get("port")
    wanted = (port.get("number") or port.get("name")) if isinstance(port, dict) else port
    yield path, service["name"], wanted if isinstance(wanted, (int, str)) else None
