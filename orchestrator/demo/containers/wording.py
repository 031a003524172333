"""What the demo prints about its container engine."""

from __future__ import annotations

NO_ENGINE = (
    "--target compose needs a container engine. Start Docker, set DOCKER_HOST to its socket (unix://…), or run the "
    "demo as root on a machine with docker.io, where it starts its own."
)
OWN_ENGINE = "Container engine: started for the demo"


def found_engine(socket: object) -> str:
    return f"Container engine: {socket}"


def engine_not_started(line: str) -> str:
    return f"The container engine didn't start: {line}"


def socket_path_too_long(path: object) -> str:
    return f"The path of the container engine's socket is too long: {path}. Set TMPDIR to a shorter folder."
