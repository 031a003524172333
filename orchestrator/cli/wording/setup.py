"""``eph setup``."""

from __future__ import annotations

WAITING = "Waiting for the Git host. Press Ctrl-C to stop."


def open_page(url: str) -> str:
    return f"Open {url} in a browser on this machine and confirm there."


def forward_port(port: int) -> str:
    return f"On a server without a browser, first run on your own machine: ssh -L {port}:127.0.0.1:{port} SERVER"


def no_setup(forge: str) -> str:
    return f"{forge} can't be set up by a command"


def wrote(path: object) -> str:
    return f"wrote {path}"


SET_FORGE = "Set its table [forge] in eph.toml."
