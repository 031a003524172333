"""Operations that another ephd began: an earlier life of this one, or a replica that led before.

Whoever leads starts nothing on a stack while such an operation may still be at work, and no lock is needed to know it:
an operation writes its record before it may do anything, and a worker starts nothing once the lease of its owner ran
out. What is proven dead is ended whole: the owner (then its worker was told to end already, and is ended for good), or
the worker alone (its owner may be stopped, and cannot tidy up). A worker that lives, of an owner that lives, goes on:
what it builds is wanted as likely as not. It is ended by force once it is past its own deadline. Of another machine
nothing can be proven: such an operation is left alone and shown.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass

from stacks import history, processes, records
from stacks.backends import FileBackend
from stacks.model import StackRef
from stacks.places import OPERATION_MARK, Places
from stacks.records import Running

DYING = 5.0


@dataclass(frozen=True, slots=True)
class Settled:
    """``ended``: what was proven over, and is tidied up. ``living``: what must be waited for."""

    ended: tuple[StackRef, ...] = ()
    living: tuple[Running, ...] = ()


def settle(places: Places, alone: bool) -> Settled:
    """``alone``: nobody else works in these places, so what this process did not begin is an earlier life's. Waits for
    processes that it ends, a few seconds at most."""
    me, ended, living = processes.identify(os.getpid()), [], []
    for each in records.running(places):
        if each.owner is not None and each.owner == me:
            continue
        if alone or _is_over(each):
            end(each)
            _forgive(places, each)
            if not records.in_use(places, each.ref, besides=each):
                FileBackend(places.backend).tidy(each.ref)
            records.clear_running(places, each)
            ended.append(each.ref)
        else:
            living.append(each)
    return Settled(tuple(ended), tuple(living))


def _forgive(places: Places, left: Running) -> None:
    """Pulumi may have written a failure on its way out, and it was none."""
    with contextlib.suppress(OSError):
        history.mark_cancelled(FileBackend(places.backend).history(left.ref), records.began(places, left))


def _is_over(left: Running) -> bool:
    if left.where not in ("", processes.here()):
        return False
    if left.owner is None or not processes.alive(left.owner) or not processes.alive(left.worker):
        return True
    return processes.running_clock() > left.until


def end(left: Running) -> None:
    """Everything in the session of a worker that another ephd started. Its number alone proves nothing: the worker
    must be that very process, or one of the session must carry the operation's mark."""
    session = left.worker.pid
    members = processes.session_members(session)
    marked = set(processes.marked(OPERATION_MARK, left.operation))
    if not (processes.alive(left.worker) or marked & set(members)):
        return
    found = [identity for pid in members if (identity := processes.identify(pid)) is not None]
    for identity in found:
        processes.send(identity.pid, signal.SIGKILL)
    for identity in found:
        processes.wait_gone(identity, DYING)
