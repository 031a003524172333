"""Why this server doesn't accept an eph.yaml, or ignores a part of it. What is wrong, then what to do."""

from __future__ import annotations

from programs.quoting import quote

# --- Targets


def use_target(target: str) -> str:
    return f"use `target: {target}` and the keys it needs"


ASK_OPERATOR = "ask the operator of this server"


def target_not_installed(target: str) -> str:
    return f"target `{target}` is not installed on this server"


def target_not_allowed(target: str) -> str:
    return f"target `{target}` is not allowed on this server"


def no_label_deploys(target: str) -> str:
    return f"the target `{target}` has no label deploys, because requests reach them without Eph's gateway"


def unknown_target(target: str) -> str:
    return f"unknown target {quote(target)}"


def installed_targets(targets: str) -> str:
    return f"the installed targets are {targets}"


def other_targets_section(section: str, target: str) -> str:
    return f"this section is for the target `{section}`; the target `{target}` ignores it"


# --- Limits, domains and routes


def over_limit(requested: str) -> str:
    return f"{requested} exceeds the limit of this server"


def over_default_limit(problem: str) -> str:
    return f"a server with default limits refuses this: {problem}"


def use_at_most(limit: str) -> str:
    return f"use at most {limit}"


def too_many(count: int, what: str) -> str:
    return f"{count} {what} exceed the limit of this server"


def at_most(limit: int) -> str:
    return f"at most {limit}"


DOMAIN_NOT_ALLOWED = "this server doesn't allow this domain"


def allowed_domains(domains: str) -> str:
    return f"it allows {domains}"


def route_not_allowed(repository: str) -> str:
    return f"this server doesn't allow this route for {repository}"


def ask_for_route(route: str, repository: str) -> str:
    return f'ask the server\'s operator to add "{route}" = "{repository}" to [deploys.routes] in eph.toml'


# --- Secrets and variables


def secret_unreadable(name: str) -> str:
    return f"this server can't read the secret {name} right now"


SEE_EVENTS = "the server's operator can find the reason in ephd's events"


def secret_missing(name: str, repository: str) -> str:
    return f"this server has no secret {name} for {repository}"


ASK_FOR_SECRET = "ask the server's operator to add it for this repository to [secrets] in eph.toml"


def not_for_forks(name: str) -> str:
    return f"forks don't get the secret {name}, so this variable is not set"


def set_by_eph(name: str) -> str:
    return f"Eph itself sets {name}; this value isn't used"


def not_a_placeholder(name: str) -> str:
    return f"{{{name}}} isn't a placeholder, so it stays as it is"


def file_missing(path: str) -> str:
    return f"{quote(path)} doesn't exist in the repository"


COMMIT_FILE = "check the path; it is relative to the repository's root"


# --- Images


def invalid_tag(tag: str) -> str:
    return f"{tag} is not a valid image tag or digest"


TAG_CHARACTERS = "use at most 128 letters, digits, dots and dashes, or sha256: with 64 hex digits"


def image_not_allowed(repository: str) -> str:
    return f"this server does not allow images from {repository}"


def allowed_registries(registries: str) -> str:
    return f"it allows images from {registries}"


# --- Host names


def name_too_long(length: int) -> str:
    return f"the name would be {length} characters long"


def shorten_name(limit: int) -> str:
    return f"shorten it or `name`; the maximum is {limit}"


def label_too_long(label: str) -> str:
    return f"`{label}` is too long for a host name"


SHORTEN_SERVICE_NAME = "shorten the service's name"
NO_SECOND_HOST = "this version of Eph does not support a second host name"


# --- What this version or server doesn't support

PATHS_IGNORED = "this version of Eph ignores the paths of a branch: every push to it counts"
REMOVE_PATHS = "remove paths if that is acceptable"
SIGN_IN_IS_OFF = "this server doesn't support sign-in because its setting previews.sign_in is off"
ASK_FOR_SIGN_IN = "ask its operator to set EPH_PREVIEWS__SIGN_IN=asked, or use sign_in: none if everyone may see it"
CANNOT_IDENTIFY_PEOPLE = "this server can't identify people: everyone who has its preview token has access"
ASK_FOR_PROVIDER = "ask its operator to configure an identity provider, or remove `allow` if that is acceptable"


def strategy_unavailable(strategy: str, target: str) -> str:
    return f"strategy `{strategy}` is not available on target `{target}`"


def engine_unavailable(engine: str, target: str) -> str:
    return f"engine `{engine}` is not available on target `{target}`"


def engine_not_installed(engine: str) -> str:
    return f"engine `{engine}` is not installed on this server"


def ask_for_package(package: str) -> str:
    return f"ask the server's operator to install Debian's package {package}, then push again"


def no_mail_catcher(target: str) -> str:
    return f"the target `{target}` has no mail catcher"


REMOVE_MAIL = "remove it"
NO_DATABASES = "this target has no databases"


def ask_for_database(target: str) -> str:
    return f"ask the server's operator to add one to the setting {target}.templates"


def database_unknown(source: str | None, target: str) -> str:
    return f"this server has no prepared database `{source}` for the target `{target}`"


BAR_IS_OFF = "this server shows no bar because its setting previews.bar is off"
NO_TESTS = "this version of Eph does not run tests on this target"
NEEDS_IDLE_TIMEOUT = "it has no effect without idle_timeout"
