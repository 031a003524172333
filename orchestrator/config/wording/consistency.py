"""Parts of an eph.yaml that contradict each other. What is wrong, then what to do."""

from __future__ import annotations


def duplicate_name(name: str) -> str:
    return f"duplicate name `{name}`"


def service_has_name(name: str) -> str:
    return f"a service is named `{name}`, too"


NAME_OF_MAIL_CATCHER = "`mail` is the name of the mail catcher"
USE_DIFFERENT_NAMES = "use a different one for each"


def use_one_of(names: str) -> str:
    return f"use one of {names}"


FIRST_SUITE = "the first suite can't depend on another one"


def unknown_suite(name: str) -> str:
    return f"no suite named `{name}` is defined above"


def name_may_be_too_long(length: int, limit: int) -> str:
    return f"a name could have {length} characters; the maximum is {limit}"


SHORTEN_NAME = "shorten `name` or truncate a placeholder, as in {branch:0:10}"
ADD_TO_IMAGES = "add it to environment.images"


def unknown_image(image: str) -> str:
    return f"unknown image `{image}`"


def image_already_replaces(image: str, original: str) -> str:
    return f"image `{image}` already replaces {original}"


def variable_taken(variable: str, setter: str) -> str:
    return f"`{variable}` is already set by {setter}"


USE_DIFFERENT_VARIABLE = "use a different variable"


def already_set_by(setter: str) -> str:
    return f"already set by {setter}"


REMOVE_ONE = "remove one of the two"
LIBPQ_TWICE = "two databases can't both set PGHOST and the other PG variables"
REMOVE_LIBPQ = "remove libpq from one of them"


def did_you_mean_placeholder(name: str) -> str:
    return f"did you mean {{{name}}}?"


USE_NAME_OF_FILE = "use a service or database of this file"


def unknown_placeholder(name: str) -> str:
    return f"unknown placeholder {{{name}}}"


def not_a_public_service(name: str) -> str:
    return f"no public service is named `{name}`"


NOTHING_PUBLIC = "no service is public, so nothing would respond at the URL"
SET_PUBLIC = "set public: true on one service"


def did_you_mean(name: str) -> str:
    return f"did you mean `{name}`?"


def the_services_are(names: str) -> str:
    return f"the services are {names}"


def unknown_service(name: str) -> str:
    return f"unknown service `{name}`"


def never_ready(name: str) -> str:
    return f"`{name}` runs on a schedule, so it never becomes ready"


def circular(names: str) -> str:
    return f"circular dependency between {names}"


REMOVE_AFTER = "remove one `after`"


# --- Labels and sizes

NOTHING_PUBLIC_LEFT = "without these services, no public service is left, so nothing would respond at the URL"
KEEP_ONE_PUBLIC = "keep one public service"
REMOVE_LABEL = "remove one of the labels from the pull request"
ONLY_SERVICES_OF_FILE = "only services of this file can be turned off, not those of manifests or compose files"
ADD_SIZES = "add it under `sizes`"


def starts_after(service: str, disabled: str) -> str:
    return f"`{service}` starts after `{disabled}`"


def uses_url_of(service: str, disabled: str) -> str:
    return f"`{service}` uses the address of `{disabled}`"


def disable_too(service: str) -> str:
    return f"disable `{service}`, too, or change it"


def sizes_differ(labels: str) -> str:
    return f"the labels {labels} select different sizes"


def unknown_size(size: str) -> str:
    return f"unknown size `{size}`"
