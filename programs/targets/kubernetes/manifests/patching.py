"""The two kinds of patches that kustomizations use: merges that know Kubernetes' lists by name, and RFC 6902."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from programs.targets.kubernetes.rendering.namespace_objects import Data

MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "envFrom": "",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "",
    "imagePullSecrets": "name",
}
"""Lists whose items are one and the same when this key is; ``ports`` have containerPort or port for it."""


class InvalidPatch(ValueError):
    """The patch does not fit what it is for; the message says where."""


def strategic_merge(data: Data, patch: Data) -> Data | None:
    """A strategic merge: mappings into each other, known lists item by item, all else replaced. None: it is deleted."""
    if patch.get("$patch") == "delete":
        return None
    return _merge_mapping(data, patch)


def _merge_mapping(old: Mapping[str, Any], new: Mapping[str, Any]) -> Data:
    if new.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in new.items() if key != "$patch"}
    merged = dict(old)
    for key, value in new.items():
        if key.startswith("$"):
            raise InvalidPatch(f"{key} is not known to Eph")
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge_mapping(merged[key], value)
        elif isinstance(value, list) and isinstance(merged.get(key), list) and key in MERGE_KEYS:
            merged[key] = _merge_list(merged[key], value, key)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _merge_list(old: Sequence[Any], new: Sequence[Any], key: str) -> list[Any]:
    merged = list(old)
    for item in new:
        if not isinstance(item, dict):
            raise InvalidPatch(f"an item of {key} is no mapping")
        identity = MERGE_KEYS[key] or ("containerPort" if "containerPort" in item else "port")
        place = next((i for i, known in enumerate(merged) if known.get(identity) == item.get(identity)), None)
        if item.get("$patch") == "delete":
            merged = [known for i, known in enumerate(merged) if i != place]
        elif place is None or key == "envFrom":
            merged.append(copy.deepcopy(item))
        else:
            merged[place] = _merge_mapping(merged[place], item)
    return merged


def apply_operations(data: Data, operations: Sequence[Any]) -> Data:
    """RFC 6902: add, remove, replace, test, copy and move, each at a path."""
    patched = copy.deepcopy(data)
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            raise InvalidPatch("an operation needs op and path")
        _apply_operation(patched, operation)
    return patched


def _apply_operation(data: Data, operation: Mapping[str, Any]) -> None:
    path, op = str(operation["path"]), operation["op"]
    match op:
        case "add" | "replace":
            _put(data, path, copy.deepcopy(operation.get("value")), new=op == "add")
        case "remove":
            _pop(data, path)
        case "test":
            if _get(data, path) != operation.get("value"):
                raise InvalidPatch(f"{path} is not what the test expects")
        case "copy":
            _put(data, path, copy.deepcopy(_get(data, str(operation.get("from")))), new=True)
        case "move":
            _put(data, path, _pop(data, str(operation.get("from"))), new=True)
        case _:
            raise InvalidPatch(f"the operation {op!r} is not known")


def _parent(data: Any, path: str) -> tuple[Any, str]:
    if not path.startswith("/"):
        raise InvalidPatch(f"{path!r} is no path; it begins with /")
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    for part in above:
        data = _child(data, part, path)
    return data, last


def _child(data: Any, part: str, path: str) -> Any:
    try:
        return data[int(part)] if isinstance(data, list) else data[part]
    except (KeyError, IndexError, ValueError, TypeError):
        raise InvalidPatch(f"there is nothing at {path}") from None


def _get(data: Any, path: str) -> Any:
    parent, last = _parent(data, path)
    return _child(parent, last, path)


def _put(data: Any, path: str, value: Any, *, new: bool) -> None:
    parent, last = _parent(data, path)
    if isinstance(parent, list):
        if last == "-":
            parent.append(value)
            return
        _child([*parent, None] if new else parent, last, path)
        index = int(last)
        parent[index : index if new else index + 1] = [value]
        return
    if not isinstance(parent, dict) or (not new and last not in parent):
        raise InvalidPatch(f"there is nothing at {path}")
    parent[last] = value


def _pop(data: Any, path: str) -> Any:
    parent, last = _parent(data, path)
    value = _child(parent, last, path)
    del parent[int(last) if isinstance(parent, list) else last]
    return value
