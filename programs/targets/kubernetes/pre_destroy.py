"""What a repository runs before its environment goes: a Job of the newest build, tried once and waited for shortly.

Nothing here may keep an environment alive. So the Job is given a deadline, the cluster a moment more, and whatever
happens is told and passed over by whoever calls.
"""

from __future__ import annotations

import copy
import secrets

from programs.targets.kubernetes.api.cluster import ClusterClient, Data
from programs.targets.kubernetes.observation import rollout_wait
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload

START_TIMEOUT = 20.0


def run(cluster: ClusterClient, namespace: str, title: str, job: Data) -> None:
    """Raises with the last lines that it printed when it failed or took too long."""
    data = copy.deepcopy(job)
    # An interrupted destroy is tried again, and a Job cannot be made twice.
    data["metadata"]["name"] += f"-{secrets.token_hex(3)}"
    name = data["metadata"]["name"]
    cluster.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", data)
    seconds = float(data["spec"]["activeDeadlineSeconds"]) + START_TIMEOUT
    rollout_wait.wait_until_ready(cluster, AwaitedWorkload(namespace, "Job", name, title, seconds))
