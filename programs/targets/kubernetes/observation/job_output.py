"""The output of a Job while it runs, for the steps that people see."""

from __future__ import annotations

import time
from collections.abc import Iterator

from programs.runtime_info import LogRequest
from programs.steps import StepName, StepOutput
from programs.targets.kubernetes.api.cluster import Data
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import pod_info
from programs.targets.kubernetes.observation.pod_info import PodSource

INTERVAL = 1.0
"""Seconds between two looks at the log: each is a request to the cluster."""
MAX_LINES = 5000
_NAMES = {
    "service": StepName.START,
    "database": StepName.DATABASE,
    "seed": StepName.SEED,
    "migrate": StepName.MIGRATE,
}


def step_of(title: str) -> tuple[StepName, str]:
    """The step of a workload by its title: ``service web``, ``migrate main``, ``pre-create 1`` …"""
    word, _, about = title.partition(" ")
    if word in _NAMES:
        return _NAMES[word], about.removesuffix(" first")
    return (StepName.HOOK, title) if about.isdigit() else (StepName.START, title)


class JobOutput:
    """A cluster that doesn't respond only delays the output."""

    def __init__(self, cluster: PodSource, namespace: str, output: StepOutput) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._output = output
        self._marks: dict[str, str] = {}
        self._next = 0.0

    def follow(self, job: str) -> None:
        """Reports what is new, at most once a second."""
        if time.monotonic() >= self._next:
            self.read(job)
            self._next = time.monotonic() + INTERVAL

    def read(self, job: str) -> None:
        try:
            pods = self._cluster.list_namespaced(self._namespace, "v1/pods")
            lines = [line for pod in pods if pod_info.job_name(pod) == job for line in self._new_lines(pod)]
            if lines:
                hidden = pod_info.secret_values(self._cluster.list_namespaced(self._namespace, "v1/secrets"))
                self._output.add(pod_info.mask_secrets(line, hidden) for line in lines)
        except KubernetesError:
            return

    def _new_lines(self, pod: Data) -> Iterator[str]:
        for container in pod["spec"]["containers"]:
            key = f"{pod['metadata']['name']}/{container['name']}"
            request, mark = LogRequest(lines=MAX_LINES), self._marks.get(key, "")
            for at, text in pod_info.lines_since(self._cluster, pod, container["name"], request, mark):
                self._marks[key] = at
                yield text
