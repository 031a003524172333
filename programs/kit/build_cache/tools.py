"""The package managers whose caches are kept: the variables that point them there, and what an archive contains.

Only what can be downloaded or compiled again is archived. Cargo's and npm's folders may also contain credentials and
logs, which stay in the environment.
"""

from __future__ import annotations

from pathlib import Path

MOUNT = "/var/cache/eph"
"""The same in every sandbox, because uv and Go record absolute paths."""
ARCHIVED = (
    "bundler",
    "cargo/git",
    "cargo/registry",
    "go-build",
    "go-mod",
    "gradle/caches",
    "gradle/wrapper",
    "maven",
    "npm/_cacache",
    "pip",
    "pnpm/store",
    "uv",
    "yarn",
    "yarn-berry/cache",
)


def variables(folder: str | Path) -> dict[str, str]:
    """``folder`` is where the command finds its cache. The operator and eph.yaml can override each of them."""
    return {
        "XDG_CACHE_HOME": f"{folder}",  # pip, uv, Yarn 1 and many others have a folder of their name in it
        "PIP_CACHE_DIR": f"{folder}/pip",
        "UV_CACHE_DIR": f"{folder}/uv",
        "UV_LINK_MODE": "copy",  # hard links out of the cache's mount don't work
        "npm_config_cache": f"{folder}/npm",
        "PNPM_HOME": f"{folder}/pnpm",
        "YARN_GLOBAL_FOLDER": f"{folder}/yarn-berry",
        "GOMODCACHE": f"{folder}/go-mod",
        "GOCACHE": f"{folder}/go-build",
        "CARGO_HOME": f"{folder}/cargo",
        "MAVEN_ARGS": f"-Dmaven.repo.local={folder}/maven",
        "MAVEN_OPTS": f"-Dmaven.repo.local={folder}/maven",  # read by Maven before 3.9, too
        "GRADLE_USER_HOME": f"{folder}/gradle",
        "BUNDLE_USER_CACHE": f"{folder}/bundler",
        "BUNDLE_GLOBAL_GEM_CACHE": "true",
    }
