"""Rules between the sections of an eph.yaml, independent of the server and the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from orchestrator.config import wording
from orchestrator.config.eph_yaml import suggestions
from orchestrator.config.eph_yaml.models.document import EphYaml
from programs import image_references, start_order, variables
from programs.eph_yaml.templates import max_length
from programs.settings import InvalidValue
from programs.spec import POSTGRESQL

MAX_NAME_LENGTH = 53
"""A DNS label can have 63 characters; the rest is for what targets add to the name."""
MAX_BRANCH_LENGTH = 20
"""How much of a branch's name goes into an environment's name."""
_MAX_LENGTHS = {
    "words": 22,
    "number": 7,
    "pr_number": 7,
    "branch": MAX_BRANCH_LENGTH,
    "ref_name": MAX_BRANCH_LENGTH,
    "ref_type": 12,
}

YamlPath = tuple[str | int, ...]
Inconsistency = tuple[YamlPath, InvalidValue]


def inconsistencies(config: EphYaml) -> Iterator[Inconsistency]:
    """Every rule between sections that the file violates."""
    yield from _duplicates((("services", i, "name"), service.name) for i, service in enumerate(config.services))
    yield from _duplicates((("tests", i, "name"), suite.name) for i, suite in enumerate(config.tests))
    images = config.environment.images
    yield from _duplicates((("environment", "images", i, "name"), image.name) for i, image in enumerate(images))
    yield from _duplicate_replacements(config)
    instances = config.database.instances
    yield from _duplicates((("database", "instances", i, "name"), item.name) for i, item in enumerate(instances))
    yield from _server_names(config)
    yield from _mail_names(config)
    yield from _name_length(config)
    yield from _images(config)
    yield from _needs(config)
    yield from _variables(config)
    yield from _libpq_variables(config)
    yield from _placeholders(config)
    yield from _link_placeholders(config)
    yield from _public(config)
    yield from _start_order(config)


def _duplicates(named: Iterable[tuple[YamlPath, str]]) -> Iterator[Inconsistency]:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            yield path, InvalidValue(wording.consistency.duplicate_name(name), wording.consistency.USE_DIFFERENT_NAMES)
        seen.add(name)


def _server_names(config: EphYaml) -> Iterator[Inconsistency]:
    """A database with its own server has logs and processes, like a service."""
    services = {service.name for service in config.services}
    for index, item in enumerate(config.database.instances):
        if item.engine != POSTGRESQL and item.name in services:
            message = wording.consistency.service_has_name(item.name)
            hint = wording.consistency.USE_DIFFERENT_NAMES
            yield ("database", "instances", index, "name"), InvalidValue(message, hint)


def _mail_names(config: EphYaml) -> Iterator[Inconsistency]:
    """The mail catcher has logs and a host name, like a service."""
    if not config.mail:
        return
    named: list[tuple[YamlPath, str]] = [
        (("services", index, "name"), item.name) for index, item in enumerate(config.services)
    ]
    instances = enumerate(config.database.instances)
    named += [(("database", "instances", index, "name"), i.name) for index, i in instances if i.engine != POSTGRESQL]
    for path, name in named:
        if name == variables.MAIL:
            message = wording.consistency.NAME_OF_MAIL_CATCHER
            yield path, InvalidValue(message, wording.consistency.USE_DIFFERENT_NAMES)


def _needs(config: EphYaml) -> Iterator[Inconsistency]:
    """Only suites above can be needed, so none waits for itself."""
    above: list[str] = []
    for index, suite in enumerate(config.tests):
        for place, name in enumerate(suite.needs):
            if name not in above:
                known = wording.consistency.use_one_of(", ".join(above)) if above else wording.consistency.FIRST_SUITE
                yield ("tests", index, "needs", place), InvalidValue(wording.consistency.unknown_suite(name), known)
        above.append(suite.name)


def _name_length(config: EphYaml) -> Iterator[Inconsistency]:
    """Otherwise only the pull request with a long branch name would reveal that a name is too long."""
    lengths = {**_MAX_LENGTHS, "project": len(config.name)}
    for key in ("name_template", "alias_template"):
        template = getattr(config.environment, key)
        most = max_length(template, lengths) if template else 0
        if most > MAX_NAME_LENGTH:
            yield (
                ("environment", key),
                InvalidValue(
                    wording.consistency.name_may_be_too_long(most, MAX_NAME_LENGTH),
                    wording.consistency.SHORTEN_NAME,
                ),
            )


def _images(config: EphYaml) -> Iterator[Inconsistency]:
    known = [image.name for image in config.environment.images]
    for index, service in enumerate(config.services):
        if service.image is None or service.image in known:
            continue
        hint = suggestions.hint(service.image, known, wording.consistency.ADD_TO_IMAGES)
        yield ("services", index, "image"), InvalidValue(wording.consistency.unknown_image(service.image), hint)


def _duplicate_replacements(config: EphYaml) -> Iterator[Inconsistency]:
    """Otherwise it would be unclear which of the two runs."""
    seen: dict[tuple[str, str], str] = {}
    for index, image in enumerate(config.environment.images):
        if image.replaces is None:
            continue
        tag = image.replaces.rpartition("/")[2].partition(":")[2]
        original = image_references.parse(image.replaces).canonical_name, tag
        if original in seen:
            message = wording.consistency.image_already_replaces(seen[original], image.replaces)
            yield ("environment", "images", index, "replaces"), InvalidValue(message, wording.consistency.REMOVE_ONE)
        seen.setdefault(original, image.name)


def _variables(config: EphYaml) -> Iterator[Inconsistency]:
    """A variable has exactly one source; otherwise it would be unclear which one wins."""
    taken = {variables.url_variable(service.name): f"service `{service.name}`" for service in config.services}
    taken |= dict.fromkeys(variables.smtp_variables("", 0), "mail") if config.mail else {}
    for index, item in enumerate(config.database.instances):
        if item.variable in taken:
            message = wording.consistency.variable_taken(item.variable, taken[item.variable])
            yield (
                ("database", "instances", index, "variable"),
                InvalidValue(message, wording.consistency.USE_DIFFERENT_VARIABLE),
            )
        taken.setdefault(item.variable, f"database `{item.name}`")
    environment = config.environment
    for variable in environment.secrets:
        if variable in taken:
            yield ("environment", "secrets", variable), _already_set(variable, taken)
        taken.setdefault(variable, "environment.secrets")
    for variable in environment.env:
        if variable in taken:
            yield ("environment", "env", variable), _already_set(variable, taken)
    for index, service in enumerate(config.services):
        for variable in service.env:
            if variable in taken:
                yield ("services", index, "env", variable), _already_set(variable, taken)


def _already_set(variable: str, taken: dict[str, str]) -> InvalidValue:
    return InvalidValue(wording.consistency.already_set_by(taken[variable]), wording.consistency.REMOVE_ONE)


def _libpq_variables(config: EphYaml) -> Iterator[Inconsistency]:
    chosen = [index for index, item in enumerate(config.database.instances) if item.libpq]
    for index in chosen[1:]:
        message = wording.consistency.LIBPQ_TWICE
        yield ("database", "instances", index, "libpq"), InvalidValue(message, wording.consistency.REMOVE_LIBPQ)


def variable_values(config: EphYaml) -> Iterator[tuple[YamlPath, str, str]]:
    """Every variable that the file sets: its path, its name and its value."""
    sections: list[tuple[YamlPath, Mapping[str, str]]] = [(("environment", "env"), config.environment.env)]
    sections += [(("services", index, "env"), service.env) for index, service in enumerate(config.services)]
    sections += [(("tests", index, "env"), suite.env) for index, suite in enumerate(config.tests)]
    for path, env in sections:
        for name, text in env.items():
            yield (*path, name), name, text


def known_placeholders(config: EphYaml) -> list[str]:
    services = [service.name for service in config.services if not service.schedule]
    sections = (config.section(target) for target in config.sections)
    services += [variables.MAIL] if config.mail else []
    services += [name for section in sections if section for name in section.public_services()]
    return variables.known_placeholders(services, [item.name for item in config.database.instances])


def _placeholders(config: EphYaml) -> Iterator[Inconsistency]:
    """A misspelled service or database. Other words in braces are a notice, because the value may be JSON."""
    known = known_placeholders(config)
    for path, _, text in variable_values(config):
        for placeholder in variables.placeholders(text):
            if placeholder in known or not placeholder.startswith(("url:", "host:", "database.")):
                continue
            close = get_close_matches(placeholder, known, n=1)
            hint = (
                wording.consistency.did_you_mean_placeholder(close[0])
                if close
                else wording.consistency.USE_NAME_OF_FILE
            )
            yield path, InvalidValue(wording.consistency.unknown_placeholder(placeholder[:60]), hint)


def _link_placeholders(config: EphYaml) -> Iterator[Inconsistency]:
    """Links are for people, so they lead to public services. Services that manifests or compose files define aren't
    known here."""
    public = [service.name for service in config.services if service.public]
    for index, item in enumerate(config.links if config.services else ()):
        for placeholder in variables.placeholders(item.url):
            name = placeholder.partition(":")[2]
            if placeholder.startswith(("url:", "host:")) and name not in public:
                message = wording.consistency.not_a_public_service(name[:60])
                yield ("links", index, "url"), InvalidValue(message, wording.consistency.use_one_of(", ".join(public)))


def _public(config: EphYaml) -> Iterator[Inconsistency]:
    if config.services and not any(service.public for service in config.services):
        yield (
            ("services",),
            InvalidValue(wording.consistency.NOTHING_PUBLIC, wording.consistency.SET_PUBLIC),
        )


def _start_order(config: EphYaml) -> Iterator[Inconsistency]:
    """Each service after services that become ready, without cycles."""
    ready = {service.name: service for service in config.services}
    for index, service in enumerate(config.services):
        for place, name in enumerate(service.after):
            path: YamlPath = ("services", index, "after", place)
            if name not in ready:
                yield path, suggestions.unknown_service(name, ready)
            elif ready[name].schedule:
                yield path, InvalidValue(wording.consistency.never_ready(name), "remove it")
    circle = start_order.find_cycle({service.name: service.after for service in config.services})
    for index, service in enumerate(config.services):
        if circle and service.name == circle[0]:
            listed = ", ".join(circle)
            yield (
                ("services", index, "after"),
                InvalidValue(wording.consistency.circular(listed), wording.consistency.REMOVE_AFTER),
            )
