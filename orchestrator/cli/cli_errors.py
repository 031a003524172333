"""Errors of ``eph``: a sentence, a hint, and an exit code that scripts can distinguish."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; docs/reference/cli.md lists them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAUTHORISED = 3
    NOT_FOUND = 4
    UNREACHABLE = 5
    REFUSED = 6
    INTERRUPTED = 130


class CliError(Exception):
    """``server``: the one that responded with it, and why `eph` used that one. ``status``: of its response."""

    def __init__(
        self, message: str, hint: str = "", code: ExitCode = ExitCode.FAILED, server: str = "", status: int = 0
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.code, self.server = message, hint, code, server
        self._status = status

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later, such as after the first cycle of a server that has started."""
        return self._status == 503


EXIT_CODES_BY_STATUS = {
    401: ExitCode.UNAUTHORISED,
    403: ExitCode.UNAUTHORISED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.REFUSED,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
}


def exit_code_for(status: int) -> ExitCode:
    return EXIT_CODES_BY_STATUS.get(status, ExitCode.FAILED)
