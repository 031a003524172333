"""Cleans up after demos that were killed: ``kill -9`` leaves no time for it, so the next demo does it.

A demo's folder records its process. Once that process is dead, this module kills every process that names the folder,
removes its environments from the cluster, and deletes the folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from orchestrator.demo import leak_check, wording
from orchestrator.demo.cluster import demo_cluster
from stacks import process_identity
from stacks.process_identity import ProcessIdentity

DIR_PREFIX = "eph-demo-"
_RECORD, _CLUSTER = "demo.json", "cluster.json"
_KILL_TIMEOUT = 5.0


@contextlib.contextmanager
def record_process(home: Path) -> Iterator[None]:
    identity = process_identity.identify(os.getpid())
    if identity is not None:
        (home / _RECORD).write_text(json.dumps(dataclasses.asdict(identity)))
    yield


def record_cluster(home: Path, settings: Mapping[str, str]) -> None:
    """Record the settings by which the next demo can reach this demo's cluster."""
    (home / _CLUSTER).write_text(json.dumps(dict(settings)))


def clean_up(say: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Remove what killed demos left behind and return their folders.

    Skips demos that still run or belong to another user. If a demo's cluster can't be reached, reports that and keeps
    the folder.
    """
    cleaned = []
    for home in sorted(Path(tempfile.gettempdir()).glob(f"{DIR_PREFIX}*")):
        if home.stat().st_uid == os.geteuid() and _is_dead(home):
            _kill_processes(home)
            left = _clean_up_cluster(home, say)
            for line in left:
                say(wording.cleanup_failed(line, home))
            if not left:
                _remove_home(home)
                cleaned.append(home)
    return cleaned


def _clean_up_cluster(home: Path, say: Callable[[str], object]) -> list[str]:
    try:
        return demo_cluster.remove_environments(json.loads((home / _CLUSTER).read_text()), say)
    except (OSError, ValueError):
        return []


def _remove_home(home: Path) -> None:
    """The records are deleted last, so that an interrupted cleanup can be repeated."""
    for path in home.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in (_RECORD, _CLUSTER):
            path.unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)


def _is_dead(home: Path) -> bool:
    try:
        return not process_identity.is_alive(ProcessIdentity(**json.loads((home / _RECORD).read_text())))
    except (OSError, ValueError, TypeError):
        return False


def _kill_processes(home: Path) -> None:
    """A supervisor restarts its processes, so kill all of them until none is left."""
    end = time.monotonic() + _KILL_TIMEOUT
    while (left := leak_check.processes(str(home))) and time.monotonic() < end:
        for pid in left:
            process_identity.send_signal(pid, signal.SIGKILL)
        time.sleep(0.05)
