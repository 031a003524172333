"""The part of the Kubernetes API that is used besides Pulumi: plain data in, plain data out.

The connection is lightkube's: kubeconfigs with certificates, tokens and exec plugins, or the pod's service account. Its
typed objects aren't used: only a dozen paths are requested, and pure functions work on plain data.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx2
from lightkube.config.client_adapter import AsyncClient, Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from programs.targets.kubernetes.api import object_names, wording
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.settings import KubernetesSettings

Data = dict[str, Any]
TIMEOUT = 10.0
APPLY_CONTENT_TYPE = "application/apply-patch+yaml"
PAGE_SIZE = 500
METADATA_LIST_TYPE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LOG_LINES = 30
_LOG_BYTES = 4 * 1024 * 1024
"""Far more than the requested lines: a response cut at this size would lose the newest lines."""


class ClusterClient:
    """One connection, shared between threads."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def get(self, path: str, **query: str | int) -> Data:
        """Raises ``ObjectNotFound`` if it doesn't exist."""
        found: Data = self._request("GET", path, params=dict(query)).json()
        return found

    def list_items(self, path: str, **query: str | int) -> list[Data]:
        return list(self.get(path, **query).get("items") or [])

    def list_namespaced(self, namespace: str, kind: str, **query: str | int) -> list[Data]:
        """``kind`` includes its group: ``v1/pods``, ``apps/v1/deployments``."""
        return self.list_items(f"{_api_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}", **query)

    def get_namespaced(self, namespace: str, kind: str, name: str) -> Data:
        return self.get(f"{_api_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}/{name}")

    def create(self, path: str, data: Data) -> Data:
        """Creates an object. Leaves an existing one alone and returns None."""
        try:
            return dict(self._request("POST", path, params={}, content=json.dumps(data).encode()).json())
        except ObjectConflict:
            return {}

    def apply(self, path: str, body: Data, field_manager: str) -> None:
        """Server-side apply with our own field manager, for existing objects only. Raises ``ObjectNotFound``
        otherwise."""
        query = {"fieldManager": field_manager, "force": "true"}
        try:
            self._request(
                "PATCH",
                path,
                params=query,
                headers={"Content-Type": APPLY_CONTENT_TYPE},
                content=json.dumps(body).encode(),
            )
        except ObjectConflict as error:  # an object of that name exists, but a different one
            raise ObjectNotFound(wording.was_replaced(path)) from error

    def list_metadata(self, path: str, **query: str | int) -> Iterator[Data]:
        """The metadata of all objects (names, labels, managed fields) without their content, one page at a time."""
        after = ""
        while True:
            more = {"continue": after} if after else {}
            answer = self._request(
                "GET", path, params={**query, "limit": PAGE_SIZE, **more}, headers={"Accept": METADATA_LIST_TYPE}
            )
            page = answer.json()
            yield from page.get("items") or []  # may be null
            after = page.get("metadata", {}).get("continue", "")
            if not after:
                return

    def delete(self, path: str, *, orphan_dependents: bool = False, grace_seconds: int | None = None) -> None:
        """With ``orphan_dependents``, the objects it owns stay for its replacement. ``grace_seconds`` also shortens the
        grace period of a pod that is already terminating."""
        grace = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        policy = "Orphan" if orphan_dependents else "Background"
        self._request("DELETE", path, params={"propagationPolicy": policy, **grace})

    def patch(self, path: str, patch_body: Data) -> None:
        """Merges ``patch_body`` into the object."""
        about = {"Content-Type": "application/merge-patch+json"}
        self._request("PATCH", path, {"fieldManager": "eph"}, about, json.dumps(patch_body).encode())

    def read_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        lines: int = _LOG_LINES,
        since: str | None = None,
    ) -> list[str]:
        """The last lines that a container printed; empty if it never ran or its node doesn't respond. With ``since`` (a
        time, or empty) every line begins with its timestamp, and older lines are left out."""
        query: dict[str, str | int] = {"container": container, "tailLines": lines, "limitBytes": _LOG_BYTES}
        if previous:
            query["previous"] = "true"
        if since is not None:
            query["timestamps"] = "true"
        if since:
            query["sinceTime"] = since
        try:
            answer = self._request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", params=query)
        except KubernetesError:
            return []
        return answer.content.decode(errors="replace").splitlines()

    def wait_for_change(self, namespace: str, kind: str, name: str, version: str, seconds: float) -> bool:
        """Waits until the object isn't the one of this resource version any more. False if that took longer than
        ``seconds``, or the cluster can't report it."""
        path = f"{_api_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}"
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "resourceVersion": version}
        limits = httpx2.Timeout(TIMEOUT, read=seconds)
        try:
            with self._http.stream("GET", path, params=query, timeout=limits) as changes:
                return changes.is_success and any(changes.iter_lines())
        except (httpx2.HTTPError, ConfigError, OSError):
            return False

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        kind = {"Content-Type": "application/json"} if content is not None else {}
        all_headers = {**kind, **(headers or {})}
        try:
            answer = self._http.request(method, path, params=dict(params), content=content, headers=all_headers)
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise ClusterUnreachable(wording.unreachable(type(error).__name__, error)) from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise ObjectNotFound(wording.not_found(path))
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise AccessDenied(wording.access_denied(method, path, _message(answer)))
        if answer.is_error:
            why = ObjectConflict if answer.status_code == httpx2.codes.CONFLICT else ClusterUnreachable
            raise why(wording.responded_with(answer.status_code, method, path, _message(answer)))
        return answer


