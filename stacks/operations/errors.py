"""The one place that translates Pulumi's errors: a sentence, the step, the last lines, and whether to retry.

Pulumi's error classes come from regular expressions over its text, and all resource errors exit with 1. So what the
engine reported about a resource comes first, and the command's text is used only if there is nothing better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pulumi.automation import CommandError, ConcurrentUpdateError, InlineSourceRuntimeError, StackNotFoundError

from programs import error_text
from stacks.backends.port import LockHeld
from stacks.operations import wording
from stacks.operations.progress import ProgressCollector

TAIL_LINES = 20
_MAX_LINE_LENGTH = 300
_WRAPPER_PREFIXES = re.compile(
    r"^(?:Exception calling application: |error: |diffing \S+: |creating \S+: |deleting \S+: )+"
)
_COLOR_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|<\{%[^%]*%\}>")
_SUMMARIES = re.compile(r"(update|resource operation|resource deletion|destroy) failed", re.IGNORECASE)


class RecordRetained(Exception):
    """Everything is gone except the record: reporting the destroy failed, so the record stays for the next cycle."""


@dataclass(frozen=True, slots=True)
class FailureDetails:
    error: str
    step: str = ""
    tail: tuple[str, ...] = ()
    retryable: bool = True


def explain(error: BaseException, progress: ProgressCollector) -> FailureDetails:
    """The cause that a person can act on, from the best source."""
    if isinstance(error, (LockHeld, RecordRetained)):
        return FailureDetails(str(error))
    if isinstance(error, ConcurrentUpdateError):
        return FailureDetails(wording.LOCKED, tail=_tail_of(_stderr(error)))
    if isinstance(error, StackNotFoundError):
        return FailureDetails(wording.NO_STACK)
    failed = _resource_failure(progress)
    if failed is not None:
        return failed
    if isinstance(error, InlineSourceRuntimeError):
        return FailureDetails(wording.PROGRAM_FAILED, tail=_tail_of(_stderr(error)))
    if isinstance(error, CommandError):
        return _command_failure(_stderr(error))
    sentence = getattr(error, "sentence", "")
    if sentence:  # a target's own error, raised before anything was applied
        tail, permanent = _last_lines(list(getattr(error, "tail", ()))), bool(getattr(error, "permanent", False))
        return FailureDetails(_shorten(sentence), tail=tail, retryable=not permanent)
    return FailureDetails(f"{type(error).__name__}: {_shorten(str(error))}", tail=_tail_of(str(error)))


def _resource_failure(progress: ProgressCollector) -> FailureDetails | None:
    """The first error about a resource; the engine's own summary ('update failed') contains nothing."""
    for urn, messages in progress.errors.items():
        telling = [text for text in map(_clean, messages) if text and not _SUMMARIES.match(text)]
        if telling:
            lines, permanent = error_text.split_mark("\n".join(telling).splitlines())
            first, *rest = lines or [""]
            return FailureDetails(_shorten(first), _failed_step(urn, progress), _last_lines(rest), not permanent)
    return None


def _failed_step(urn: str, progress: ProgressCollector) -> str:
    if progress.failed_step:
        return progress.failed_step
    return urn.rpartition("::")[2]


def _command_failure(text: str) -> FailureDetails:
    lines = [line for line in _clean(text).splitlines() if line.strip()]
    if not lines:
        return FailureDetails(wording.NO_ERROR_MESSAGE)
    telling = next((line for line in lines if line.startswith("error:")), lines[-1])
    if "incorrect passphrase" in text:
        return FailureDetails(wording.WRONG_PASSPHRASE, retryable=False)
    return FailureDetails(_shorten(telling.removeprefix("error:").strip()), tail=_last_lines(lines))


def _clean(text: str) -> str:
    return _WRAPPER_PREFIXES.sub("", _COLOR_CODES.sub("", text).strip())


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LINE_LENGTH else text[: _MAX_LINE_LENGTH - 1] + "…"


def _tail_of(text: str) -> tuple[str, ...]:
    return _last_lines(_COLOR_CODES.sub("", text).strip().splitlines())


def _last_lines(lines: list[str]) -> tuple[str, ...]:
    return tuple(_shorten(line) for line in lines[-TAIL_LINES:])


def _stderr(error: BaseException) -> str:
    """The SDK puts the command's output only into the exception's text: code, stdout, stderr in this order."""
    before, found, stderr = str(error).partition("\n stderr: ")
    if not found:
        return str(error)
    return stderr.strip() or before.partition("\n stdout: ")[2].strip()
