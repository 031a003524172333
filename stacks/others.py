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
from stacks.places import OPERATION_ENV, StackPaths
from stacks.records import OperationRecord

KILL_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """``ended``: what was proven over, and is tidied up. ``still_running``: what must be waited for."""

    ended: tuple[StackRef, ...] = ()
    still_running: tuple[OperationRecord, ...] = ()


def recover(paths: StackPaths, exclusive: bool) -> Recovery:
    """``exclusive``: nobody else works in these places, so what this process did not begin is an earlier life's. Waits for
    processes that it ends, a few seconds at most."""
    me, ended, living = processes.identify(os.getpid()), [], []
    for each in records.list_running(paths):
        if each.owner is not None and each.owner == me:
            continue
        if exclusive or _is_over(each):
            kill_session(each)
            _mark_cancelled(paths, each)
            if not records.has_running(paths, each.ref, excluding=each):
                FileBackend(paths.backend).clean_up(each.ref)
            records.delete_running(paths, each)
            ended.append(each.ref)
        else:
            living.append(each)
    return Recovery(tuple(ended), tuple(living))


def _mark_cancelled(paths: StackPaths, operation: OperationRecord) -> None:
    """Pulumi may have written a failure on its way out, and it was none."""
    with contextlib.suppress(OSError):
        history.mark_cancelled(
            FileBackend(paths.backend).history_folder(operation.ref), records.started_at(paths, operation)
        )


def _is_over(operation: OperationRecord) -> bool:
    if operation.where not in ("", processes.pid_scope()):
        return False
    if operation.owner is None or not processes.is_alive(operation.owner) or not processes.is_alive(operation.worker):
        return True
    return processes.boot_clock() > operation.until


def kill_session(operation: OperationRecord) -> None:
    """Everything in the session of a worker that another ephd started. Its number alone proves nothing: the worker
    must be that very process, or one of the session must carry the operation's mark."""
    session = operation.worker.pid
    members = processes.session_members(session)
    marked = set(processes.pids_with_variable(OPERATION_ENV, operation.operation))
    if not (processes.is_alive(operation.worker) or marked & set(members)):
        return
    found = [identity for pid in members if (identity := processes.identify(pid)) is not None]
    for identity in found:
        processes.send_signal(identity.pid, signal.SIGKILL)
    for identity in found:
        processes.wait_until_gone(identity, KILL_TIMEOUT)
