"""Runs the repository's tests against an environment on AWS, next to ephd: in a sandbox, in a checkout of that exact
commit, without this machine's network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from programs.kit import suite_domains, suite_runs
from programs.kit.host_settings import DEFAULT_PATH, HostSettings, check_toolbox, read_variables
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.aws.settings import AwsSettings, split_list


def command_line(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
    return suite_domains.command_line(_host_settings(settings), settings.url, spec, suite, env)


def read_report(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    return suite_runs.read_report(_host_settings(settings), spec, suite, max_bytes)


def read_screenshots(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
    return suite_runs.read_screenshots(_host_settings(settings), spec, suite, since)


def list_folders(settings: AwsSettings) -> list[Path]:
    """The folders of test runs on this machine, by environment."""
    return suite_runs.list_folders(_host_settings(settings)) if settings.root else []


def remove(settings: AwsSettings, name: str) -> None:
    if settings.root:
        suite_domains.remove(_host_settings(settings), name)


def stop(settings: AwsSettings) -> None:
    if settings.root:
        suite_domains.stop(_host_settings(settings))


def _host_settings(settings: AwsSettings) -> HostSettings:
    """With an empty routes folder, because the broker listens next to it and each target needs its own broker."""
    root = Path(settings.root).absolute()
    toolbox = tuple(item for item in settings.toolbox.split(os.pathsep) if item)
    check_toolbox(toolbox, root)
    return HostSettings(
        root,
        routes_folder=root / "suites" / "routes",
        toolbox=toolbox,
        path=settings.path or DEFAULT_PATH,
        variables=tuple(read_variables(settings.tools_env).items()),
        ca_file=settings.ca_file,
        egress_allow=split_list(settings.egress_allow),
        egress_proxy=settings.machine_proxy,
        first_uid=int(settings.first_uid),
    )
