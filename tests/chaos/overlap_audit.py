"""Proof that no two operations overlap: a ``pulumi`` first on PATH that notes who works on which stack, then becomes
the real one.

It takes a POSIX record lock on a file of the stack. The kernel keeps that lock over ``exec``, gives it to no child and
lets it go when the process ends, however it ends. A second that finds it taken writes ``overlap``, and goes on.
"""

from __future__ import annotations

import fcntl
import json
import sys
from dataclasses import dataclass
from pathlib import Path

_WRAPPER = """#!{python} -IS
import fcntl, json, os, sys, time
real, folder = {real!r}, {folder!r}
words = sys.argv[1:]
plain = [word for word in words if not word.startswith("-")]
change = plain[:1] in (["up"], ["destroy"], ["refresh"]) or plain[:2] in (["stack", "init"], ["stack", "rm"])
if change:
    try:
        project = next(line.split(":", 1)[1].strip() for line in open("Pulumi.yaml") if line.startswith("name:"))
    except (OSError, StopIteration):
        project = "unknown"
    name = words[words.index("--stack") + 1] if "--stack" in words else plain[-1]
    stack = project + "." + name.split("/")[-1]
    held = os.open(os.path.join(folder, stack + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(held, True)
    try:
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        overlap = False
    except OSError:
        overlap = True
    entry = {{"at": time.time(), "pid": os.getpid(), "stack": stack, "verb": " ".join(plain[:2]), "overlap": overlap}}
    entry["replica"] = os.environ.get("REPLICA", "")
    log = os.open(os.path.join(folder, "audit.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, (json.dumps(entry) + "\\n").encode())
    os.close(log)
os.execv(real, [real, *words])
"""


@dataclass(frozen=True, slots=True)
class OverlapAudit:
    folder: Path

    def install(self, real: Path) -> Path:
        """The folder that goes first on PATH."""
        tools = self.folder / "bin"
        tools.mkdir(parents=True)
        wrapper = tools / "pulumi"
        wrapper.write_text(_WRAPPER.format(python=sys.executable, real=str(real), folder=str(self.folder)))
        wrapper.chmod(0o755)
        return tools

    def entries(self) -> list[dict[str, object]]:
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def overlaps(self) -> list[str]:
        return [
            f"pulumi {entry['verb']} (pid {entry['pid']}) began on {entry['stack']} while another was at work on it"
            for entry in self.entries()
            if entry["overlap"]
        ]

    def is_busy(self, stack: str) -> bool:
        """Whether a pulumi is at work on it just now; ``stack`` is project.stack."""
        path = self.folder / f"{stack}.lock"
        if not path.exists():
            return False
        with path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False
