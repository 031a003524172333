"""The repository's own tests, asked of an environment on the cluster and run beside ephd: in the sandbox of the target
``local``, in a checkout of that very commit.

Only where bubblewrap works: a server that reaches a cluster holds a key to it, and without a sandbox a pull request's
tests could read that. Nothing was built in the checkout; a suite installs what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from programs.kubernetes import names
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings
from programs.local import checkouts, files, identifiers, sandbox, suites
from programs.local.settings import Settings as LocalSettings
from programs.local.settings import from_mapping
from programs.spec import EnvironmentSpec, SuiteSpec


def prepare(on: Settings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
    local = _local(on)
    if sandbox.kind(local) != "bubblewrap":
        raise KubernetesError(
            "this server has no sandbox for tests: bubblewrap does not work here (in a pod it needs user namespaces); "
            "run them in CI against the preview's URL"
        )
    folder = local.env(names.namespace(spec.name))
    commit = identifiers.commit(spec.source.commit)
    with files.locked(folder / "tests.lock"):
        checkout = folder / "src" / f"{commit[:12]}-tests"
        for path in folder.glob("src/*"):
            if path != checkout:
                files.remove(path)
        if not checkout.exists():
            checkouts.make(local, (spec.source.clone_url, commit), checkout)
        files.folder(folder / "home" / "tmp")
    return suites.prepare(local, spec, suite, env)


def report(on: Settings, spec: EnvironmentSpec, suite: SuiteSpec, most: int) -> bytes | None:
    return suites.report(_local(on), spec, suite, most)


def folders(on: Settings) -> Iterator[Path]:
    """By environment, what its tests have on this machine."""
    envs = _local(on).envs
    if envs.is_dir():
        yield from sorted(path for path in envs.iterdir() if identifiers.LABEL.fullmatch(path.name))


def forget(on: Settings, name: str) -> None:
    files.remove(_local(on).env(names.namespace(name)))


def _local(on: Settings) -> LocalSettings:
    return from_mapping({"root": str(on.root), "toolbox": on.toolbox, "path": on.path, "sandbox": "auto"})
