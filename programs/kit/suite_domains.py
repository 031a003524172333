"""Test suites of targets that run nothing else on this machine: each environment's in a domain of its own.

A server that reaches a cloud or a cluster often has a role, whose credentials its metadata address hands to every
process. A suite has no network but the relay: a proxy, which never connects there, and the environment's own URLs. What
suites share on this machine starts with the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from programs.kit import files, identifiers, suite_runs
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import domains, limits, outbound, public_urls, users
from programs.kit.processes import process_table, sandbox, supervisor
from programs.spec import EnvironmentSpec, SuiteSpec

_URLS = ("PREVIEW_URL", "_PUBLIC_URL")


def command_line(
    host: HostSettings, url_template: str, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]
) -> list[str]:
    """``env`` are Eph's variables: the URLs in them are those that the suite can open."""
    suite_runs.create_checkout(host, spec, users.reserve(host, spec.name) if sandbox.works() else None)
    names = _own_names(env)
    public_urls.write_hosts(host.domain_record(spec.name).parent, names)
    supervisor.ensure(host)
    outbound.ensure(host, url_template, elsewhere=True)
    domain = domains.ensure(host, spec.name)
    variables = {**outbound.proxy_variables(host, names), **env}
    return suite_runs.command_line(host, spec, suite, variables, domain, names)


def remove(host: HostSettings, name: str) -> None:
    """Ends the environment's suites and removes their folder, which goes last so that an interrupted removal is found
    again."""
    if host.env(identifiers.check_label(name, "environment")).exists():
        domains.remove(host, name)
        process_table.kill(process_table.started_for(host.env(name), f"{host.launches}/{name}."))
        files.remove(host.env(name))
        users.release(host, name)


def stop(host: HostSettings) -> None:
    if host.root.exists():
        supervisor.stop(host)
        limits.remove_empty(host)


def _own_names(env: Mapping[str, str]) -> list[str]:
    found = {urlsplit(value).hostname for name, value in env.items() if name.endswith(_URLS)}
    return sorted(name for name in found if name)
