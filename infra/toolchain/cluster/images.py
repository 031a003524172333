"""Container images of the test cluster: those that its node runs itself, and those that tests deploy.

How an image is made and pushed without a daemon and without the internet is the demo's, which plays CI
(orchestrator/demo/cluster: oci.py, registry_push.py, base_images.py).

    python3 images.py system FOLDER BIN          the images that the node itself runs, as archives in FOLDER
    python3 images.py samples REGISTRY BIN       the images that tests deploy, pushed to REGISTRY
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from orchestrator.demo.cluster.base_images import postgres_image
from orchestrator.demo.cluster.oci import ImageLayer, OciImage, write_docker_archive


def system(tools: Path, coredns: Path) -> dict[str, OciImage]:
    """What the node runs itself, never pulled: no registry is called so. Root, as far as their pods allow it."""
    ours, names = ImageLayer({"tools": tools}), ImageLayer({"coredns": coredns})
    return {
        "pause": OciImage((ours,), ("pause",), ("/tools",), user="0"),
        "ingress": OciImage((ours,), ("ingress",), ("/tools",), user="0"),
        "coredns": OciImage((names,), (), ("/coredns",), user="0"),
    }


@cache
def _tools(path: Path) -> ImageLayer:
    return ImageLayer({"usr/bin/tools": path})


def app(tools: Path, version: str, labels: Mapping[str, str] | None = None) -> OciImage:
    """The app that tests deploy, with a shell and PostgreSQL's client in it."""
    base = postgres_image()
    layers = (*base.layers, _tools(tools))
    return OciImage(layers, ("tools", "serve"), (), {**base.env, "APP_VERSION": version}, labels=labels or {})


def main(arguments: list[str]) -> None:
    what, place, binaries = arguments[0], arguments[1], Path(arguments[2])
    if what == "system":
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in system(binaries / "tools", binaries / "coredns").items():
            write_docker_archive(image, f"cluster.test/{name}:1", folder / f"{name}.tar")
        return
    # Needs packages, which a bare Python does not have.
    from orchestrator.demo.cluster.registry_push import DemoRegistry

    registry = DemoRegistry(place, os.environ.get("REGISTRY_USER", ""), os.environ.get("REGISTRY_PASSWORD", ""))
    samples = {("library/postgres", "15"): postgres_image()}
    for version in ("v1", "v2"):
        samples["acme/shop", version] = app(binaries / "tools", version)
    for (repository, tag), image in samples.items():
        sys.stdout.write(f"{repository}:{tag} {registry.push(image, repository, tag)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
