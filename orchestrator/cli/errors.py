"""How ``eph`` ends when it does not do as asked: a sentence, a hint, and an exit code that scripts can tell apart."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
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
    def __init__(self, message: str, hint: str = "", code: Code = Code.FAILED) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


BY_STATUS = {
    401: Code.UNAUTHORISED,
    403: Code.UNAUTHORISED,
    404: Code.NOT_FOUND,
    409: Code.REFUSED,
    413: Code.USAGE,
    422: Code.USAGE,
}


def of_status(status: int) -> Code:
    return BY_STATUS.get(status, Code.FAILED)
