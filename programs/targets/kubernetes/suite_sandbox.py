"""Runs the repository's tests against an environment on the cluster, next to ephd: in a sandbox, in a checkout of that
exact commit, without this machine's network.

Requires bubblewrap, because a server that reaches a cluster holds its credentials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from programs.kit import suite_domains, suite_runs
from programs.kit.host_settings import DEFAULT_PATH, HostSettings, check_toolbox, read_variables
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.settings import KubernetesSettings


def command_line(
    settings: KubernetesSettings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]
) -> list[str]:
    return suite_domains.command_line(_host_settings(settings), settings.url, spec, suite, env)


def read_report(settings: KubernetesSettings, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    return suite_runs.read_report(_host_settings(settings), spec, suite, max_bytes)


def read_screenshots(
    settings: KubernetesSettings, spec: EnvironmentSpec, suite: SuiteSpec, since: float
) -> Screenshots:
    return suite_runs.read_screenshots(_host_settings(settings), spec, suite, since)


def list_folders(settings: KubernetesSettings) -> list[Path]:
    """The folders of test runs on this machine, by environment."""
    return suite_runs.list_folders(_host_settings(settings))


def remove(settings: KubernetesSettings, name: str) -> None:
    suite_domains.remove(_host_settings(settings), object_names.namespace(name))


def stop(settings: KubernetesSettings) -> None:
    suite_domains.stop(_host_settings(settings))


def _host_settings(settings: KubernetesSettings) -> HostSettings:
    """A folder of routes of its own, which stays empty: the broker listens next to it, and each target has its own
    broker. Suites reach what previews reach, and their own URLs."""
    toolbox = tuple(item for item in settings.toolbox.split(os.pathsep) if item)
    check_toolbox(toolbox, settings.root)
    return HostSettings(
        settings.root,
        routes_folder=settings.root / "suites" / "routes",
        toolbox=toolbox,
        path=settings.path or DEFAULT_PATH,
        variables=tuple(read_variables(settings.tools_env).items()),
        ca_file=settings.ca_file,
        egress="proxy" if settings.egress == "internet" else "none",
        egress_allow=settings.allowed_networks,
        egress_proxy=settings.machine_proxy,
        first_uid=int(settings.suite_first_uid),
    )
