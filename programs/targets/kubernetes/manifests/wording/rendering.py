"""Why a Helm chart or a kustomization can't be rendered. ``subject`` is which of the two it is."""

from __future__ import annotations

from collections.abc import Iterable

CHART_OUTPUT = "the rendered chart"
KUSTOMIZATION_OUTPUT = "its output"
NO_ERROR_MESSAGE = "it exited without an error message"


def is_a_chart(folder: str) -> str:
    return f"{folder} is a Helm chart"


def is_a_kustomization(folder: str) -> str:
    return f"{folder} is a kustomization"


def not_installed(needed_for: str, program: str, instead: str) -> str:
    return (
        f"{needed_for}, but {program} isn't installed on this server. Install it on PATH, set kubernetes.{program}, or "
        f"commit {instead}"
    )


def too_many_files(folder: str, subject: str, limit: int) -> str:
    return f"{folder} has too many files; the limit for a {subject} is {limit}"


def too_large(folder: str, subject: str, limit: int) -> str:
    return f"{folder} exceeds the limit for a {subject} of {limit} bytes"


def too_slow(folder: str, subject: str, seconds: int) -> str:
    return f"{folder}: rendering this {subject} took longer than {seconds} s"


def output_too_large(folder: str, subject: str, limit: int) -> str:
    return f"{folder}: this {subject} renders more than {limit} bytes"


def out_of_memory(folder: str, subject: str, megabytes: int) -> str:
    return f"{folder}: rendering this {subject} needs more than {megabytes} MB of memory"


def failed(folder: str, program: str, subject: str, problem: str) -> str:
    return f"{folder}: {program} can't render this {subject}: {problem}"


# --- Values of a chart


def value_above(path: str, key: str) -> str:
    return f"kubernetes.values: {path} conflicts with {key}, which has a value itself"


def values_below(path: str) -> str:
    return f"kubernetes.values: {path} has a value, but other values are nested below it"


# --- Kustomizations


def loads_too_much(folder: str, count: int, limit: int) -> str:
    return f"{folder} loads {count} objects; the limit is {limit}"


def includes_itself(folders: Iterable[str]) -> str:
    return f"it includes itself: {' → '.join(folders)}"


def nested_too_deeply(limit: int) -> str:
    return f"more than {limit} kustomizations include each other"


def second_file(name: str) -> str:
    return f"the folder has {name} too; keep one of them"


def name_its_folder(path: str) -> str:
    return f"{path} is a kustomization; name its folder"


ONE_MAPPING = "expected one mapping"


def runs_programs(key: str) -> str:
    return f"{key} would run programs, which Eph doesn't allow; commit their output instead"


def unknown_key(key: str, known: Iterable[str]) -> str:
    return f"Eph doesn't support {key}; supported: {', '.join(known)}"


def unknown_key_in(key: str, parent: str, known: Iterable[str]) -> str:
    return f"Eph doesn't support {key} in {parent}; supported: {', '.join(known)}"


def expected_list(key: str) -> str:
    return f"{key}: expected a list"


def expected_mapping(key: str) -> str:
    return f"{key}: expected a mapping"


def not_a_path(value: object) -> str:
    return f"{value!r} is not a path"


def not_in_repository(path: str) -> str:
    return f"{path!r} is not in this repository; copy it here"


def no_kustomization(folder: str) -> str:
    return f"{folder} is a folder without a kustomization; name its files"


def not_key_value(path: str, line: str) -> str:
    return f"{path}: {line!r} is not key=value"


PATCH = "a patch"
PATCH_NEEDS_TARGET = "a list of patch operations needs a target"


def patch_without_object(kind: str, name: str) -> str:
    return f"not applied: a patch for {kind} {name}, which this kustomization doesn't contain"


def transformer_runs_programs(item: object) -> str:
    return f"{item!r}: a transformer that isn't built into kustomize would run programs; commit its output instead"


def url_in_transformer(url: str) -> str:
    return f"{url!r} in a transformer is not in this repository; copy it here"
