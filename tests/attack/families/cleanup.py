"""An environment that prepares everything to survive its own removal, before its pull request is closed."""

from __future__ import annotations

import contextlib
import json
import stat
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from programs.kit import files
from programs.kit.identifiers import server_id
from programs.kit.processes import process_table
from programs.kit.trees import TreeNotRemoved
from tests.attack.arena import HOSTILE_APP, Arena
from tests.attack.attack import Family, NotTried
from tests.attack.families.databases import execute
from tests.attack.families.sandbox import inside
from tests.e2e.site import POLL_INTERVAL, REPOSITORY
from tests.programs import link_exchange

FAMILY = Family("cleanup")
DEPTH = 1500
DEEP_TREE = f"""
import os, socket
from pathlib import Path
home = Path(os.environ["HOME"])
top = home / "deep"
top.mkdir()
folder = os.open(top, os.O_RDONLY)
for _ in range({DEPTH}):
    os.mkdir("d", dir_fd=folder)
    below = os.open("d", os.O_RDONLY, dir_fd=folder)
    os.close(folder)
    folder = below
"""
ODD_FILES = r"""
import os, socket
from pathlib import Path
home = Path(os.environ["HOME"])
odd = home / "odd"
odd.mkdir()
for name in (b"-rf", b"a\nb", b"\xff\xfe", b"* ", "\u202e".encode(), b"x" * 255):
    Path(os.fsdecode(os.fsencode(odd) + b"/" + name)).write_text("x")
os.mkfifo(odd / "pipe")
socket.socket(socket.AF_UNIX).bind(str(odd / "socket"))
(odd / "loop").symlink_to(".")
(odd / "outside").symlink_to("/")
closed = home / "closed"
(closed / "inside").mkdir(parents=True)
(closed / "inside").chmod(0)
closed.chmod(0)
"""
HIDDEN = """
import subprocess
subprocess.Popen(
    ["setsid", "env", "-i", "/bin/sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
"""
REMOVED_WITHIN = 90.0
BRACKETS = "COMMENT ON DATABASE OWN IS $$" + "[" * 200_000 + "$$"


@dataclass(frozen=True, slots=True)
class Removal:
    """``left``: what remains of the environment. ``problems``: what was wrong with the victim's preview meanwhile."""

    seconds: float
    left: list[str]
    hidden: list[int]
    problems: set[str]


@cache
def removal(arena: Arena) -> Removal:
    """Prepares all attacks in one environment, closes its pull request, and waits."""
    doomed = arena.preview("doomed", {"app.py": HOSTILE_APP})
    for code in (DEEP_TREE, ODD_FILES, HIDDEN):
        arena.run_code(code, doomed)
    note = {"eph": server_id(str(arena.site.target_settings.root)), "environment": arena.victim.name, "state": "seeded"}
    for statement in (f"COMMENT ON DATABASE OWN IS '{json.dumps(note)}'", BRACKETS):
        if not execute(arena, statement, doomed):
            raise NotTried("the comment on its own database was refused")
    folder = arena.site.eph_home / "local" / "envs" / doomed.name
    members = [pid for pid in process_table.started_for(folder, "-") if inside(pid)]
    spaces = {_network(pid) for pid in members}
    hidden = [pid for pid in process_table.pids() if _network(pid) in spaces]
    if len(hidden) <= len(members):
        raise NotTried("no process could hide")
    problems, began = set(), time.monotonic()
    arena.site.forge.close_pull(REPOSITORY, doomed.number)
    left = ["everything"]
    while left and time.monotonic() - began < REMOVED_WITHIN:
        time.sleep(POLL_INTERVAL * 10)
        problems.add(arena.victim_problem())
        left = arena.site.remains_of(doomed.name)
    alive = [pid for pid in hidden if process_table.is_alive(pid)]
    return Removal(time.monotonic() - began, left, alive, problems - {""})


def _network(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""


@FAMILY.each(
    "L7 S3",
    "prevent its removal with {}",
    "something of it remains",
    {
        "folders nested 1,500 deep, odd names, sockets and closed folders": "path",
        "a process that hides and ignores signals": "process",
        "a comment of 200,000 brackets on its database": "DATABASE",
    },
)
def remains(arena: Arena, kind: str) -> str:
    found = removal(arena)
    left = [*found.left, *(f"process {pid}" for pid in found.hidden)]
    return "; ".join(line for line in left if kind.lower() in line.lower())


@FAMILY.attack("L7 S3", "remain in any other way", "something of it remains")
def anything(arena: Arena) -> str:
    return "; ".join(removal(arena).left)


@FAMILY.attack("L7 S3", "disturb the victim during its removal", "a response of the victim's preview is wrong")
def neighbour(arena: Arena) -> str:
    return "; ".join(removal(arena).problems) or arena.victim_problem()


@FAMILY.attack("L7 S3", "stop the reading of environments with its database's comment", "Eph lists none")
def listing(arena: Arena) -> str:
    removal(arena)
    names = {item["name"] for item in arena.site.api("environments")["items"]}
    return "" if arena.victim.name in names else f"only {names}"


@FAMILY.attack("L7 S3", "exchange folders for links during their removal", "a folder elsewhere changes")
def links(_: Arena) -> str:
    """On files as a preview writes them, without an environment: there, its processes end first."""
    with tempfile.TemporaryDirectory() as place:
        tree, outside = Path(place, "tree"), Path(place, "outside")
        (outside / "kept").mkdir(parents=True)
        outside.chmod(0o750)
        with link_exchange.exchanging(tree, outside) as rounds:
            for _round in range(40):
                with contextlib.suppress(TreeNotRemoved, OSError):
                    files.remove(tree)
        if len(rounds) == 1:
            raise NotTried("no folder was exchanged")
        mode = stat.S_IMODE(outside.stat().st_mode)
        return "" if mode == 0o750 and (outside / "kept").is_dir() else f"mode {mode:o}, {list(outside.iterdir())}"
