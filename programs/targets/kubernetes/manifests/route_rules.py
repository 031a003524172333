"""Reads which services the Ingresses and HTTPRoutes of a repository route to. Anything of an unexpected shape is
skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from programs.targets.kubernetes.manifests.manifest_reader import Manifest

_ROOTS = ("", "/", "/*", "/.*")
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_REWRITES = ("rewrite", "use-regex", "strip", "middlewares", "app-root")
"""Parts of the annotations with which controllers change a request's path, or read paths as something else."""
_PREFIX_TYPES = ("Prefix", "ImplementationSpecific", "PathPrefix")


class _Path(NamedTuple):
    text: str = ""
    exact: bool = False
    as_is: bool = True


@dataclass(frozen=True, slots=True)
class RouteRule:
    """``host`` is empty if the rule applies to every host. ``as_is``: only the path decides, and requests reach the
    service unchanged."""

    manifest: Manifest
    host: str
    path: str
    exact: bool
    as_is: bool
    service: str
    port: int | str | None

    @property
    def is_root(self) -> bool:
        return self.path in _ROOTS


def read(routes: Iterable[Manifest]) -> list[RouteRule]:
    """Those of Ingresses come first."""
    ordered = sorted(routes, key=lambda item: item.data["kind"] != "Ingress")
    return [rule for manifest in ordered for rule in _rules(manifest)]


def _rules(manifest: Manifest) -> Iterator[RouteRule]:
    spec = manifest.data.get("spec")
    if not isinstance(spec, dict):
        return
    rules = spec.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, dict):
            continue
        if manifest.data["kind"] == "Ingress":
            yield from _ingress_rules(manifest, rule)
        else:
            names = spec.get("hostnames")
            yield from _http_route_rules(manifest, _text(names[0]) if isinstance(names, list) and names else "", rule)
    default = spec.get("defaultBackend")
    if isinstance(default, dict):
        yield from _rule(manifest, "", _Path(), default.get("service"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _ingress_rules(manifest: Manifest, rule: Mapping[str, Any]) -> Iterator[RouteRule]:
    http = rule.get("http")
    paths = http.get("paths") if isinstance(http, dict) else None
    annotations = manifest.data["metadata"].get("annotations")
    names = annotations if isinstance(annotations, dict) else ()
    changed = any(part in str(name) for name in names for part in _REWRITES)
    for item in paths if isinstance(paths, list) else ():
        backend = item.get("backend") if isinstance(item, dict) else None
        if isinstance(backend, dict):
            path = _path(item.get("path", ""), item.get("pathType", "Prefix"), not changed)
            yield from _rule(manifest, _text(rule.get("host")), path, backend.get("service"))


def _http_route_rules(manifest: Manifest, host: str, rule: Mapping[str, Any]) -> Iterator[RouteRule]:
    matches, references = rule.get("matches"), rule.get("backendRefs")
    given = [item for item in matches if isinstance(item, dict)] if isinstance(matches, list) else []
    for match in given or [{}]:
        path = match.get("path")
        path = path if isinstance(path, dict) else {}
        as_is = not rule.get("filters") and match.keys() <= {"path"}
        read_path = _path(path.get("value", ""), path.get("type", "PathPrefix"), as_is)
        for item in references if isinstance(references, list) else ():
            yield from _rule(manifest, host, read_path, item)


def _path(value: Any, kind: Any, as_is: bool) -> _Path:
    """Some controllers write a prefix as `/api/*`."""
    text = str(value)
    if text in _ROOTS:
        return _Path(text, False, as_is)
    plain = text.removesuffix("*").rstrip("/")
    known = kind in (*_PREFIX_TYPES, "Exact") and _PLAIN_PATH.fullmatch(plain) is not None
    return _Path(plain if known else text, kind == "Exact", as_is and known)


def _rule(manifest: Manifest, host: str, path: _Path, service: Any) -> Iterator[RouteRule]:
    """The port of an Ingress is a mapping with a number or a name, that of an HTTPRoute a number."""
    if not isinstance(service, dict) or not isinstance(service.get("name"), str):
        return
    port = service.get("port")
    wanted = (port.get("number") or port.get("name")) if isinstance(port, dict) else port
    wanted = wanted if isinstance(wanted, (int, str)) else None
    yield RouteRule(manifest, host, path.text, path.exact, path.as_is, service["name"], wanted)
