"""The process that runs a person's command in a pod: in the container of the service, or of the database's server."""

from __future__ import annotations

import os
import sys

from programs.exec_requests import ExecProcess, ExecRequest, ExecUnavailable, psql_command
from programs.targets.kubernetes.api import cluster, object_names
from programs.targets.kubernetes.api.cluster import ClusterClient
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.exec import exec_client, running_pods, shell_wrapper
from programs.targets.kubernetes.exec.exec_client import RemoteCommand
from programs.targets.kubernetes.exec.running_pods import PodContainer
from programs.targets.kubernetes.settings import KubernetesSettings

_WORKLOAD_KINDS = ("apps/v1/deployments", "apps/v1/statefulsets")


def create_process(settings: KubernetesSettings, name: str, request: ExecRequest) -> ExecProcess:
    try:
        place, command = _find_place(cluster.connect(settings), object_names.namespace(name), name, request)
    except KubernetesError as error:
        raise ExecUnavailable(str(error)) from error
    remote = RemoteCommand(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        namespace=place.namespace,
        pod=place.pod,
        container=place.container,
        command=command,
        terminal=request.terminal.kind if request.terminal else "",
    )
    # The command isn't in the process list. A kubeconfig may name a program that needs variables of this account.
    env = {**os.environ, exec_client.REQUEST_VARIABLE: remote.to_json()}
    argv = (sys.executable, "-I", "-m", exec_client.__name__)
    return ExecProcess(argv, env, exec_client.STOP_SECONDS, raw_terminal=True)


def _find_place(
    client: ClusterClient, namespace: str, name: str, request: ExecRequest
) -> tuple[PodContainer, tuple[str, ...]]:
    workloads = [item for kind in _WORKLOAD_KINDS for item in client.list_namespaced(namespace, kind)]
    pods = client.list_namespaced(namespace, "v1/pods")
    service = running_pods.find_service(workloads, request.service, name)
    if not request.database:
        return running_pods.choose_container(pods, service, name), request.command
    script = psql_command(request)
    server = running_pods.find_database(workloads, service, request.database)
    if server is None:
        return running_pods.choose_container(pods, service, name), script
    return running_pods.choose_container(pods, server, name), (*shell_wrapper.PSQL_AT_SERVER, *request.command)
