"""Why a field of an object isn't allowed. ``where`` is its path in the object."""

from __future__ import annotations

from collections.abc import Iterable


def must_be_mapping(where: str) -> str:
    return f"{where} must be a mapping"


def must_be_list(where: str) -> str:
    return f"{where} must be a list"


def must_be_number(where: str) -> str:
    return f"{where} must be a number, 0 or greater"


def above_limit(where: str, value: object, limit: int) -> str:
    return f"{where} is {value}; the limit in a preview is {limit}"


def must_be_one_of(where: str, allowed: Iterable[str]) -> str:
    return f"{where} must be {' or '.join(item or 'empty' for item in allowed)}"


def must_be_text(where: str) -> str:
    return f"{where} must be text; put it in quotes"


def must_be_flag(where: str) -> str:
    return f"{where} must be true or false"


def must_be_text_or_number(where: str) -> str:
    return f"{where} must be text or a number"


def missing(where: str, name: str) -> str:
    return f"{where}.{name} is missing"


def not_allowed(where: str) -> str:
    return f"{where} is not allowed in a preview"


def not_allowed_because(where: str, reason: str) -> str:
    return f"{where} is not allowed in a preview: {reason}"


# --- Kinds and metadata


def kind_not_allowed(version: str, kind: str, allowed: Iterable[str]) -> str:
    return f"{version} {kind} isn't allowed in a preview; allowed kinds: {', '.join(allowed)}"


def namespace_is_set(namespace: object) -> str:
    return f"metadata.namespace is {namespace!r}; remove it, because Eph sets the namespace"


INVALID_NAME = "names consist of lowercase letters, digits, dashes and dots"


def reserved_name(prefix: str) -> str:
    return f"names that start with {prefix} are reserved for Eph"


def reserved_key(key: str) -> str:
    return f"{key} is reserved for Eph; remove it"


def annotation_not_allowed(key: str, prefixes: Iterable[str]) -> str:
    return f"the annotation {key} isn't allowed; allowed prefixes: {', '.join(prefixes)}"


# --- Services and secrets


def empty_selector(where: str) -> str:
    return f"{where} is empty; a service without a selector could route anywhere"


def must_be_headless(where: str) -> str:
    return f"{where} must be None"


def service_type(where: str, value: object) -> str:
    return f"{where} is {value}; only ClusterIP is allowed, because people use the preview's URL"


def secret_type(where: str, value: object) -> str:
    return f"{where} {value} is not allowed in a preview"


# --- Pods

HOST_OF_PROBE = "the node itself would send the requests; remove it, and they go to the pod"


def server_secret(where: str, secret: str) -> str:
    return f"{where}: the Secret {secret} is reserved for the server"


def is_root(where: str) -> str:
    return f"{where}: 0 is root, which is not allowed in a preview"


def value_not_allowed(where: str, value: str) -> str:
    return f"{where}: {value} is not allowed in a preview"


def no_token(where: str) -> str:
    return f"{where}: previews don't get a service account token"


def container(name: str) -> str:
    return f"container {name}"


def image_missing(where: str) -> str:
    return f"{where}: image is missing"
