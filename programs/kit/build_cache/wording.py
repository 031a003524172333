"""What people read about the build cache of a repository."""

from __future__ import annotations

TOO_LARGE = "The build cache is larger than the server's limit (setting cache_bytes), so the next one starts empty."
NOTHING_SHARED = "Nothing in the build cache is of use to other environments."


def saved(megabytes: float) -> str:
    return f"The next environments of this repository start with these {megabytes:.0f} MB."


def not_used(error: Exception) -> str:
    return f"The build cache can't be used, so this build starts without one: {error}"


def not_saved(error: Exception) -> str:
    return f"The build cache wasn't saved: {error}"


def invalid_repository(repository: str) -> str:
    return f"{repository!r} can't name a build cache"


def larger_than(limit: int) -> str:
    return f"The build cache is larger than {limit} bytes."


def tar_failed(status: int) -> str:
    return f"tar failed with exit status {status}"


def tar_timed_out(seconds: float) -> str:
    return f"tar exceeded its timeout of {seconds:.0f} s"
