"""Why the files of a commit aren't manifests, and which of them an environment can't have."""

from __future__ import annotations


def too_many_objects(count: int, limit: int) -> str:
    return f"the manifests contain {count} objects; the limit is {limit}"


SAME_NAME_AS_SERVICE = "eph.yaml has a service of the same name; rename one of them"


def no_yaml_files(folder: str) -> str:
    return f"{folder} contains no YAML files"


def too_many_files(folder: str, files: int, characters: int) -> str:
    return (
        f"{folder} contains more than {files} YAML files or {characters} characters. List the paths that belong to the "
        "environment."
    )


# --- YAML


def too_long(path: str, characters: int, limit: int) -> str:
    return f"{path} has {characters} characters; the limit is {limit}"


def invalid_yaml(path: str, problem: str) -> str:
    return f"{path}: invalid YAML: {problem}"


def at_line(path: str, line: int) -> str:
    return f"{path}, line {line}"


def too_much_repeated(place: str) -> str:
    return f"{place}: an alias repeats too much or itself; write the value out"


def too_deep(place: str) -> str:
    return f"{place}: nested too deeply"


def duplicate_key(key: str) -> str:
    return f"duplicate key {key!r}"


def key_not_text(path: str, key: object) -> str:
    return f"{path}: the key {key!r} isn't text; put it in quotes"


def number_too_large(path: str) -> str:
    return f"{path}: a number is too large or not finite; put it in quotes if it is text"


def unknown_type(path: str, kind: str) -> str:
    return f"{path}: a value is a {kind}; remove its tag"


# --- Objects


def not_an_object(path: str, kind: str) -> str:
    return f"{path}: expected a Kubernetes object, not {kind}"


def without_kind(path: str) -> str:
    return f"{path}: an object has no kind or apiVersion"


def without_name(path: str, kind: str) -> str:
    return f"{path}: {kind}: metadata.name is missing; generateName isn't supported"
