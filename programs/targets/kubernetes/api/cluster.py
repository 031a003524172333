"""The cluster's API, as much of it as is looked at beside Pulumi: plain data in, plain data out.

The connection is lightkube's: kubeconfigs with certificates, tokens and exec plugins, or the pod's own account. Not
its typed objects: what is asked here are a dozen paths, and plain data is what pure functions can judge.
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

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.settings import KubernetesSettings

Data = dict[str, Any]
TIMEOUT = 10.0
APPLY_CONTENT_TYPE = "application/apply-patch+yaml"
PAGE_SIZE = 500
METADATA_LIST_TYPE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LOG_LINES = 30
_LOG_BYTES = 4 * 1024 * 1024
"""Far more than the lines that are asked for: where this cuts, the newest lines are lost."""


class ClusterClient:
    """One connection; threads may share it."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def get(self, path: str, **query: str | int) -> Data:
        """Raises ``Missing`` for what is not there."""
        return self._request("GET", path, params=dict(query)).json()  # type: ignore[no-any-return]  # JSON

    def list_items(self, path: str, **query: str | int) -> list[Data]:
        return list(self.get(path, **query).get("items") or [])

    def list_namespaced(self, namespace: str, kind: str, **query: str | int) -> list[Data]:
        """``kind`` with its group: ``v1/pods``, ``apps/v1/deployments``."""
        return self.list_items(f"{_api_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}", **query)

    def get_namespaced(self, namespace: str, kind: str, name: str) -> Data:
        return self.get(f"{_api_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}/{name}")

    def create(self, path: str, data: Data) -> Data:
        """What is there already stays as it is; then nothing is given."""
        try:
            return dict(self._request("POST", path, params={}, content=json.dumps(data).encode()).json())
        except ObjectConflict:
            return {}

    def apply(self, path: str, body: Data, field_manager: str) -> None:
        """Server-side, as a field manager of its own, and of what is there already: raises ``Missing`` else."""
        query = {"fieldManager": field_manager, "force": "true"}
        try:
            self._request(
                "PATCH",
                path,
                params=query,
                headers={"Content-Type": APPLY_CONTENT_TYPE},
                content=json.dumps(body).encode(),
            )
        except ObjectConflict as error:  # one of that name, and another one
            raise ObjectNotFound(f"{path} is not the one that it was") from error

    def list_metadata(self, path: str, **query: str | int) -> Iterator[Data]:
        """What there is, without its content: names, labels and who wrote which field, a page at a time."""
        after = ""
        while True:
            more = {"continue": after} if after else {}
            answer = self._request(
                "GET", path, params={**query, "limit": PAGE_SIZE, **more}, headers={"Accept": METADATA_LIST_TYPE}
            )
            page = answer.json()
            yield from page.get("items") or []  # none may be null
            after = page.get("metadata", {}).get("continue", "")
            if not after:
                return

    def delete(self, path: str, *, orphan_dependents: bool = False) -> None:
        """``orphan_dependents``: what it made stays, for the one that comes after it."""
        self._request("DELETE", path, params={"propagationPolicy": "Orphan" if orphan_dependents else "Background"})

    def patch(self, path: str, patch_body: Data) -> None:
        """Merges ``patch_body`` into what is there."""
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
        """What a container printed last; nothing where it never ran, or its node does not answer. With ``since`` (a
        time, or empty) every line begins with its own time, and those before it are left out."""
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

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        kind = {"Content-Type": "application/json"} if content is not None else {}
        told = {**kind, **(headers or {})}
        try:
            answer = self._http.request(method, path, params=dict(params), content=content, headers=told)
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise ClusterUnreachable(f"the cluster does not answer: {type(error).__name__}: {error}") from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise ObjectNotFound(f"{path} is not in the cluster")
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise AccessDenied(
                f"the cluster refuses {method} {path}: {_message(answer)}; check the kubeconfig's rights"
            )
        if answer.is_error:
            why = ObjectConflict if answer.status_code == httpx2.codes.CONFLICT else ClusterUnreachable
            raise why(f"the cluster answered {answer.status_code} to {method} {path}: {_message(answer)}")
        return answer


class ObjectNotFound(KubernetesError):
    """The cluster answered, and there is no such thing."""


class ObjectConflict(ClusterUnreachable):
    """There is one of that name already, or it was changed meanwhile."""


class AccessDenied(ClusterUnreachable):
    """It answered, and does not let us look."""


def list_namespaces(cluster: ClusterClient, server: str) -> Iterator[Data]:
    """The namespaces of this server's environments."""
    yield from cluster.list_items("/api/v1/namespaces", labelSelector=server_selector(server))


def server_selector(server: str) -> str:
    """Of everything that this server made, on a cluster that it may share with others."""
    return f"{object_names.MANAGED_BY}=eph,{object_names.SERVER}={object_names.label_value(server)}"


def kubeconfig_mtime(settings: KubernetesSettings) -> int:
    """Changes with the kubeconfig: certificates and tokens in it are renewed."""
    try:
        return Path(settings.kubeconfig).stat().st_mtime_ns if settings.kubeconfig else 0
    except OSError as error:
        raise ClusterUnreachable(f"the kubeconfig {settings.kubeconfig} cannot be read: {error.strerror}") from error


def connect(settings: KubernetesSettings) -> ClusterClient:
    """Kept for the next call, until the file changes."""
    return _connect(settings.kubeconfig, settings.context, kubeconfig_mtime(settings))


@lru_cache(maxsize=4)
def _connect(kubeconfig: str, context: str, _stamp: int) -> ClusterClient:
    limits = ConnectionParams(timeout=httpx2.Timeout(TIMEOUT), trust_env=False)
    with _kubeconfig_errors(kubeconfig):
        return ClusterClient(Client(load_kubeconfig(kubeconfig, context), limits))


def open_streams(settings: KubernetesSettings, silence: float) -> httpx2.AsyncClient:
    """For answers that come as they happen, each on a connection of its own; ``silence``: after which one is dead."""
    limits = ConnectionParams(timeout=httpx2.Timeout(TIMEOUT, read=silence, pool=None), trust_env=False)
    with _kubeconfig_errors(settings.kubeconfig):
        return AsyncClient(load_kubeconfig(settings.kubeconfig, settings.context), limits)


def load_kubeconfig(kubeconfig: str, context: str) -> SingleConfig:
    config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
    found = config.get(context_name=context or None)
    if found is None:
        raise KubernetesError("there is no cluster: set kubernetes.kubeconfig, or run Eph in a cluster")
    return found


@contextlib.contextmanager
def _kubeconfig_errors(kubeconfig: str) -> Iterator[None]:
    try:
        yield
    except (ConfigError, OSError, KeyError, ValueError) as error:
        raise KubernetesError(f"the kubeconfig {kubeconfig or 'of this account'} cannot be used: {error}") from error


def _api_prefix(kind: str) -> str:
    version = kind.rpartition("/")[0]
    return f"/api/{version}" if "/" not in version else f"/apis/{version}"


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("message", ""))[:300]
    except (ValueError, AttributeError):
        return answer.text[:300]
