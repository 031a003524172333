"""What people read about the repository that is fetched, its commits, and uploaded bundles."""

from __future__ import annotations

# --- git

NO_GIT = "git isn't on PATH. Install git."


def git_failed(status: int) -> str:
    return f"git failed with exit status {status}"


def git_timed_out(seconds: float) -> str:
    return f"git took longer than {seconds:.0f} s"


def url_not_allowed(url: str) -> str:
    return f"Clone URL {url!r} isn't allowed"


def not_fetched(url: str, reason: str) -> str:
    return f"Couldn't fetch the repository {url}: {reason}"


def commit_not_found(commit: str, url: str) -> str:
    return (
        f"Commit {commit} isn't on any branch or pull request of {url}. A force push may have removed it; push again."
    )


def repository_too_large(url: str, megabytes: float) -> str:
    return f"{url} is larger than {megabytes:.0f} MB, this server's limit for a fetch"


# --- A commit


def commit_too_large(commit: str, megabytes: float, limit: float) -> str:
    return f"Commit {commit[:12]} contains {megabytes:.0f} MB of files. The server's limit is {limit:.0f} MB"


def too_many_entries(commit: str, limit: int) -> str:
    return f"Commit {commit[:12]} contains more than {limit} files and folders. Remove some of them."


def path_too_deep(commit: str, depth: int, path: str, limit: int) -> str:
    return f"Commit {commit[:12]} contains a path of {depth} levels: {path}. The limit is {limit}. Move its files up."


def path_too_long(commit: str, length: int, path: str, limit: int) -> str:
    return f"Commit {commit[:12]} contains a path of {length} bytes: {path}. The limit is {limit}. Shorten its names."


def not_listed(commit: str, seconds: float) -> str:
    return f"git couldn't list the files of commit {commit[:12]} within {seconds:.0f} s"


def and_more(shown: str, count: int) -> str:
    return f"{shown} and {count} more"


def submodules(paths: str) -> str:
    return f"{paths}: submodules aren't fetched; the folder is empty"


def large_files(paths: str) -> str:
    return f"{paths}: Git LFS files aren't fetched; the file contains the pointer"


def link_outside(path: str, target: str) -> str:
    return f"{path} is a symbolic link to {target!r}, which is outside the repository. Change its target or remove it."


def path_outside(path: str) -> str:
    return f"{path} is outside the repository. Use a file in it."


def file_missing(path: str) -> str:
    return f"The file {path} doesn't exist in the repository at this commit."


# --- Bundles

NOT_A_BUNDLE = "The upload isn't a git bundle of version 2. Upload with `eph deploy LABEL`."
OBJECTS_REFUSED = "git refused the bundle's objects"
COMMIT_HAS_PARENT = "The bundle's commit has a parent. Upload a commit without history."


def files_too_large(megabytes: float, limit: float) -> str:
    return f"Its files are {megabytes:.0f} MB in total. The limit is {limit:.0f} MB."


def wrong_refs(ref: str) -> str:
    return f"The bundle must contain exactly the ref {ref}, and must not need other commits."


def commit_missing(commit: str) -> str:
    return f"The bundle doesn't contain the commit {commit[:12]} that it names."


def not_a_commit(ref: str, kind: str) -> str:
    return f"{ref} in the bundle is a {kind}, not a commit."
