"""The demo's CI: builds an image for each commit, pushes it to the cluster's registry, and sets a check on the commit.

It only packs the commit's files and runs none of them. The shop's build runs when the container starts.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from orchestrator.demo.cluster import base_images, wording
from orchestrator.demo.cluster.base_images import BaseImageUnavailable
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.demo.cluster.registry_push import DemoRegistry, PushFailed
from orchestrator.demo.github.demo_github import DemoGitHubError
from programs.kit.errors import TargetError
from programs.kit.git import mirrors

IMAGE_CHECK = "ci/image"
"""The name that the shop's eph.yaml for Kubernetes waits for."""
TAG_LENGTH = 12
APP_DIR = "app"
POLL_INTERVAL = 0.3
SHOP, POSTGRES = "shop", "postgres"
OFFICIAL_POSTGRES = "postgres:{version}"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ImagePublisher:
    """Pushes images below ``prefix``. The shop's images are built on ``base``."""

    registry: DemoRegistry
    prefix: str
    base: OciImage

    @staticmethod
    def create(registry: DemoRegistry, prefix: str) -> ImagePublisher:
        """Push the base image, unless the registry has it, and return a publisher."""
        publisher = ImagePublisher(registry, prefix, base_images.python_image())
        registry.push(publisher.base, f"{prefix}/python", "latest")
        return publisher

    def postgres_image(self, say: Say) -> str:
        """Push an image of this machine's PostgreSQL, or fall back to the official one."""
        try:
            image = base_images.postgres_image()
        except BaseImageUnavailable as error:
            say(wording.public_postgres(OFFICIAL_POSTGRES.format(version=15), error))
            return OFFICIAL_POSTGRES
        digest = self.registry.push(image, f"{self.prefix}/{POSTGRES}", "latest")
        return f"{self.registry.host}/{self.prefix}/{POSTGRES}@{digest}"

    def publish(self, commit: str, files: dict[str, bytes]) -> str:
        """Push the commit's image and return its digest."""
        layer = ImageLayer(
            {f"{APP_DIR}/{path}": content for path, content in files.items()}, writable_dirs=(f"{APP_DIR}/dist",)
        )
        layers = (*self.base.layers, layer)
        labels = {"org.opencontainers.image.revision": commit}
        image = replace(self.base, layers=layers, labels=labels, working_dir=f"/{APP_DIR}")
        return self.registry.push(image, f"{self.prefix}/{SHOP}", commit[:TAG_LENGTH])


class DemoCI:
    """Watches the bare repository ``git_dir``. ``report`` sets a commit's check; ``say`` prints problems."""

    def __init__(
        self, git_dir: Path, publisher: ImagePublisher, report: Callable[[str, str | None], None], say: Say
    ) -> None:
        self._git, self._publisher, self._report, self._say = git_dir, publisher, report, say
        self._built: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ci", daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join(timeout=30)

    def build_new_commits(self) -> None:
        """Build the head of every branch, once."""
        heads = mirrors.git(["--git-dir", str(self._git), "for-each-ref", "--format=%(objectname)", "refs/heads"])
        for commit in dict.fromkeys(heads.decode().split()):
            if commit not in self._built:
                self._built.add(commit)
                try:
                    self._build(commit)
                except (DemoGitHubError, httpx.HTTPError) as error:
                    self._say(wording.ci_cant_report(commit, error))

    def _run(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL):
            try:
                self.build_new_commits()
            except TargetError as error:
                self._say(wording.ci_cant_read(error.sentence))

    def _build(self, commit: str) -> None:
        self._report(commit, None)
        try:
            self._publisher.publish(commit, files_at(self._git, commit))
        except PushFailed as error:
            self._say(wording.ci_cant_push(commit, error))
            self._report(commit, "failure")
        else:
            self._report(commit, "success")


def files_at(git_dir: Path, commit: str) -> dict[str, bytes]:
    """The commit's regular files by path, without links and submodules."""
    packed = mirrors.git(["--git-dir", str(git_dir), "archive", "--format=tar", commit])
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        read = {entry.name: tar.extractfile(entry) for entry in tar if entry.isreg()}
        return {name: file.read() for name, file in read.items() if file is not None}
