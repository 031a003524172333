"""The settings of the target, as its modules use them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from programs.kit import host_settings
from programs.kit.host_settings import HostSettings

INSIDE = Path(__file__).parent / "inside"
"""The code of ours that a sandbox sees."""
TOOLS = ("pulumi", "pulumi-language-yaml", "pulumi-language-python", "pulumi-language-nodejs", "pulumi-language-go")


@dataclass(frozen=True, slots=True)
class ProgramHost(HostSettings):
    """``approve_first`` and ``approve_replacements``: what needs approval by a person; ``stateful_types`` are globs of
    resource types that contain data. ``policy_packs`` are folders. ``url``: the URL of an environment."""

    approve_first: bool = False
    approve_replacements: bool = False
    stateful_types: tuple[str, ...] = ()
    policy_packs: tuple[str, ...] = ()
    delete_protected: bool = False
    url: str = "http://{host}:8080"

    @property
    def pages(self) -> Path:
        """One file per host name, which the address server reads."""
        return self.root / "pages"


def from_mapping(data: Mapping[str, str]) -> ProgramHost:
    common = ProgramHost.read(data)
    return replace(
        common,
        approve_first=data.get("approve_first") == "True",
        approve_replacements=data.get("approve_replacements") == "True",
        stateful_types=_split(data.get("stateful_types", "")),
        policy_packs=_split(data.get("policy_packs", "")),
        delete_protected=data.get("delete_protected") == "True",
        url=data.get("url") or common.url,
    )


def load(root: str) -> ProgramHost:
    """The settings of the last ``ensure`` of this root."""
    return from_mapping(host_settings.read_saved(root))


def run_host(host: ProgramHost) -> ProgramHost:
    """For builds and projects: an empty folder of routes of the target's own, because the broker listens next to it and
    each target needs its own broker. They reach no preview. Adds Pulumi, and the interpreter that runs ``INSIDE``."""
    programs = {str(Path(found).parent) for name in TOOLS if (found := shutil.which(name))}
    shown = [*sorted(programs), *_interpreter(), str(INSIDE), *host.policy_packs]
    return replace(
        host,
        routes_folder=host.root / "build" / "routes",
        toolbox=tuple(dict.fromkeys([*host.toolbox, *shown])),
        path=os.pathsep.join([*sorted(programs), host.path]),
    )


def _interpreter() -> list[str]:
    """A virtual environment needs the installation that it was created from."""
    prefixes = {sys.prefix, sys.base_prefix}
    return sorted(prefix for prefix in prefixes if not Path(prefix).is_relative_to("/usr"))


def _split(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.split(",") if item)
