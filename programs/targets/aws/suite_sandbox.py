"""Runs the repository's tests against an environment on AWS, next to ephd: in a sandbox, in a checkout of that exact
commit.

A machine with a role answers at the metadata address with that role's credentials, so a suite has no network but the
proxy, which never connects there. What suites share on this machine starts with the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from programs.kit import files, identifiers, suite_runs
from programs.kit.host_settings import DEFAULT_PATH, HostSettings, check_toolbox, read_variables
from programs.kit.isolation import domains, limits, outbound, users
from programs.kit.processes import process_table, sandbox, supervisor
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.aws.settings import AwsSettings, split_list


def command_line(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
    host = _host_settings(settings)
    suite_runs.create_checkout(host, spec, users.reserve(host, spec.name) if sandbox.works() else None)
    supervisor.ensure(host)
    outbound.ensure(host, settings.url)
    domain = domains.ensure(host, spec.name)
    return suite_runs.command_line(host, spec, suite, {**outbound.proxy_variables(host), **env}, domain)


def read_report(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    return suite_runs.read_report(_host_settings(settings), spec, suite, max_bytes)


def read_screenshots(settings: AwsSettings, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
    return suite_runs.read_screenshots(_host_settings(settings), spec, suite, since)


def list_folders(settings: AwsSettings) -> list[Path]:
    """The folders of test runs on this machine, by environment."""
    return suite_runs.list_folders(_host_settings(settings)) if settings.root else []


def remove(settings: AwsSettings, name: str) -> None:
    """Ends the environment's suites and removes their folder, which goes last so that an interrupted removal is found
    again."""
    if not settings.root:
        return
    host = _host_settings(settings)
    if host.env(identifiers.check_label(name, "environment")).exists():
        domains.remove(host, name)
        process_table.kill(process_table.started_for(host.env(name), f"{host.launches}/{name}."))
        files.remove(host.env(name))
        users.release(host, name)


def stop(settings: AwsSettings) -> None:
    if settings.root and Path(settings.root).exists():
        host = _host_settings(settings)
        supervisor.stop(host)
        limits.remove_empty(host)


def _host_settings(settings: AwsSettings) -> HostSettings:
    """An empty folder of routes of its own, because the broker listens next to it and each target needs its own
    broker."""
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
        first_uid=int(settings.first_uid),
    )
