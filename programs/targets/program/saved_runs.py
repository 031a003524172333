"""What is kept of an environment's runs outside its sandbox: a passphrase, and what a destroy needs.

``destroy.json`` contains the variables of the last run, credentials included, because a destroy needs them, and Eph's
state must not contain them. Only Eph's own user can read it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from programs.kit import files
from programs.targets.program.settings import ProgramHost

DESTROY_SECONDS = 1500


@dataclass(frozen=True, slots=True)
class SavedRun:
    """The last run that was applied. Without a generation, nothing was."""

    generation: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    timeout: int = DESTROY_SECONDS


def passphrase(host: ProgramHost, name: str, saved: str = "") -> str:
    """The environment's own, created once. It opens nothing but the state of this environment's project."""
    path = host.env(name) / "run" / "passphrase"
    if not path.exists():
        files.write(path, saved or secrets.token_urlsafe(32), durable=True)
    return path.read_text()


def save(host: ProgramHost, name: str, props: Mapping[str, Any]) -> None:
    """Before anything is created: from then on, a destroy knows how to run."""
    run = SavedRun(
        props["generation"],
        up_request(host, name, props),
        dict(props["env"]),
        tuple(props["secrets"]),
        int(props["project"]["timeout"]),
    )
    files.write(host.env(name) / "run" / "destroy.json", json.dumps(asdict(run)), durable=True)


def load(host: ProgramHost, name: str) -> SavedRun:
    try:
        data = json.loads((host.env(name) / "run" / "destroy.json").read_text())
    except FileNotFoundError:
        return SavedRun()
    return SavedRun(**{**data, "secrets": tuple(data["secrets"])})


def up_request(host: ProgramHost, name: str, props: Mapping[str, Any]) -> dict[str, Any]:
    """For the runner in the sandbox."""
    project = props["project"]
    return {
        **_request(host, name),
        "verb": "up",
        "work": str(host.env(name) / "src" / props["generation"] / project["folder"]),
        "config_file": project.get("config_file") or "",
        "config": {**project["config"], **props["config"]},
        "tags": {"eph:environment": name},
    }


def destroy_request(host: ProgramHost, name: str, run: SavedRun) -> dict[str, Any]:
    """In the checkout of the last run, if it exists: providers can be part of it. Otherwise from the state alone."""
    request = {**_request(host, name), **run.request, "verb": "destroy", "delete_protected": host.delete_protected}
    checkout = host.env(name) / "src" / run.generation
    if not run.generation or not checkout.is_dir():
        request["work"] = str(host.env(name) / "home" / "destroy")
    return request


def _request(host: ProgramHost, name: str) -> dict[str, Any]:
    home = host.env(name) / "home"
    return {
        "environment": name,
        "work": str(home / "destroy"),
        "state": str(home / "state"),
        "config_file": "",
        "config": {},
        "tags": {},
        "policy_packs": list(host.policy_packs),
        "delete_protected": False,
        "restore": "",
    }
