"""Invalid values in eph.yaml. What is wrong, then what to write instead."""

from __future__ import annotations

# --- Texts


def is_boolean(value: str) -> str:
    return f"{value} is a boolean, not text"


USE_QUOTES = "put it in quotes"
VALUE_MISSING = "the value is missing"
ADD_VALUE = "add a value or remove the key"


def text_too_long(length: int) -> str:
    return f"the text has {length:,} characters"


def use_at_most(limit: int) -> str:
    return f"use at most {limit:,}"


# --- Names


def invalid_name(value: str) -> str:
    return f"{value} is not a valid name"


NAME_CHARACTERS = "use 1 to 30 lowercase letters, digits and single dashes; start with a letter, don't end with a dash"


def invalid_variable(value: str) -> str:
    return f"{value} is not a valid variable name"


VARIABLE_CHARACTERS = "use letters, digits and underscores; don't start with a digit"


def reserved_variable(value: str) -> str:
    return f"{value} is set by Eph itself"


USE_OTHER_VARIABLE = "use a name other than PORT or EPH_…"

# --- Paths


def invalid_path(value: str) -> str:
    return f"{value} is not a path"


PATH_EXAMPLE = "use a path in the repository, such as ./db/schema.sql"


def outside_of_repository(value: str) -> str:
    return f"{value} is outside of the repository"


USE_RELATIVE_PATH = "use a path relative to the repository's root, without `..`"


def path_not_allowed(value: str) -> str:
    return f"{value} is not allowed as a file of the repository"


PATH_RULES = "the path must not be in .git, and no part of it can start with a dash"


def invalid_url_path(value: str) -> str:
    return f"{value} is not a URL path"


URL_PATH_EXAMPLE = "start with a slash, such as /healthz"

# --- Amounts


def does_not_match(value: str, description: str) -> str:
    return f"{value} is not {description}"


CPU = "an amount of CPU"
CPU_EXAMPLE = "use a value such as 500m or 2"
MEMORY = "an amount of memory"
MEMORY_EXAMPLE = "use a value such as 512Mi or 2Gi"


def invalid_duration(value: str) -> str:
    return f"{value} is not a duration"


DURATION_EXAMPLE = "use a number and a unit, such as 30m, 72h or 7d"


def out_of_range(value: str) -> str:
    return f"{value} is out of range"


DURATION_RANGE = "use more than 0s and at most 365d"

# --- Templates


def template_too_long(length: int) -> str:
    return f"the template has {length} characters"


def single_brace(brace: str, position: int) -> str:
    return f"a single '{brace}' at character {position}"


PLACEHOLDER_EXAMPLE = "use {name} for a placeholder"


def unknown_placeholder(name: str, position: int) -> str:
    return f"unknown placeholder {{{name}}} at character {position}"


def did_you_mean(name: str) -> str:
    return f"did you mean {{{name}}}?"


def known_placeholders(names: tuple[str, ...]) -> str:
    return f"known placeholders: {', '.join(f'{{{name}}}' for name in names)}"


def invalid_slice(name: str, position: int) -> str:
    return f"invalid slice of {{{name}}} at character {position}"


def slice_example(name: str) -> str:
    return f"use {{{name}:0:7}} for the first seven characters"


def no_value(name: str) -> str:
    return f"{{{name}}} has no value here"


USE_OTHER_PLACEHOLDER = "use another placeholder"
