"""Every sentence that the target has for people. The file server has three more, because it imports nothing of Eph."""

from __future__ import annotations

# --- The section in eph.yaml

NEEDS_FOLDER = "the target `static` needs a folder to publish"
ADD_ROOT = "add static.root"
RUNS_NO_SERVICES = "the target `static` runs no services"
HAS_NO_DATABASES = "the target `static` has no databases"
REMOVE_THEM = "remove them or use another target"
RUNS_NO_HOOKS = "the target `static` runs no hooks; add the commands to build"

# --- Publishing a site


def too_many_files(limit: int) -> str:
    return f"The site has more than {limit:,} files. Publish fewer."


def site_too_large(limit: int) -> str:
    return f"The site is larger than {limit:,} bytes, this server's limit (setting static.site_bytes)."


def root_outside(root: str) -> str:
    return f"{root} is outside the repository. Change static.root in eph.yaml."


def no_folder(root: str) -> str:
    return f"There is no folder {root} after the build. Change static.root in eph.yaml."


def folder_unreadable(folder: str, problem: str | None) -> str:
    return f"{folder}: {problem}. Check what the build creates there."


def no_fallback(fallback: str, root: str) -> str:
    return f"There is no file {fallback} in {root}. Change static.fallback in eph.yaml."


def no_index(root: str) -> str:
    return f"There is no index.html in {root}. Add one, or set static.fallback in eph.yaml."


def too_deep(path: object, limit: int) -> str:
    return f"{path} is nested deeper than {limit} folders. Check what the build creates there."


def link_outside(path: object) -> str:
    return f"{path} is a symbolic link to a place outside the published folder. Copy the file in the build command."


def unreadable(path: object, problem: str | None) -> str:
    return f"{path} can't be published: {problem}."


def not_regular(path: object) -> str:
    return f"{path} is not a regular file. Only files and folders can be published."


# --- Its log

NO_PREVIOUS_LOG = "A site has no processes, so there is no log of a previous one. Omit --previous."
