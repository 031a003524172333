"""Recovers operations that another ephd started: an earlier process of this one, or a replica that led before.

The leader starts nothing on a stack while such an operation may still be running. No lock is needed to know that: an
operation writes its record before it does anything, and a worker starts nothing once the lease of its owner has
expired. What is proven dead is cleaned up: the owner (its worker has already been asked to stop, and is killed), or the
worker alone (its owner may be paused, and can't clean up). A live worker of a live owner continues, because its result
is probably still wanted. It is killed once it is past its own deadline. Nothing can be proven about another machine:
such an operation is left alone and reported.
"""

from __future__ import annotations

import contextlib
import os
import signal
from datetime import datetime
from pathlib import Path

from stacks import process_identity
from stacks.backends.port import Backend
from stacks.executors.port import Recovery, RemoteOperation
from stacks.executors.process import operation_records, wording
from stacks.executors.process.operation_records import OperationRecord
from stacks.model import StackRef
from stacks.operations.worker_settings import OPERATION_ENV

KILL_TIMEOUT = 5.0


def recover(records: Path, backend: Backend, exclusive: bool) -> Recovery:
    """``exclusive``: no other replica uses these folders, so whatever this process didn't start is an earlier one's.
    Waits a few seconds at most for the processes that it kills."""
    me, ended, living = process_identity.identify(os.getpid()), [], []
    for each in operation_records.list_running(records):
        if each.owner is not None and each.owner == me:
            continue
        if exclusive or _is_over(each):
            kill_session(each)
            _mark_cancelled(records, backend, each)
            if not operation_records.has_running(records, each.ref, excluding=each):
                backend.clean_up(each.ref)
            operation_records.delete_running(records, each)
            ended.append(each.ref)
        else:
            living.append(_as_remote(each))
    for ref in set(ended):
        _delete_if_nothing_exists(records, backend, ref)
    return Recovery(tuple(ended), tuple(living))


def _delete_if_nothing_exists(records: Path, backend: Backend, ref: StackRef) -> None:
    """Killed before its stack existed: nothing may request it any more, as for a label deploy, and no destroy would
    delete its log."""
    kept = operation_records.has_running(records, ref) or ref in operation_records.last_results(records)
    with contextlib.suppress(OSError):  # the backend can't be reached
        if not kept and not backend.exists(ref):
            operation_records.delete(records, ref)


def _as_remote(record: OperationRecord) -> RemoteOperation:
    identity = wording.process_identity(record.worker.pid, record.where.partition(" ")[0])
    return RemoteOperation(record.ref, record.verb, record.commit, datetime.fromisoformat(record.started), identity)


def _mark_cancelled(records: Path, backend: Backend, operation: OperationRecord) -> None:
    """Marks it interrupted: Pulumi may have recorded a failure while it was stopped, but it wasn't one."""
    with contextlib.suppress(OSError):
        backend.finish_update(operation.ref, operation_records.started_at(records, operation))


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
    """Kills everything in the session of a worker that another ephd started. Its pid alone proves nothing: the worker
    must be that exact process, or a process of the session must carry the operation's ID."""
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
