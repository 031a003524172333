"""Runs the repository's tests against an environment on the cluster, next to ephd: in the kit's sandbox, in a checkout
of that exact commit.

Requires bubblewrap: a server that reaches a cluster holds its credentials, and without a sandbox a pull request's tests
could read them. Nothing has been built in the checkout; a suite installs what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from programs.kit import files, identifiers, suite_runs
from programs.kit.git import checkouts
from programs.kit.host_settings import DEFAULT_PATH, HostSettings, check_toolbox, read_variables
from programs.kit.processes import sandbox
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.kubernetes import wording
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.settings import KubernetesSettings


def command_line(
    settings: KubernetesSettings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]
) -> list[str]:
    host = _host_settings(settings)
    if not sandbox.works():
        raise KubernetesError(wording.NO_SUITE_SANDBOX)
    folder = host.env(object_names.namespace(spec.name))
    commit = identifiers.check_commit(spec.source.commit)
    with files.locked(folder / "tests.lock"):
        checkout = folder / "src" / f"{commit[:12]}-tests"
        for path in folder.glob("src/*"):
            if path != checkout:
                files.remove(path)
        if not checkout.exists():
            checkouts.create(host, (spec.source.clone_url, commit), checkout)
        files.make_folder(folder / "home" / "tmp")
    return suite_runs.command_line(host, spec, suite, env)


def read_report(settings: KubernetesSettings, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    return suite_runs.read_report(_host_settings(settings), spec, suite, max_bytes)


def list_folders(settings: KubernetesSettings) -> Iterator[Path]:
    """The folders of test runs on this machine, by environment."""
    envs = _host_settings(settings).envs
    if envs.is_dir():
        yield from sorted(path for path in envs.iterdir() if identifiers.LABEL.fullmatch(path.name))


def delete(settings: KubernetesSettings, name: str) -> None:
    files.remove(_host_settings(settings).env(object_names.namespace(name)))


def _host_settings(settings: KubernetesSettings) -> HostSettings:
    toolbox = tuple(item for item in settings.toolbox.split(os.pathsep) if item)
    check_toolbox(toolbox, settings.root)
    return HostSettings(
        settings.root,
        toolbox=toolbox,
        path=settings.path or DEFAULT_PATH,
        variables=tuple(read_variables(settings.tools_env).items()),
        ca_file=settings.ca_file,
    )
