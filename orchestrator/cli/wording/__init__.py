"""Every sentence that `eph` prints, apart from the help of its commands, which stands at the commands."""

from __future__ import annotations

from orchestrator.cli.wording import (
    costs,
    deploys,
    diagnosis,
    environments,
    operator,
    self_install,
    server,
    setup,
    targets,
    variables,
)

__all__ = [
    "costs",
    "deploys",
    "diagnosis",
    "environments",
    "operator",
    "self_install",
    "server",
    "setup",
    "targets",
    "variables",
]
