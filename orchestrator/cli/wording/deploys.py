"""Packing a working copy, and running commands in environments."""

from __future__ import annotations

REF_AND_VERSION = "--ref and --version are both set"
ONLY_ONE = "Use only one of them."
NO_FILES = "--env, --image, --disable and --size need files to upload"
WITHOUT_VERSION = "Use them without --version."
WORKING_COPY = "the working copy"


def uploading(what: str, size: str, changed: int) -> str:
    return f"Uploading {what} ({size}, changed files: {changed})."


def commit_message(head: str) -> str:
    return f"Working copy at {head}" if head else "Working copy"


# --- Packing

NO_GIT = "git isn't on PATH"
INSTALL_GIT = "Install git, or deploy a branch with --ref."
RUN_IN_A_CLONE = "Run this inside a clone, or say what to deploy with --ref or --version."
SHA256_CLONE = "the clone uses SHA-256 for its objects"
PUSH_A_BRANCH = "Push a branch and deploy it with --ref."
RUN_FETCH = "Run `git fetch`."
INIT_CREATES = "`eph init` creates one."
FIX_CLONE = "Fix that in the clone, or deploy a branch with --ref."


def no_working_copy(folder: object) -> str:
    return f"{folder} isn't a working copy"


def no_such_ref(ref: str) -> str:
    return f"the clone has no branch or tag {ref!r}"


def missing_file(path: str) -> str:
    return f"{path} is missing"


def look_secret(paths: list[str], more: int) -> str:
    shown = ", ".join(paths) + (f" and {more} more" if more > 0 else "")
    return f"these files look like secrets: {shown}"


def exclude_secrets(ignore_file: str) -> str:
    return f"Exclude them with .gitignore or {ignore_file}, or upload them anyway with --force."


def git_failed(verb: str, line: str) -> str:
    return f"git {verb} failed: {line}"


def exit_status(code: int) -> str:
    return f"exit status {code}"


# --- Overrides

INVALID_YAML = "eph.yaml isn't valid YAML"
NO_MAPPING = "eph.yaml isn't a mapping"
RUN_VALIDATE = "Run `eph validate`."
NEEDS_TAG = "Use --image NAME=REPOSITORY:TAG or NAME=REPOSITORY@sha256:DIGEST."


def no_pair(option: str, pair: str) -> str:
    return f"{option} {pair!r} has no name or no ="


def use_pair(option: str) -> str:
    return f"Use {option} NAME=VALUE."


def unknown_image(name: str) -> str:
    return f"eph.yaml has no image {name!r}"


def known_images(names: str) -> str:
    return f"Its images: {names or 'none'}."


def unknown_service(name: str) -> str:
    return f"eph.yaml has no service {name!r}"


def known_services(names: str) -> str:
    return f"Its services: {names or 'none'}."


def unknown_size(name: str) -> str:
    return f"eph.yaml has no size {name!r}"


def known_sizes(names: str) -> str:
    return f"Its sizes: {names or 'none'}."


def image_without_tag(name: str, reference: str) -> str:
    return f"--image {name}={reference} has no tag and no valid digest"


# --- Commands

NO_COMMAND = "no command given"
USE_COMMAND = "Use for example `eph exec NAME -- ls -l`."
USE_VARIABLE = "Use for example DATABASE_URL."
CONNECTION_ENDED = "the connection ended before the command did"
RUN_AGAIN = "The command was stopped. Run it again."
RAN_TOO_LONG = "the command ran for too long and was stopped"
TIMEOUT_SETTING = "The setting is exec.timeout."
NO_TERMINAL = "standard input and output aren't a terminal"
OMIT_TTY = "Omit --tty."


INVALID_PARAMETERS = "--parameters isn't a JSON object"
USE_PARAMETERS = 'Use for example --parameters \'{"day": "2026-11-01"}\'.'


def no_variable_name(variable: str) -> str:
    return f"{variable!r} isn't the name of a variable"
