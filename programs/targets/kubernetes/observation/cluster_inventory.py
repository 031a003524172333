"""Lists the objects in our namespaces, read from the cluster, and removes single ones.

A namespace is ours by its labels, and so is everything in it: objects that someone added by hand are listed, and
deleted with the environment. Objects that a controller created (they have an owner) and those that every namespace has
are left out.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from programs.inventory import HeldResource
from programs.targets.kubernetes import gateway_routes
from programs.targets.kubernetes.api import cluster, object_kinds, object_names
from programs.targets.kubernetes.api.cluster import AccessDenied, ClusterClient, Data, ObjectNotFound
from programs.targets.kubernetes.settings import KubernetesSettings

_BUILT_IN = frozenset({"ConfigMap:kube-root-ca.crt", "ConfigMap:istio-ca-root-cert", "ServiceAccount:default"})
_TOKEN_ANNOTATION = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation's name


def list_resources(client: ClusterClient, settings: KubernetesSettings) -> list[HeldResource]:
    """Raises if the cluster can't be read. Kinds that we may not list are left out."""
    spaces = {item["metadata"]["name"] for item in cluster.list_namespaces(client, settings.server)}
    resources = [
        HeldResource("namespace", name, name, f"Namespace:{name}", _kubectl_delete(settings, "namespace", name))
        for name in spaces
    ]
    for kind, path in object_kinds.LISTED_KINDS.items():
        if kind != "Namespace":
            listed = _list_kind(client, path, [object_kinds.collection_path(kind, space) for space in spaces])
            resources += [
                _resource(settings, kind, item) for item in listed if _belongs_to_environment(item, kind, spaces)
            ]
    return sorted([*resources, *_gateway_routes(settings)])


def _list_kind(client: ClusterClient, path: str, fallback_paths: list[str]) -> Iterator[Data]:
    """Lists across all namespaces at once, or one by one if our account has access to our own only."""
    try:
        yield from list(client.list_metadata(path))
    except ObjectNotFound:
        return
    except AccessDenied:
        for each in fallback_paths:
            with contextlib.suppress(AccessDenied, ObjectNotFound):
                yield from list(client.list_metadata(each))


def _belongs_to_environment(item: Data, kind: str, namespaces: set[str]) -> bool:
    about = item["metadata"]
    if about["namespace"] not in namespaces or about.get("ownerReferences") or not object_kinds.is_live(item):
        return False
    if kind == "PersistentVolumeClaim" and about["name"].startswith(f"data-{object_names.PREFIX}"):
        return False  # created for a database by its StatefulSet
    return f"{kind}:{about['name']}" not in _BUILT_IN and _TOKEN_ANNOTATION not in (about.get("annotations") or {})


def _resource(settings: KubernetesSettings, kind: str, item: Data) -> HeldResource:
    space, name = item["metadata"]["namespace"], item["metadata"]["name"]
    command = _kubectl_delete(settings, kind.lower(), name, space)
    return HeldResource(kind.lower(), f"{space}/{name}", space, f"{kind}:{space}/{name}", command)


def _gateway_routes(settings: KubernetesSettings) -> Iterator[HeldResource]:
    for route in gateway_routes.list_routes(settings.routes):
        path = Path(settings.routes) / f"{route.host}.json"
        part = f"Door:{route.environment}/{route.host}"
        yield HeldResource("door", route.host, route.environment, part, shlex.join(["rm", "-f", str(path)]))


def _kubectl_delete(settings: KubernetesSettings, kind: str, name: str, namespace: str = "") -> str:
    where = [
        *(["--kubeconfig", settings.kubeconfig] if settings.kubeconfig else []),
        *(["-n", namespace] if namespace else []),
    ]
    return shlex.join(["kubectl", *where, "delete", kind, name])


def delete_resource(client: ClusterClient, settings: KubernetesSettings, resource: HeldResource) -> bool:
    """A namespace goes with its whole environment only."""
    if resource.kind == "namespace":
        return False
    if resource not in list_resources(client, settings):
        return True
    if resource.kind == "door":
        route = next(route for route in gateway_routes.list_routes(settings.routes) if route.host == resource.name)
        gateway_routes.remove(Path(settings.routes), route.host, route.environment, route.service)
        return True
    kind, _, id_ = resource.resource_id.partition(":")
    space, _, name = id_.partition("/")
    client.delete(object_kinds.object_path(kind, space, name))
    return True
