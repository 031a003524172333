"""Renders the repository's Helm charts with helm; the output is checked like any other manifest.

A chart is a small program written by the author of the pull request: templates can loop, but can't reach anything. It
gets a copy of its folder and nothing else (``renderer``): ``lookup`` finds nothing, and dependencies must be in its
``charts`` folder. Without a sandbox, what remains is helm's promise that ``template`` contacts nobody.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import manifest_reader, renderer, wording
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest
from programs.targets.kubernetes.manifests.renderer import InputFiles, Renderer
from programs.targets.kubernetes.refusals import Refusals

_SOURCE_COMMENT = re.compile(r"^---\n# Source: [^/\n]*/(.*)\n", re.M)


def render(files: CommitFiles, folder: str, release: ChartRelease) -> list[Manifest]:
    tool = Renderer("helm", "chart", release.helm, {"HELM_NO_PLUGINS": "1"})
    binary = tool.find(wording.rendering.is_a_chart(folder), wording.rendering.CHART_OUTPUT)
    inputs = InputFiles(folder, tool.subject)
    words = _add_chart(inputs, files, folder, release)
    return _objects(folder, renderer.run(tool, [binary, "template", release.name, "chart", *words], inputs))


def _add_chart(inputs: InputFiles, files: CommitFiles, folder: str, release: ChartRelease) -> list[str]:
    """Adds the chart's files as they are in the commit, and the values files. Returns helm's options."""
    for path in files.list_tree(folder):
        inputs.add(f"chart/{path}", files.read_bytes(posixpath.join(folder, path)))
    words, refusals = ["--namespace", release.name, "--skip-tests"], Refusals()
    for index, path in enumerate(release.values_files):
        with refusals.collect():
            manifest_reader.documents(path, files.read_text(path))  # helm reports a mistake in it with its line
            inputs.add(f"values-{index}.yaml", files.read_bytes(path))
            words += ["--values", f"values-{index}.yaml"]
    with refusals.collect():
        inputs.add("values.json", json.dumps(nest_values(release.values)).encode())
    refusals.check()
    return [*words, "--values", "values.json"]


def nest_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """``{"image.tag": "x"}`` as ``{"image": {"tag": "x"}}``."""
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *above, last = path.split(".")
        place = nested
        for key in above:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise KubernetesError(wording.rendering.value_above(path, key))
        if isinstance(place.get(last), dict):
            raise KubernetesError(wording.rendering.values_below(path))
        place[last] = value
    return nested


def _objects(folder: str, text: str) -> list[Manifest]:
    """Grouped by template, so that a rejection can name it."""
    first, *pieces = _SOURCE_COMMENT.split(text)
    templates = [(posixpath.join(folder, path), piece) for path, piece in zip(pieces[::2], pieces[1::2], strict=True)]
    found: list[Manifest] = []
    refusals = Refusals()
    for path, piece in [*([(folder, first)] if first.strip() else []), *templates]:
        with refusals.collect():
            found += manifest_reader.parse(path, piece, rendered=True)
    refusals.check()
    return found
