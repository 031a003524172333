"""A whole Eph with a container engine, whose repository is one of the applications in this folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.cluster.oci import OciImage
from orchestrator.demo.containers import engine_process
from tests.apps import python_images, recipe_site
from tests.e2e.site import Site, wait_until
from tests.targets.compose import compose_machine

PYTHON, POSTGRES = "python:3.11-slim", "postgres:15"
"""The images that the applications' files name. They are built from this machine's programs."""


@contextlib.contextmanager
def compose_site(folder: str, recipe: str) -> Iterator[Site]:
    """The block closes its pull requests; nothing of them remains on the engine."""
    with compose_machine.running_engine() as socket:
        _load(socket, PYTHON, python_images.image_with_pip(recipe_site.APPS / folder / "requirements.txt"))
        _load(socket, POSTGRES, base_images.postgres_image())
        before = compose_machine.everything_on(socket)
        with recipe_site.recipe_site(folder, recipe, _settings(socket)) as site:
            yield site
            wait_until("the engine is as before", lambda: _difference(socket, before), recipe_site.BUILD_TIMEOUT)


def _difference(socket: Path, before: list[str]) -> str:
    return ", ".join(sorted({*compose_machine.everything_on(socket)} ^ {*before}))


def _settings(socket: Path) -> str:
    program = compose_machine.compose_program()
    return (
        '[targets]\nallowed = ["local", "compose"]\n'
        f'[compose]\nsocket = "{socket}"\ncompose = "{program}"\nbuild_network = "none"\n'
    )


def _load(socket: Path, name: str, image: OciImage) -> None:
    archive = socket.parent / "image.tar"
    oci.write_docker_archive(image, name, archive)
    engine_process.load_image(socket, archive)
    archive.unlink()
