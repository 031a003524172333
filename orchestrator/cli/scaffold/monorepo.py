"""Apps in subfolders: each becomes a service that is named like its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.cli.scaffold.detected_app import DetectedApp, DetectedService, mapping_of, read_json
from orchestrator.cli.scaffold.frameworks import go_app, node_app, node_build, node_tool, python_app, rails

MAX_SERVICES = 5
_GROUPS = ("", "apps", "services", "packages")
_FRONTS = ("web", "www", "frontend", "site", "client", "ui", "app")
"""Names of the service with the environment's URL, the likeliest first."""
_NOT_APPS = frozenset({"docs", "e2e", "examples", "scripts", "test", "tests", "tools", "vendor"})
_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){0,29}")
_WORKSPACE_BUILDS: Mapping[str, Sequence[str]] = {
    "npm": ["npm run build --workspaces --if-present"],
    "pnpm": ["pnpm --recursive --if-present run build"],
    "yarn": [],  # Yarn 1 can't skip packages without the script
}
_LOOKS: tuple[Callable[[Path], DetectedApp | None], ...] = (python_app, rails, node_app, go_app)


@dataclass(frozen=True, slots=True)
class _Part:
    folder: str
    app: DetectedApp
    is_node: bool

    @property
    def name(self) -> str:
        return self.folder.rpartition("/")[2]

    @property
    def rank(self) -> tuple[int, str]:
        return (_FRONTS.index(self.name) if self.name in _FRONTS else len(_FRONTS), self.name)

    @property
    def service(self) -> DetectedService:
        (service,) = self.app.services
        env = {name: text.replace("{host}", f"{{host:{self.name}}}") for name, text in service.env.items()}
        return replace(service, name=self.name, command=f"cd {self.folder} && {service.command}", env=env)


def monorepo(folder: Path) -> DetectedApp | None:
    found = {part.name: part for part in reversed(list(_parts(folder)))}
    parts = sorted(found.values(), key=lambda part: part.rank)[:MAX_SERVICES]
    if not parts:
        return None
    return DetectedApp(
        ", ".join(part.folder for part in parts),
        tuple(part.service for part in parts),
        " && ".join(_builds(folder, parts)),
        " && ".join(_in_folder(part, part.app.migrate) for part in parts if part.app.migrate),
        any(part.app.database for part in parts),
    )


def _parts(folder: Path) -> Iterator[_Part]:
    for group in _GROUPS:
        for path in sorted((folder / group).iterdir() if (folder / group).is_dir() else ()):
            if path.is_dir() and not path.is_symlink() and _NAME.fullmatch(path.name) and path.name not in _NOT_APPS:
                app, look = next(((app, look) for look in _LOOKS if (app := look(path))), (None, None))
                if app is not None:
                    yield _Part(path.relative_to(folder).as_posix(), app, look is node_app)


def _builds(folder: Path, parts: Sequence[_Part]) -> Iterator[str]:
    """With workspaces, one installation at the top builds all of them."""
    package = read_json(folder / "package.json")
    workspaces = "workspaces" in package or (folder / "pnpm-workspace.yaml").is_file()
    if workspaces:
        own_script = "build" in mapping_of(package, "scripts")
        yield node_build(folder, own_script)
        yield from () if own_script else _WORKSPACE_BUILDS[node_tool(folder)]
    for part in parts:
        if part.app.build and not (workspaces and part.is_node):
            yield _in_folder(part, part.app.build)


def _in_folder(part: _Part, command: str) -> str:
    """A subshell, so that the next command starts at the top again."""
    return f"(cd {part.folder} && {command})"
