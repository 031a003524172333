"""Checks an eph.yaml as a server would, without one: the same code, with a sample pull request and without limits.

Only the server knows its limits, its secrets and its prepared databases, so what exceeds the default limits is a
notice, and the others aren't checked. What a server can't know before it runs the file is checked if there is a folder:
the files that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from orchestrator.config import wording
from orchestrator.config.eph_yaml import unsupported
from orchestrator.config.eph_yaml.admission import AdmissionPolicy, SecretGrants, limit_problems, resolve_target
from orchestrator.config.eph_yaml.named_files import named_files
from orchestrator.config.eph_yaml.parsing import FILE, Document, parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig, Problem
from programs import registry
from programs.eph_yaml.target_section import Finding
from programs.spec import DEFAULT_TARGET
from stacks import keys, names

_UNLIMITED = 10_000
_FOREVER = timedelta(days=10_000)
_SAMPLE_REPOSITORY = "acme/shop"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """``target`` is the one that the file was checked for; empty if it can't be read. ``guessed``: the file doesn't
    name it, so a server with another default target uses that one."""

    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    target: str = ""
    guessed: bool = False


def check(text: bytes, filename: str = FILE, default_target: str = "", root: Path | None = None) -> CheckedFile:
    """``default_target``: that of the server. ``root``: the folder with the repository's files, if there is one."""
    try:
        document = parse(text, filename)
    except InvalidConfig as error:
        return CheckedFile(error.lines())
    policy = _policy(document, default_target or DEFAULT_TARGET)
    target = resolve_target(document.config, policy)
    guessed = not default_target and not document.config.target and not document.config.sections
    if target not in policy.installed_targets:
        return CheckedFile((str(_unknown_target(document, target, policy)),), (), target)
    found = [*_server_problems(document, policy), *(_missing_files(document, target, root) if root else ())]
    lines = InvalidConfig(found).lines() if found else ()
    notices = [*unsupported.notices(document, policy), *map(str, _over_default_limits(document, policy))]
    notices += [str(document.problem(item.path, item.message)) for item in _hints(document, target)]
    return CheckedFile(lines, tuple(notices), target, guessed)


def _unknown_target(document: Document, target: str, policy: AdmissionPolicy) -> Problem:
    hint = wording.admission.installed_targets(", ".join(sorted(policy.installed_targets)))
    return document.problem(("target",), wording.admission.unknown_target(target), hint)


def _server_problems(document: Document, policy: AdmissionPolicy) -> tuple[Problem, ...]:
    try:
        build_recipe(document, _context(document), policy)
    except InvalidConfig as error:
        return error.problems
    return ()


def _policy(document: Document, default_target: str) -> AdmissionPolicy:
    """Installed targets only: nothing is known about others. Everything else is allowed."""
    config, installed = document.config, frozenset(registry.descriptions())
    sources = frozenset(item.template.source for item in config.database.instances if item.template.source)
    return AdmissionPolicy(
        installed_targets=installed,
        allowed_targets=installed,
        default_target=default_target,
        max_ttl=_FOREVER,
        idle_timeout=_FOREVER,
        domains=frozenset({config.environment.dns.domain}) if config.environment.dns else frozenset(),
        max_services=_UNLIMITED,
        max_public_services=_UNLIMITED,
        max_databases=_UNLIMITED,
        max_command_timeout=_FOREVER,
        max_health_deadline=_FOREVER,
        sign_in_available=True,
        knows_people=True,
        templates=dict.fromkeys(installed, sources),
        app_routes={config.app.route: _SAMPLE_REPOSITORY} if config.app else {},
    )


def _over_default_limits(document: Document, policy: AdmissionPolicy) -> Iterator[Problem]:
    """What a server refuses unless its operator raised the limit."""
    for problem in limit_problems(document, AdmissionPolicy(domains=policy.domains), domain=""):
        yield replace(problem, message=wording.admission.over_default_limit(problem.message))


def _hints(document: Document, target: str) -> Iterable[Finding]:
    found = registry.describe(target)
    return found.hints(document.config.model_dump(exclude_unset=True)) if found else ()


def _context(document: Document) -> RecipeContext:
    key = keys.pull_request(1, 1)
    return RecipeContext(
        key=key,
        repository_name=_SAMPLE_REPOSITORY,
        head_sha="0" * 40,
        head_ref="feature",
        clone_url="",
        random_words=names.unguessable_words(b"\0" * 32, key),
        grants=SecretGrants(granted=dict.fromkeys(document.config.environment.secrets.values(), "")),
    )


def _missing_files(document: Document, target: str, root: Path) -> Iterator[Problem]:
    """Of the parts that the target uses."""
    config = document.config
    unused = {name for name in config.sections if name != target}
    if not config.database.enabled:
        unused.add("database")
    for path, name in named_files(config):
        if path[0] not in unused and not (root / name).exists():
            yield document.problem(path, wording.admission.file_missing(name), wording.admission.COMMIT_FILE)
