"""The one place where Pulumi's errors become ours: a sentence, the step, the last lines, and whether to try again.

Pulumi's error classes come from regular expressions over its text, and resource errors all exit with 1; so what the
engine said of a resource counts first, and the text of the command only when there is nothing better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pulumi.automation import CommandError, ConcurrentUpdateError, InlineSourceRuntimeError, StackNotFoundError

from stacks.locks import LockHeld
from stacks.progress import Progress

TAIL = 20
_LONGEST = 300
_WRAPPING = re.compile(r"^(?:Exception calling application: |error: |diffing \S+: |creating \S+: |deleting \S+: )+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|<\{%[^%]*%\}>")
_SUMMARIES = ("update failed", "resource operation failed", "resource deletion failed", "destroy failed")


class RecordKept(Exception):
    """Everything is gone but the record: the world was not told in time, so it stays for the next look."""


@dataclass(frozen=True, slots=True)
class Explained:
    error: str
    step: str = ""
    tail: tuple[str, ...] = ()
    retryable: bool = True


def explain(error: BaseException, progress: Progress) -> Explained:
    """The cause that a person can act on, best source first."""
    if isinstance(error, (LockHeld, RecordKept)):
        return Explained(str(error))
    if isinstance(error, ConcurrentUpdateError):
        return Explained("another operation holds this stack's lock", tail=_tail(_stderr(error)))
    if isinstance(error, StackNotFoundError):
        return Explained("the stack is not in the backend any more")
    failed = _from_resources(progress)
    if failed is not None:
        return failed
    if isinstance(error, InlineSourceRuntimeError):
        return Explained("the program raised an error", tail=_tail(_stderr(error)))
    if isinstance(error, CommandError):
        return _from_text(_stderr(error))
    sentence = getattr(error, "sentence", "")
    if sentence:  # a target's own error, raised before anything was applied
        return Explained(_short(sentence), tail=_last(list(getattr(error, "tail", ()))))
    return Explained(f"{type(error).__name__}: {_short(str(error))}", tail=_tail(str(error)))


def _from_resources(progress: Progress) -> Explained | None:
    """The first error that is about a resource; the engine's own summary of it ('update failed') says nothing."""
    for urn, messages in progress.errors.items():
        telling = [text for text in map(_clean, messages) if text and not text.lower().startswith(_SUMMARIES)]
        if telling:
            first, *rest = "\n".join(telling).splitlines()
            return Explained(_short(first), step=_step(urn, progress), tail=_last(rest))
    return None


def _step(urn: str, progress: Progress) -> str:
    if progress.step:
        return progress.step
    return urn.rpartition("::")[2]


def _from_text(text: str) -> Explained:
    lines = [line for line in _clean(text).splitlines() if line.strip()]
    if not lines:
        return Explained("pulumi failed and said nothing")
    telling = next((line for line in lines if line.startswith("error:")), lines[-1])
    if "incorrect passphrase" in text:
        return Explained("the passphrase does not open this stack's state; is it the server's key?", retryable=False)
    return Explained(_short(telling.removeprefix("error:").strip()), tail=_last(lines))


def _clean(text: str) -> str:
    return _WRAPPING.sub("", _COLOURS.sub("", text).strip())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _tail(text: str) -> tuple[str, ...]:
    return _last(_COLOURS.sub("", text).strip().splitlines())


def _last(lines: list[str]) -> tuple[str, ...]:
    return tuple(_short(line) for line in lines[-TAIL:])


def _stderr(error: BaseException) -> str:
    """The SDK keeps the command's output in the exception's text only: code, stdout, stderr in this order."""
    before, found, stderr = str(error).partition("\n stderr: ")
    if not found:
        return str(error)
    return stderr.strip() or before.partition("\n stdout: ")[2].strip()
