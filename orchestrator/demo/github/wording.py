"""What the sandbox Git host says in its own name: its pages, git over HTTP, and the verbs of scripts.

Answers that imitate GitHub's API are in ``api`` and ``state``, word for word as GitHub writes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# --- Pages

OTHER_ORIGIN = "This form wasn't submitted from a page of this sandbox."
FORM_TOO_LARGE = "The form is larger than 1 MB."
TITLE_AND_BRANCH = "A pull request needs a title and a branch."


def choose_one_of(names: Iterable[str]) -> str:
    return f"Choose one of {', '.join(names)}."


# --- git

NO_REPOSITORY = "There is no such repository."
USE_SMART_HTTP = "Use git's smart HTTP protocol: git clone URL."
CONNECTION_CLOSED = "The connection was closed."
TOKEN_REQUIRED = "A token is required as the password."
SIGN_IN = "sandbox: any user name, and a token as the password"
INVALID_GZIP = "The request isn't valid gzip."
REQUEST_TOO_LARGE = "The request is larger than 1 GB."


def no_access(login: str) -> str:
    return f"{login} has no access to this repository."


def git_failed(command: str) -> str:
    return f"git {command} failed"


def invalid_ref(name: str) -> str:
    return f"{name!r} is not a valid Git ref"


def invalid_path(path: str) -> str:
    return f"{path!r} is not a path in a repository"


# --- Scripts

FORBIDDEN = "only the owner of the sandbox may do this"
UNKNOWN_VERB = "there is no such verb"
DELIVERY_DROPPED = "dropped: too many deliveries are waiting"


def unknown_permission(name: str, known: Iterable[str]) -> str:
    return f"permission {name!r} is none of {', '.join(known)}"


def status_description(context: str, state: str) -> str:
    return f"{context} is {state}"


def no_response(url: str, seconds: float, log: Path) -> str:
    return f"the sandbox did not respond at {url} within {seconds:.0f} s; see {log}"
