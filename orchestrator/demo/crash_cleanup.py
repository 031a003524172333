"""Demos that were killed: ``kill -9`` gives no time to clean up, so the next demo does it.

A demo's folder says which process it belongs to; when that very process is gone, everything that names the folder is
ended, what it made on a cluster is taken away, and the folder goes.
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

from orchestrator.demo import leak_check
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
    """Which cluster the demo works on, and as whom."""
    (home / _CLUSTER).write_text(json.dumps(dict(settings)))


def clean_up(say: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Takes away what killed demos left; gives their folders. One that still runs, or is another's, stays; and one
    whose cluster does not answer, which is told."""
    swept = []
    for home in sorted(Path(tempfile.gettempdir()).glob(f"{DIR_PREFIX}*")):
        if home.owner() == Path("/proc/self").owner() and _is_dead(home):
            _kill_processes(home)
            left = _clean_up_cluster(home, say)
            for line in left:
                say(f"a killed demo left {line}. It is tried again; if that cluster is gone, remove {home}")
            if not left:
                _remove_home(home)
                swept.append(home)
    return swept


def _clean_up_cluster(home: Path, say: Callable[[str], object]) -> list[str]:
    try:
        return demo_cluster.remove_environments(json.loads((home / _CLUSTER).read_text()), say)
    except (OSError, ValueError):
        return []


def _remove_home(home: Path) -> None:
    """The records go last: a sweep that is cut short itself leaves the rest for the next one."""
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
    """A supervisor brings back what it keeps, so all are killed again until none is left."""
    end = time.monotonic() + _KILL_TIMEOUT
    while (left := leak_check.processes(str(home))) and time.monotonic() < end:
        for pid in left:
            process_identity.send_signal(pid, signal.SIGKILL)
        time.sleep(0.05)
