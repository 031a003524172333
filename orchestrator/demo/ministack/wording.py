"""What the demo on the target `aws` prints."""

from __future__ import annotations

NOT_INSTALLED = (
    "--target aws needs MiniStack, docker-registry and a stand-in for Pulumi's plugin. "
    "`make demo ARGS='--once --target aws'` installs them."
)
NO_ENGINE = "--target aws needs root and docker.io, because it starts its own container engine."
STARTING = "Starting MiniStack in place of AWS, with its own container engine and registry…"
LOAD_BALANCER = "Load balancer of previews"
NO_SUCH_PREVIEW = "No such preview."


def running(endpoint: str) -> str:
    return f"AWS: MiniStack at {endpoint}; tasks and databases are containers on this machine"


def not_started(program: str, log: str) -> str:
    return f"{program} didn't start: {log}"


def left(item: str) -> str:
    return f"AWS: {item}"


def container_left(name: str) -> str:
    return f"container {name}"