class ObjectNotFound(KubernetesError):
    """The cluster responded, and the object doesn't exist."""


class ObjectConflict(ClusterUnreachable):
    """An object of that name already exists, or it was changed meanwhile."""


class AccessDenied(ClusterUnreachable):
    """The cluster responded and denied access."""


def list_namespaces(cluster: ClusterClient, server: str) -> Iterator[Data]:
    """The namespaces of this server's environments."""
    yield from cluster.list_items("/api/v1/namespaces", labelSelector=server_selector(server))


def server_selector(server: str) -> str:
    """Selects everything that this server created on a cluster that it may share with others."""
    return f"{object_names.MANAGED_BY}=eph,{object_names.SERVER}={object_names.label_value(server)}"


def kubeconfig_mtime(settings: KubernetesSettings) -> int:
    """Changes with the kubeconfig, because its certificates and tokens are renewed."""
    try:
        return Path(settings.kubeconfig).stat().st_mtime_ns if settings.kubeconfig else 0
    except OSError as error:
        raise ClusterUnreachable(wording.kubeconfig_unreadable(settings.kubeconfig, error.strerror)) from error


def connect(settings: KubernetesSettings) -> ClusterClient:
    """Cached until the kubeconfig changes."""
    return _connect(settings.kubeconfig, settings.context, kubeconfig_mtime(settings))


@lru_cache(maxsize=4)
def _connect(kubeconfig: str, context: str, _stamp: int) -> ClusterClient:
    limits = ConnectionParams(timeout=httpx2.Timeout(TIMEOUT), trust_env=False)
    with _kubeconfig_errors(kubeconfig):
        return ClusterClient(Client(load_kubeconfig(kubeconfig, context), limits))


def open_streams(settings: KubernetesSettings, silence: float | None) -> httpx2.AsyncClient:
    """For streamed responses, each on its own connection. A stream that is silent for longer than ``silence`` is
    dead."""
    limits = ConnectionParams(timeout=httpx2.Timeout(TIMEOUT, read=silence, pool=None), trust_env=False)
    with _kubeconfig_errors(settings.kubeconfig):
        return AsyncClient(load_kubeconfig(settings.kubeconfig, settings.context), limits)


def load_kubeconfig(kubeconfig: str, context: str) -> SingleConfig:
    config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
    found = config.get(context_name=context or None)
    if found is None:
        raise KubernetesError(wording.NOT_CONFIGURED)
    return found


@contextlib.contextmanager
def _kubeconfig_errors(kubeconfig: str) -> Iterator[None]:
    try:
        yield
    except (ConfigError, OSError, KeyError, ValueError) as error:
        raise KubernetesError(wording.invalid_kubeconfig(kubeconfig, error)) from error


def _api_prefix(kind: str) -> str:
    version = kind.rpartition("/")[0]
    return f"/api/{version}" if "/" not in version else f"/apis/{version}"


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("message", ""))[:300]
    except (ValueError, AttributeError):
        return answer.text[:300]
