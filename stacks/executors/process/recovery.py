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

from stacks import process_identity
from stacks.executors.process import operation_records
from stacks.executors.process.operation_records import OperationRecord
from stacks.model import StackRef
from stacks.paths import OPERATION_ENV, StackPaths

KILL_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """``ended``: what was proven over, and is tidied up. ``still_running``: what must be waited for."""

    ended: tuple[StackRef, ...] = ()
    still_running: tuple[OperationRecord, ...] = ()


def recover(paths: StackPaths, exclusive: bool) -> Recovery:
    """``exclusive``: nobody else works in these places, so what this process did not begin is an earlier life's. Waits
    for processes that it ends, a few seconds at most."""
    me, ended, living = process_identity.identify(os.getpid()), [], []
    for each in operation_records.list_running(paths):
        if each.owner is not None and each.owner == me:
            continue
        if exclusive or _is_over(each):
            kill_session(each)
            _mark_cancelled(paths, each)
            if not operation_records.has_running(paths, each.ref, excluding=each):
                paths.backend.clean_up(each.ref)
            operation_records.delete_running(paths, each)
            ended.append(each.ref)
        else:
            living.append(each)
    return Recovery(tuple(ended), tuple(living))


def _mark_cancelled(paths: StackPaths, operation: OperationRecord) -> None:
    """Pulumi may have written a failure on its way out, and it was none."""
    with contextlib.suppress(OSError):
        paths.backend.finish_update(operation.ref, operation_records.started_at(paths, operation))


def _is_over(operation: OperationRecord) -> bool:
    if operation.where not in ("", process_identity.pid_scope()):
        return False
    if (
        operation.owner is None
        or not process_identity.is_alive(operation.owner)
        or not process_identity.is_alive(operation.worker)
    ):
        return True
    return process_identity.boot_clock() > operation.until


def kill_session(operation: OperationRecord) -> None:
    """Everything in the session of a worker that another ephd started. Its number alone proves nothing: the worker
    must be that very process, or one of the session must carry the operation's mark."""
    session = operation.worker.pid
    members = process_identity.session_members(session)
    marked = set(process_identity.pids_with_variable(OPERATION_ENV, operation.operation))
    if not (process_identity.is_alive(operation.worker) or marked & set(members)):
        return
    found = [identity for pid in members if (identity := process_identity.identify(pid)) is not None]
    for identity in found:
        process_identity.send_signal(identity.pid, signal.SIGKILL)
    for identity in found:
        process_identity.wait_until_gone(identity, KILL_TIMEOUT)
