"""What the demo prints about emulate."""

from __future__ import annotations

NO_SOURCE_TREE = "--forge emulate needs Eph's source tree, which contains its installer (infra/toolchain)."
NO_NODE = "--forge emulate needs Node 20 and npm. Install nodejs and npm, or remove --forge."
NO_PUSHES_TO_PULLS = (
    "emulate 0.11.2 keeps the files that a pull request was opened with: a push moves the branch, but not the pull "
    'request. Only "update branch" moves it, and the merge commit has the old files'
)


def emulate_install_failed(output: str) -> str:
    return f"Installing emulate failed: {output}"


def emulate_failed(method: str, path: str, status: int, body: str) -> str:
    return f"emulate answered {status} to {method} {path}: {body}"


def emulate_not_started(url: str, log: str) -> str:
    return f"emulate didn't start at {url}: {log}"


def different_ids(ours: str, theirs: str) -> str:
    return f"git and emulate disagree about an object's id ({ours}, {theirs}), so the mirror lacks emulate's commits"
