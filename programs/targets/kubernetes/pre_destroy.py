"""Runs a repository's pre-destroy command: a Job of the newest build, tried once, with a short deadline.

Nothing here can keep an environment alive. The Job has a deadline, the cluster a little longer, and the caller reports
and ignores every failure.
"""

from __future__ import annotations

import copy
import secrets

from programs.targets.kubernetes.api.cluster import ClusterClient, Data
from programs.targets.kubernetes.observation import rollout_wait
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload

START_TIMEOUT = 20.0


def run(cluster: ClusterClient, namespace: str, title: str, job: Data) -> None:
    """Raises with the last lines of its output if it fails or times out."""
    data = copy.deepcopy(job)
    # An interrupted destroy is retried, and a Job can't be created twice.
    data["metadata"]["name"] += f"-{secrets.token_hex(3)}"
    name = data["metadata"]["name"]
    cluster.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", data)
    seconds = float(data["spec"]["activeDeadlineSeconds"]) + START_TIMEOUT
    rollout_wait.wait_until_ready(cluster, AwaitedWorkload(namespace, "Job", name, title, seconds))
