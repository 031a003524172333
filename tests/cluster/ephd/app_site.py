"""A whole Eph on the cluster whose repository is one of the applications in ``tests/apps``, and the CI that builds its
images."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.demo.cluster.base_images import postgres_image
from orchestrator.demo.cluster.ci import files_at
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from tests.apps import python_images, recipe_site
from tests.cluster.cluster_access import Cluster
from tests.cluster.ephd.test_ephd import ClusterSite
from tests.e2e.previews import Preview
from tests.e2e.site import LABEL, REPOSITORY

REGISTRY_OF_RECIPES = "registry.example.com"
TIMEOUT = 180.0


class AppSite(ClusterSite):
    """``app`` is the name of the application, of its program and of its image. ``storage_class``: that of volumes."""

    def __init__(self, home: Path, cluster: Cluster, folder: str, recipe: str, storage_class: str = "") -> None:
        super().__init__(home, cluster)
        self.storage_class = storage_class
        self.app = folder.rpartition("_")[2]
        files = recipe_site.app_files(folder, recipe)
        self.texts = {path: text.replace(REGISTRY_OF_RECIPES, cluster.registry) for path, text in files.items()}
        self.repository_files = dict(self.texts)

    def _toml(self) -> str:
        storage = f'storage_class = "{self.storage_class}"\n'
        return super()._toml() + storage + 'env = { COMPANY_PROXY = "http://proxy.example.com:3128" }\n'

    def build(self, sha: str) -> str:
        """What CI does for a commit; returns the image's digest."""
        content = files_at(self.home / "forge" / "git" / f"{REPOSITORY}.git", sha)
        built = self._go_image(content) if "go.mod" in content else python_images.application_image(content)
        return self.cluster.registry_client().push(built, f"acme/{self.app}", sha[:7])

    def _go_image(self, content: dict[str, bytes]) -> OciImage:
        sources = {path: data for path, data in content.items() if path.endswith((".go", "go.mod", "go.sum"))}
        program = _compile(tuple(sorted(sources.items())))
        base = postgres_image()  # which has a shell and psql
        files = {f"srv/{path}": data for path, data in content.items()} | {f"usr/bin/{self.app}": program}
        layers = (*base.layers, ImageLayer(files))
        return OciImage(layers, (), (self.app,), base.env, working_dir="/srv")

    def open_built_pull(self, branch: str) -> tuple[int, str]:
        """A pull request for a commit whose image exists."""
        sha = self.forge.push(REPOSITORY, branch, {"note.txt": branch})
        self.build(sha)
        number = self.forge.open_pull(REPOSITORY, branch)
        self.forge.label(REPOSITORY, number, LABEL)
        return number, sha

    def preview_built(self, branch: str) -> Preview:
        return self.wait_for_preview(branch, *self.open_built_pull(branch), TIMEOUT)

    def push_built(self, made: Preview, files: dict[str, str]) -> str:
        sha = self.push(made, files)
        self.build(sha)
        return sha

    def environment(self, made: Preview) -> dict[str, Any]:
        return dict(self.api(f"environments/{made.name}"))

    def host_of(self, made: Preview, service: str) -> str:
        """The host name of a public service."""
        return str(self.environment(made)["urls"][service]).partition("://")[2].partition(":")[0]

    def objects(self, made: Preview, kinds: str) -> list[dict[str, Any]]:
        return list(self.cluster.get(kinds, "-n", made.name)["items"])


@cache
def _compile(sources: tuple[tuple[str, bytes], ...]) -> bytes:
    """A static binary."""
    with tempfile.TemporaryDirectory(prefix="eph-go-") as name:
        folder = Path(name)
        for path, data in sources:
            (folder / path).write_bytes(data)
        command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "program", "."]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return (folder / "program").read_bytes()
