"""What previews leave out of manifests, and why."""

from __future__ import annotations

from collections.abc import Iterable

NO_TOKEN = "pods of previews don't get a service account token"
NOT_MONITORED = "previews aren't monitored by the cluster"


def more_notices(count: int) -> str:
    return f"and {count} more"


def not_applied(reason: str) -> str:
    return f"not applied: {reason}"


def outdated(version: str) -> str:
    return f"{version} is outdated; use autoscaling/v2"


def hook_not_run(annotation: str) -> str:
    return (
        f"not run: previews run no hooks of charts ({annotation}). Use `migrate` of a database or `hooks` in eph.yaml"
    )


def annotations_omitted(keys: str) -> str:
    return f"annotations left out: {keys}"


def placement_omitted(fields: str) -> str:
    return f"{fields} left out, because the server decides where pods run"


def becomes_cluster_ip(kind: str) -> str:
    return f"type {kind} becomes ClusterIP, because people use the preview's URL"


def omitted(fields: str) -> str:
    return f"{fields} left out"


def listed(names: Iterable[str], more: int) -> str:
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def variables_overridden(names: str) -> str:
    return f"variables left out, because Eph or eph.yaml sets them: {names}"
