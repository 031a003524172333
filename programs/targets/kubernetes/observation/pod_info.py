"""The output and state of an environment's pods, read from the cluster each time.

Every line is requested with its timestamp, so lines of several pods are in order and a follower gets what came after
the last one. Values of the namespace's Secrets are redacted. Pods that Eph runs itself (databases, seeds, migrations)
are included only if requested by name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from programs import runtime_info
from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, ProcessInfo, RuntimeEvent, RuntimeInfo
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.api.cluster import Data
from programs.targets.kubernetes.observation import rollout, wording

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
MIN_SECRET_LENGTH = 8
"""Shorter values are common words; redacting them would make logs unreadable."""
MAX_EVENTS = 15
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class PodSource(Protocol):
    """Where pods, their events and their logs are read: a cluster."""

    def list_namespaced(self, namespace: str, kind: str, /) -> list[Data]: ...

    def read_log(
        self, namespace: str, pod: str, container: str, /, *, previous: bool, lines: int, since: str
    ) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class _Line:
    at: str
    service: str
    text: str


def read_logs(cluster: PodSource, namespace: str, request: LogRequest) -> LogLines:
    pods = sorted(cluster.list_namespaced(namespace, "v1/pods"), key=lambda pod: str(pod["metadata"]["name"]))
    named_pods = [(service_name(pod), pod) for pod in pods]
    runtime_info.require_service(request.service, {service for service, _ in named_pods}, namespace)
    own = {service for service, _ in named_pods if not service.startswith(object_names.PREFIX)}
    wanted = [
        (service, pod)
        for service, pod in named_pods
        if service == request.service or (not request.service and service in own)
    ]
    hidden = secret_values(cluster.list_namespaced(namespace, "v1/secrets")) if wanted else ()
    lines: list[_Line] = []
    marks = dict(request.since or {})
    for service, pod in wanted:
        for container in pod["spec"]["containers"]:
            key = f"{pod['metadata']['name']}/{container['name']}"
            fresh = list(
                lines_since(
                    cluster, pod, container["name"], request, marks.get(key, runtime_info.first_position(request))
                )
            )
            marks[key] = fresh[-1][0] if fresh else marks.get(key, "")
            lines += [_Line(at, service, mask_secrets(text, hidden)) for at, text in fresh]
    ordered = [(line.service, line.text) for line in sorted(lines, key=lambda line: line.at)]
    return LogLines(runtime_info.with_service_prefix(ordered, multiple=not request.service and len(own) > 1), marks)


def lines_since(
    cluster: PodSource, pod: Data, container: str, request: LogRequest, position: str
) -> Iterable[tuple[str, str]]:
    about = pod["metadata"]
    found = cluster.read_log(
        about["namespace"], about["name"], container, previous=request.previous, lines=request.lines, since=position
    )
    for line in found:
        at, _, text = line.partition(" ")
        if at > position:
            yield at, text


def job_name(pod: Data) -> str:
    """The Job that created the pod; may be empty."""
    return str((pod["metadata"].get("labels") or {}).get(JOB_NAME_LABEL, ""))


def service_name(pod: Data) -> str:
    """The service or Job that a pod belongs to."""
    labels: Mapping[str, Any] = pod["metadata"].get("labels") or {}
    return str(labels.get(object_names.SERVICE) or labels.get(JOB_NAME_LABEL) or pod["metadata"]["name"])


def secret_values(secret_objects: Iterable[Data]) -> tuple[str, ...]:
    """The values to redact, longest first, because one may be part of another."""
    values = set()
    for secret in secret_objects:
        for coded in (secret.get("data") or {}).values():
            try:
                text = base64.b64decode(coded, validate=True).decode()
            except (binascii.Error, ValueError):
                continue
            values |= {line.strip() for line in text.splitlines() if len(line.strip()) >= MIN_SECRET_LENGTH}
    return tuple(sorted(values, key=len, reverse=True))


def mask_secrets(text: str, values: Iterable[str]) -> str:
    for value in values:
        text = text.replace(value, "***")
    return redact(text)


# --- pods and events


def inspect(cluster: PodSource, namespace: str) -> RuntimeInfo:
    pods = cluster.list_namespaced(namespace, "v1/pods")
    events = cluster.list_namespaced(namespace, "v1/events")
    processes = sorted((process_info(pod, events) for pod in pods), key=lambda item: (item.service, item.name))
    return RuntimeInfo(tuple(processes), recent_events(events))


def process_info(pod: Data, events: Iterable[Data]) -> ProcessInfo:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    state, detail = rollout.pod_state(pod, events)
    return ProcessInfo(
        name=str(pod["metadata"]["name"]),
        service=service_name(pod),
        state=state,
        detail=redact(detail),
        restarts=sum(int(status.get("restartCount", 0)) for status in statuses),
        since=_parse_time((pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp")),
        image=", ".join(str(container.get("image", "")) for container in pod["spec"]["containers"]),
    )


_REASON_ONLY = frozenset({"Pulled", "Created", "Pulling", "Scheduled", "SuccessfulCreate", "ScalingReplicaSet"})
"""Reasons whose message adds only numbers and names, so it isn't shown."""


def recent_events(events: Iterable[Data], max_events: int = MAX_EVENTS) -> tuple[RuntimeEvent, ...]:
    """Newest last."""
    found = sorted((_runtime_event(event) for event in events), key=lambda item: item.at)
    return tuple(found[-max_events:])


def _runtime_event(event: Data) -> RuntimeEvent:
    concerned, reason = event.get("involvedObject") or {}, str(event.get("reason", ""))
    message = rollout.shorten(str(event.get("message", "")))
    words = wording.EVENTS.get(reason, reason)
    text = words if reason in _REASON_ONLY or not message else f"{words}: {message}" if words else message
    series = event.get("series") or {}
    at = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return RuntimeEvent(
        at=_parse_time(at or (event.get("metadata") or {}).get("creationTimestamp")) or LONG_AGO,
        about=f"{str(concerned.get('kind', '')).lower()} {concerned.get('name', '')}".strip(),
        message=redact(text),
        bad=event.get("type") == "Warning",
        times=int(series.get("count") or event.get("count") or 1),
    )


def _parse_time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None
