"""Wrong values in the sections of an eph.yaml. What is wrong, then what to do."""

from __future__ import annotations

# --- Whole file, app and triggers

BRANCH_EXAMPLE = "use a value such as main"


def unsupported_version(version: str) -> str:
    return f"{version} is not a supported version"


def invalid_team(name: str) -> str:
    return f"{name} is not a valid team name"


TEAM_CHARACTERS = "use up to 60 letters, digits, spaces, dots, underscores and dashes"


def too_many_wildcards(value: str) -> str:
    return f"{value} has too many wildcards"


def wildcard_limit(limit: int) -> str:
    return f"use at most {limit} wildcards (* and ?)"


def not_a_comment_line(value: str) -> str:
    return f"{value} can't be a line of a comment"


USE_SINGLE_LINE = "use a single line without leading or trailing spaces"


# --- Databases


def not_a_version(value: str) -> str:
    return f"{value} is not a version"


QUOTE_THE_VERSION = 'write a number in quotes, such as "15"'
SEED_EMPTY = "the seed is empty"
ADD_SCRIPTS = "add scripts or a command"
SEED_MISSING = "the strategy `seed` has no seed"
ADD_SEED = "add seed with scripts or a command"


def seed_without_effect(strategy: str) -> str:
    return f"seed has no effect with the strategy `{strategy}`"


USE_SEED = "use strategy: seed"


def source_without_effect(strategy: str) -> str:
    return f"source has no effect with the strategy `{strategy}`"


def source_missing(strategy: str) -> str:
    return f"the strategy `{strategy}` needs a source"


ADD_SOURCE = "add source with its name"


def mask_without_effect(strategy: str) -> str:
    return f"mask has no effect with the strategy `{strategy}`"


def without_effect_on_engine(key: str, engine: str) -> str:
    return f"`{key}` has no effect on a database with engine `{engine}`"


ORDER_WITHOUT_EFFECT = "the order has no effect without both a seed and migrations"


# --- The environment


def not_in_host_name(part: str) -> str:
    return f"{part} is not allowed in a host name"


HOST_NAME_CHARACTERS = "use lowercase letters, digits and dashes"
COMMIT_IN_NAME = "{commit_sha} would change the name with every push"
REMOVE_COMMIT = "remove it; the URL must stay the same"
WORDS_MISSING = "{words} is missing, so the URL would be guessable"
NUMBER_MISSING = "{number} is missing, so two environments could get the same name"


def for_example(name: str) -> str:
    return f"use a value such as {name}"


TIME_ZONE_EXAMPLE = "use a value such as UTC or Europe/Berlin"
DOMAIN_EXAMPLE = "use a value such as preview.example.com"
SPAN_OF_HOURS = "a span of hours"
HOURS_EXAMPLE = "use a value such as Mon-Fri 08:00-19:00"


# --- Images


def not_an_image_repository(value: str) -> str:
    return f"{value} is not an image repository"


IMAGE_REPOSITORY_EXAMPLE = "use a repository without a tag, such as registry.example.com/acme/shop"


def not_a_notes_ref(value: str) -> str:
    return f"{value} is not a git notes ref"


NOTES_REF_EXAMPLE = "use the full ref, such as refs/notes/eph"
NO_TAG = "no tag is specified"
ADD_TAG = "add tag_template, tag_pattern, fallback_tag or git_notes: true"


IMAGES_TWICE = "images are set both here and under `environment`"
USE_ONE_IMAGES = "move all of them to one of the two places"


# --- Links


def invalid_link_name(value: str) -> str:
    return f"{value} can't be the text of a link"


LINK_NAME = "use at most 60 printable characters"


def invalid_link(value: str) -> str:
    return f"{value} is not a link"


LINK_EXAMPLE = "use a path such as /admin, or a URL such as {url:api}/docs or https://example.com/{number}"


def unknown_link_placeholder(placeholder: str) -> str:
    return f"unknown placeholder {placeholder}"


LINK_PLACEHOLDERS = "use {url}, {host}, {url:SERVICE}, {host:SERVICE} or a placeholder of names, such as {number}"


# --- Services


def invalid_volume(value: str) -> str:
    return f"{value} is not a valid volume path"


VOLUME_EXAMPLE = "use an absolute path, such as /data, or a folder of the checkout, such as media"


def volume_hides(value: str, other: str) -> str:
    return f"{value} would hide what is in {other}"


USE_OTHER_VOLUME = "use another path, such as /data"
CRON_EXAMPLE = "use the five fields of cron, such as 0 3 * * *"


def invalid_schedule(value: str, field: str, part: str) -> str:
    """Without a ``part``, no date ever matches."""
    return f"{value}: {part} is not a valid {field}" if part else f"{value} matches no date"


NOTHING_TO_RUN = "neither a command nor an image is set"
ADD_COMMAND = "add a command, or an image where the target runs images"
SCHEDULED_AND_PUBLIC = "a scheduled service can't be public"
REMOVE_PUBLIC_OR_SCHEDULE = "remove `public` or `schedule`"
PUBLIC_WITHOUT_HEALTH = "a public service needs a health check"
REMOVE_HEALTH = "remove health, or set public: false"
SCHEDULED_WITH_PORT = "a scheduled service has no port"
REMOVE_PORT_OR_SCHEDULE = "remove `port` or `schedule`"


# --- Labels

LABEL_WITHOUT_EFFECT = "the label changes nothing"
ADD_DISABLE_OR_SIZE = "add `disable` or `size`"
