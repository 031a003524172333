"""Compares the digests that pods run with those that were pinned for the commit.

What was applied isn't always what runs: an admission webhook can rewrite an image, for instance to a mirror. A mirror
is fine; another digest isn't, because the preview would show other code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from programs.targets.kubernetes.observation import wording

Data = Mapping[str, Any]


def different_image(pods: Iterable[Data], applied: Mapping[str, str]) -> str:
    """A sentence about the first container that runs another digest than it was applied with; empty if all match.
    ``applied``: references by container. Those without a digest aren't compared."""
    pinned = {name: digest for name, image in applied.items() if (digest := _digest(image))}
    for pod in pods:
        statuses = {item["name"]: item for item in _statuses(pod)}
        for container in _containers(pod):
            wanted = pinned.get(container["name"], "")
            image, status = str(container.get("image", "")), statuses.get(container["name"])
            if not wanted or status is None or not status.get("imageID"):
                continue
            # The kubelet pulls a digest or fails. Runtimes report an index by the digest of one of its images, so
            # the status counts only if the pod names no digest.
            runs = _digest(image) or _digest(str(status["imageID"]))
            if runs != wanted:
                return wording.other_image_runs(container["name"], image, runs or wording.NO_DIGEST, wanted)
    return ""


def _digest(image: str) -> str:
    _, _, digest = image.partition("@")
    return digest if digest.startswith("sha256:") else ""


def _containers(pod: Data) -> list[Data]:
    spec = pod.get("spec", {})
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _statuses(pod: Data) -> list[Data]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
