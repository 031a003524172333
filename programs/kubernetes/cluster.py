"""The cluster's API, as much of it as is looked at beside Pulumi: plain data in, plain data out.

The connection is lightkube's: kubeconfigs with certificates, tokens and exec plugins, or the pod's own account. Not
its typed objects: what is asked here are a dozen paths, and plain data is what pure functions can judge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx2
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from programs.kubernetes import names
from programs.kubernetes.errors import KubernetesError, Unreachable
from programs.kubernetes.settings import Settings

Data = dict[str, Any]
SECONDS = 10.0
APPLY = "application/apply-patch+yaml"
_LOG_LINES = 30
_LOG_BYTES = 4 * 1024 * 1024
"""Far more than the lines that are asked for: where this cuts, the newest lines are lost."""


class Cluster:
    """One connection; threads may share it."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def get(self, path: str, **query: str | int) -> Data:
        """Raises ``Missing`` for what is not there."""
        return self._ask("GET", path, params=dict(query)).json()  # type: ignore[no-any-return]

    def items(self, path: str, **query: str | int) -> list[Data]:
        return list(self.get(path, **query).get("items", []))

    def namespaced(self, namespace: str, kind: str, **query: str | int) -> list[Data]:
        """``kind`` with its group: ``v1/pods``, ``apps/v1/deployments``."""
        return self.items(f"{_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}", **query)

    def one(self, namespace: str, kind: str, name: str) -> Data:
        return self.get(f"{_prefix(kind)}/namespaces/{namespace}/{kind.rpartition('/')[2]}/{name}")

    def post(self, path: str, data: Data) -> Data:
        """What is there already stays as it is; then nothing is given."""
        try:
            return dict(self._ask("POST", path, params={}, content=json.dumps(data).encode()).json())
        except Taken:
            return {}

    def apply(self, path: str, body: Data, manager: str) -> None:
        """Server-side, as a field manager of its own, and of what is there already: raises ``Missing`` else."""
        query = {"fieldManager": manager, "force": "true"}
        try:
            self._ask("PATCH", path, params=query, content=json.dumps(body).encode(), kind=APPLY)
        except Taken as error:  # one of that name, and another one
            raise Missing(f"{path} is not the one that it was") from error

    def delete(self, path: str) -> None:
        self._ask("DELETE", path, params={"propagationPolicy": "Background"})

    def log(
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
            answer = self._ask("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", params=query)
        except KubernetesError:
            return []
        return answer.content.decode(errors="replace").splitlines()

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> httpx2.Response:
        headers = {"Content-Type": kind} if content is not None else {}
        try:
            answer = self._http.request(method, path, params=dict(params), content=content, headers=headers)
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise Unreachable(f"the cluster does not answer: {type(error).__name__}: {error}") from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise Missing(f"{path} is not in the cluster")
        if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise Unreachable(f"the cluster refuses {method} {path}: {_message(answer)}; check the kubeconfig's rights")
        if answer.is_error:
            why = Taken if answer.status_code == httpx2.codes.CONFLICT else Unreachable
            raise why(f"the cluster answered {answer.status_code} to {method} {path}: {_message(answer)}")
        return answer


class Missing(KubernetesError):
    """The cluster answered, and there is no such thing."""


class Taken(Unreachable):
    """There is one of that name already, or it was changed meanwhile."""


def ours(cluster: Cluster, server: str) -> Iterator[Data]:
    """The namespaces of this server's environments."""
    selector = f"{names.MANAGED}=eph,{names.SERVER}={names.value(server)}"
    yield from cluster.items("/api/v1/namespaces", labelSelector=selector)


def connect(on: Settings) -> Cluster:
    """Kept for the next call, until the file changes: certificates and tokens in it are renewed."""
    try:
        stamp = Path(on.kubeconfig).stat().st_mtime_ns if on.kubeconfig else 0
    except OSError as error:
        raise Unreachable(f"the kubeconfig {on.kubeconfig} cannot be read: {error.strerror}") from error
    return _connect(on.kubeconfig, on.context, stamp)


@lru_cache(maxsize=4)
def _connect(kubeconfig: str, context: str, _stamp: int) -> Cluster:
    try:
        config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
        single = config.get(context_name=context or None)
        if single is None:
            raise KubernetesError("there is no cluster: set kubernetes.kubeconfig, or run Eph in a cluster")
        limits = ConnectionParams(timeout=httpx2.Timeout(SECONDS), trust_env=False)
        return Cluster(Client(single, limits))
    except (ConfigError, OSError, KeyError, ValueError) as error:
        raise KubernetesError(f"the kubeconfig {kubeconfig or 'of this account'} cannot be used: {error}") from error


def _prefix(kind: str) -> str:
    version = kind.rpartition("/")[0]
    return f"/api/{version}" if "/" not in version else f"/apis/{version}"


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("message", ""))[:300]
    except (ValueError, AttributeError):
        return answer.text[:300]
