"""What package managers keep is what is archived, and nothing else is (issue 14 item 8, T1, S4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from programs.kit.build_cache import tools

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "caches.md"
FOLDER = "/cache"
KEPT = {
    "pip": ("PIP_CACHE_DIR", "http-v2", "wheels"),
    "uv": ("UV_CACHE_DIR", "wheels-v5", "archive-v0"),
    "npm": ("npm_config_cache", "_cacache"),
    "pnpm": ("PNPM_HOME", "store/v10"),
    "Yarn 1": ("XDG_CACHE_HOME", "yarn/v6"),
    "Yarn 2 and later": ("YARN_GLOBAL_FOLDER", "cache"),  # of 2 and 3, it is their mirror
    "Go's modules": ("GOMODCACHE", "cache/download", "github.com"),
    "Go's compiled packages": ("GOCACHE", "00"),
    "Cargo": ("CARGO_HOME", "registry/cache", "registry/index", "git/db"),
    "Maven": ("MAVEN_ARGS", "org/apache"),
    "Maven before 3.9": ("MAVEN_OPTS", "org/apache"),
    "Gradle": ("GRADLE_USER_HOME", "caches/modules-2", "wrapper/dists"),
    "Bundler": ("BUNDLE_USER_CACHE", "gems"),
}
"""Where each tool looks for what it downloaded or compiled, in the folder that its variable names."""
PRIVATE = (
    ("CARGO_HOME", "credentials.toml"),
    ("CARGO_HOME", "config.toml"),
    ("npm_config_cache", "_logs"),
    ("GRADLE_USER_HOME", "gradle.properties"),
    ("GRADLE_USER_HOME", "init.d"),
    ("PNPM_HOME", "pnpm"),
    ("YARN_GLOBAL_FOLDER", "telemetry.json"),
)
"""What may contain credentials, or programs that later builds would run from PATH."""
SWITCHES = frozenset({"UV_LINK_MODE", "BUNDLE_GLOBAL_GEM_CACHE"})


def place(variable: str, path: str) -> str:
    """Relative to the cache's folder."""
    folder = tools.variables(FOLDER)[variable].removeprefix("-Dmaven.repo.local=")
    return str((Path(folder) / path).relative_to(FOLDER))


def is_archived(path: str) -> bool:
    return any(f"{path}/".startswith(f"{name}/") for name in tools.ARCHIVED)


@pytest.mark.parametrize("tool", KEPT)
def test_what_a_tool_keeps_is_archived(tool: str) -> None:
    variable, *paths = KEPT[tool]
    assert [path for path in paths if not is_archived(place(variable, path))] == []


@pytest.mark.parametrize(("variable", "path"), PRIVATE)
def test_what_may_be_private_is_not_archived(variable: str, path: str) -> None:
    assert not is_archived(place(variable, path))


def test_the_table_is_complete() -> None:
    """Each variable belongs to a tool, each archived folder to a variable, and the page lists each variable."""
    used = {variable for variable, *_ in KEPT.values()}
    assert used == set(tools.variables(FOLDER)) - SWITCHES
    places = [place(variable, path) for variable, *paths in KEPT.values() for path in paths]
    assert [name for name in tools.ARCHIVED if not any(f"{path}/".startswith(f"{name}/") for path in places)] == []
    assert set(re.findall(r"`([A-Za-z_]+)`", PAGE.read_text())) >= used
