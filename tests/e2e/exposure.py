"""What other users can read of Eph on its machine: places where a secret must not appear."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.site import Site
from tests.file_trees import all_files


def process_command_lines() -> list[str]:
    """What ``ps`` shows to everyone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found


def readable_files(site: Site) -> dict[str, str]:
    """Every file of the server except secret files that nobody else can read, and what
    a service itself wrote into its own log."""
    kept = [site.eph_home / "keys", site.eph_home / "local" / "launch"]
    found = {}
    for path in [*site.home.glob("*.log"), *all_files(site.eph_home)]:
        if not path.is_file() or path.is_relative_to(site.eph_home / "local" / "postgres" / "data"):
            continue
        secret = any(path.is_relative_to(place) for place in kept) or "password" in path.name
        secret = secret or path.parent.name == "run"  # the launch file of an environment's command
        if secret:
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
        elif not re.match(r"shop-.*\.web\..*\.log", path.name):
            found[str(path)] = path.read_bytes().decode(errors="replace")
    assert any(".pulumi/stacks" in place for place in found)
    return found
