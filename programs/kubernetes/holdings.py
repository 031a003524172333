"""Each object in our namespaces, found by looking at the cluster, and the removal of a single one.

A namespace is ours by its labels, and with it all that lies in it: what somebody added by hand there goes with the
environment, and is named until then. What a controller made (it has an owner) and what every namespace has is not.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from programs.holdings import Holding
from programs.kubernetes import cluster, doors, kinds, names
from programs.kubernetes.cluster import Cluster, Data, Forbidden, Missing
from programs.kubernetes.settings import Settings

_GIVEN = frozenset({"ConfigMap:kube-root-ca.crt", "ConfigMap:istio-ca-root-cert", "ServiceAccount:default"})
_TOKEN_OF = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation's name


def every(found: Cluster, on: Settings) -> list[Holding]:
    """Raises when it cannot be looked at; kinds that we may not list are left out."""
    spaces = {item["metadata"]["name"] for item in cluster.ours(found, on.server)}
    things = [Holding("namespace", name, name, f"Namespace:{name}", _kubectl(on, "namespace", name)) for name in spaces]
    for kind, path in kinds.HELD.items():
        if kind != "Namespace":
            listed = _listed(found, path, [kinds.in_namespace(kind, space) for space in spaces])
            things += [_holding(on, kind, item) for item in listed if _is_of(item, kind, spaces)]
    return sorted([*things, *_doors(on)])


def _listed(found: Cluster, path: str, inside: list[str]) -> Iterator[Data]:
    """In all namespaces at once; where our account may only look into our own, in one after the other."""
    try:
        yield from list(found.about(path))
    except Missing:
        return
    except Forbidden:
        for each in inside:
            with contextlib.suppress(Forbidden, Missing):
                yield from list(found.about(each))


def _is_of(item: Data, kind: str, spaces: set[str]) -> bool:
    about = item["metadata"]
    if about["namespace"] not in spaces or about.get("ownerReferences") or not kinds.stands(item):
        return False
    if kind == "PersistentVolumeClaim" and about["name"].startswith(f"data-{names.PREFIX}"):
        return False  # made for a database by its StatefulSet
    return f"{kind}:{about['name']}" not in _GIVEN and _TOKEN_OF not in (about.get("annotations") or {})


def _holding(on: Settings, kind: str, item: Data) -> Holding:
    space, name = item["metadata"]["namespace"], item["metadata"]["name"]
    command = _kubectl(on, kind.lower(), name, space)
    return Holding(kind.lower(), f"{space}/{name}", space, f"{kind}:{space}/{name}", command)


def _doors(on: Settings) -> Iterator[Holding]:
    for route in doors.every(on.routes):
        path = doors.folder(on.routes).routes / f"{route.host}.json"
        part = f"Door:{route.environment}/{route.host}"
        yield Holding("door", route.host, route.environment, part, shlex.join(["rm", "-f", str(path)]))


def _kubectl(on: Settings, kind: str, name: str, space: str = "") -> str:
    where = [*(["--kubeconfig", on.kubeconfig] if on.kubeconfig else []), *(["-n", space] if space else [])]
    return shlex.join(["kubectl", *where, "delete", kind, name])


def discard(found: Cluster, on: Settings, thing: Holding) -> bool:
    """A namespace goes with its whole environment only."""
    if thing.kind == "namespace":
        return False
    if thing not in every(found, on):
        return True
    if thing.kind == "door":
        route = next(route for route in doors.every(on.routes) if route.host == thing.name)
        doors.remove(doors.folder(on.routes), route.host, route.environment, route.service)
        return True
    kind, _, id_ = thing.part.partition(":")
    space, _, name = id_.partition("/")
    found.delete(kinds.path_of(kind, space, name))
    return True
