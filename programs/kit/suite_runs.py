"""Prepares a run of the repository's tests in a sandbox next to ephd, in the checkout of that exact commit.

On targets that build here, the checkout is the service's own, including everything that the build created. On others,
``create_checkout`` creates one, and a suite installs what it needs. Untrusted code writes the suite's report, so it is
opened without following links, and only if it is a regular file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from programs.kit import files, identifiers, suite_screenshots, wording
from programs.kit.build_cache import builds
from programs.kit.errors import TargetError
from programs.kit.git import checkouts
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import users
from programs.kit.isolation.public_urls import LOOPBACK_SUFFIX
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec


def command_line(
    settings: HostSettings,
    spec: EnvironmentSpec,
    suite: SuiteSpec,
    env: Mapping[str, str],
    domain: Path | None = None,
    names: Iterable[str] | None = None,
) -> list[str]:
    """``domain``: the record of the environment's domain, if the suite runs in it. ``names``: the host names that are
    on the suite's own loopback. None: those of the environment that are on this machine's."""
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    name = identifiers.check_label(suite.name, "suite")
    checkout = _checkout(folder, spec)
    cache = builds.existing_cache(settings, spec.name, checkout)
    place = Workspace(
        checkout, folder / "home", _hosts(folder, _local_names(spec) if names is None else names), domain, cache=cache
    )
    launch = sandbox.sandboxed(settings, place, suite.command.run, {**spec.env, **suite.env, **env})
    return sandbox.write_launch_file(folder / "run" / f"tests-{name}.json", launch)


def create_checkout(settings: HostSettings, spec: EnvironmentSpec, uid: int | None = None) -> None:
    """For targets that build elsewhere: a checkout in which nothing was built, in place of those of earlier commits.

    Requires bubblewrap, because such a server holds credentials, and without a sandbox a pull request's tests could
    read them. ``uid``: the user that owns the checkout. None: Eph's own."""
    if not sandbox.works():
        raise TargetError(wording.NO_SUITE_SANDBOX)
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    commit = identifiers.check_commit(spec.source.commit)
    with files.locked(folder / "tests.lock"):
        checkout = folder / "src" / f"{commit[:12]}-tests"
        for path in folder.glob("src/*"):
            if path != checkout:
                files.remove(path)
        if not checkout.exists():
            checkouts.create(settings, (spec.source.clone_url, commit), checkout)
        files.make_folder(folder / "home" / "tmp")
        if uid is not None:
            for path in (checkout, folder / "home"):
                users.give(path, uid)


def list_folders(settings: HostSettings) -> list[Path]:
    """The folders of environments on this machine."""
    found = settings.envs.iterdir() if settings.envs.is_dir() else ()
    return sorted(path for path in found if identifiers.LABEL.fullmatch(path.name))


def read_report(settings: HostSettings, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    try:
        with files.open_regular_file(_checkout(folder, spec), suite.junit) as file:
            return os.read(file, max_bytes + 1) if file >= 0 else None
    except (OSError, TargetError):
        return None


def read_screenshots(settings: HostSettings, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    try:
        return suite_screenshots.read(_checkout(folder, spec), suite.artifacts, since)
    except (OSError, TargetError):
        return Screenshots()


def _checkout(folder: Path, spec: EnvironmentSpec) -> Path:
    """The checkout of that commit. Until the next update, its generation may differ from the one this version
    computes."""
    commit = identifiers.check_commit(spec.source.commit)
    found = sorted((folder / "src").glob(f"{commit[:12]}-*"))
    if not found:
        raise TargetError(wording.no_checkout(commit))
    return found[-1]


def _local_names(spec: EnvironmentSpec) -> list[str]:
    names = [identifiers.service_host(spec, item.name) for item in spec.services if item.public] or [spec.host]
    return [name for name in names if name.endswith(LOOPBACK_SUFFIX)]


def _hosts(folder: Path, names: Iterable[str]) -> Path | None:
    """Maps the names to the loopback, because not every program resolves names under .localhost."""
    listed = sorted(names)
    if not listed:
        return None
    own = Path("/etc/hosts")
    known = own.read_text(errors="replace") if own.exists() else "127.0.0.1 localhost\n"
    path = folder / "run" / "hosts"
    files.write(path, f"{known.rstrip()}\n127.0.0.1 {' '.join(listed)}\n", mode=0o644)
    return path
