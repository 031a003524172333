"""What a pod of a repository may contain, field by field.

A probe or a hook with ``host`` would make the node send requests anywhere, outside every network policy. A long grace
period would delay every update and the deletion of the environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.manifests import wording
from programs.targets.kubernetes.manifests.field_checks import (
    FieldCheck,
    all_of,
    anything,
    choice,
    flag,
    list_of,
    mapping,
    number,
    off,
    rejected,
    text,
    text_or_number,
    texts,
    with_required,
)

MAX_GRACE_SECONDS = 60
_no_host = rejected(wording.fields.HOST_OF_PROBE)


def _secret_name(value: Any, where: str) -> Iterator[str]:
    yield from text(value, where)
    if value in object_names.SERVER_SECRETS:
        yield wording.fields.server_secret(where, value)


def _user(value: Any, where: str) -> Iterator[str]:
    yield from number()(value, where)
    if value == 0:
        yield wording.fields.is_root(where)


def _not_root(value: Any, where: str) -> Iterator[str]:
    if value is not True:
        yield wording.fields.value_not_allowed(where, str(value).lower())


def _no_token(value: Any, where: str) -> Iterator[str]:
    if value is not False:
        yield wording.fields.no_token(where)


def _nothing(value: Any, where: str) -> Iterator[str]:
    if value != []:
        yield wording.fields.not_allowed(where)


_KEYS = list_of(mapping({"key": text, "mode": number(), "path": text}))
_FIELD = mapping({"apiVersion": text, "fieldPath": text})
_RESOURCE_FIELD = mapping({"containerName": text, "divisor": text_or_number, "resource": text})
_KEY = {"key": text, "optional": flag}

_PORT = {"port": text_or_number}
_HTTP_GET = mapping(
    {
        **_PORT,
        "host": _no_host,
        "httpHeaders": list_of(mapping({"name": text, "value": text})),
        "path": text,
        "scheme": choice("HTTP", "HTTPS"),
    }
)
_ACTIONS = {
    "exec": mapping({"command": texts}),
    "httpGet": _HTTP_GET,
    "tcpSocket": mapping({**_PORT, "host": _no_host}),
}
_PROBE = mapping(
    {
        **_ACTIONS,
        "failureThreshold": number(),
        "grpc": mapping({**_PORT, "service": text}),
        "initialDelaySeconds": number(),
        "periodSeconds": number(),
        "successThreshold": number(),
        "terminationGracePeriodSeconds": number(MAX_GRACE_SECONDS),
        "timeoutSeconds": number(),
    }
)
_HOOK = mapping({**_ACTIONS, "sleep": mapping({"seconds": number(MAX_GRACE_SECONDS)})})

_ENV = mapping(
    {
        "name": text,
        "value": text,
        "valueFrom": mapping(
            {
                "configMapKeyRef": mapping({**_KEY, "name": text}),
                "fieldRef": _FIELD,
                "resourceFieldRef": _RESOURCE_FIELD,
                "secretKeyRef": mapping({**_KEY, "name": _secret_name}),
            }
        ),
    }
)
_ENV_FROM = mapping(
    {
        "configMapRef": mapping({"name": text, "optional": flag}),
        "prefix": text,
        "secretRef": mapping({"name": _secret_name, "optional": flag}),
    }
)
_IDS = {
    "runAsGroup": number(),
    "runAsNonRoot": _not_root,
    "runAsUser": _user,
    "seccompProfile": mapping({"type": choice("RuntimeDefault")}),
}
_POD_SECURITY = mapping(
    {
        **_IDS,
        "fsGroup": number(),
        "fsGroupChangePolicy": text,
        "supplementalGroups": list_of(number()),
    }
)
_CONTAINER_SECURITY = mapping(
    {
        **_IDS,
        "allowPrivilegeEscalation": off,
        "capabilities": mapping({"add": _nothing, "drop": texts}),
        "privileged": off,
        "readOnlyRootFilesystem": flag,
    }
)
_AMOUNTS = mapping({"cpu": text_or_number, "ephemeral-storage": text_or_number, "memory": text_or_number})
"""Those that the namespace's limits bound. A GPU or huge pages would be taken from others without a limit."""
_RESOURCES = mapping({"limits": _AMOUNTS, "requests": _AMOUNTS})
_CONTAINER = mapping(
    {
        "args": texts,
        "command": texts,
        "env": list_of(_ENV),
        "envFrom": list_of(_ENV_FROM),
        "image": text,
        "imagePullPolicy": text,
        "lifecycle": mapping({"postStart": _HOOK, "preStop": _HOOK, "stopSignal": text}),
        "livenessProbe": _PROBE,
        "name": text,
        "ports": list_of(
            with_required(mapping({"containerPort": number(), "name": text, "protocol": text}), "containerPort")
        ),
        "readinessProbe": _PROBE,
        "resources": _RESOURCES,
        "restartPolicy": text,
        "securityContext": _CONTAINER_SECURITY,
        "startupProbe": _PROBE,
        "stdin": flag,
        "terminationMessagePath": text,
        "terminationMessagePolicy": text,
        "tty": flag,
        "volumeMounts": list_of(
            mapping(
                {
                    "mountPath": text,
                    "mountPropagation": choice("None"),
                    "name": text,
                    "readOnly": flag,
                    "subPath": text,
                    "subPathExpr": text,
                }
            )
        ),
        "workingDir": text,
    }
)

_FILES = {"defaultMode": number(), "items": _KEYS, "optional": flag}
_DOWNWARD_ITEMS = list_of(
    mapping({"fieldRef": _FIELD, "mode": number(), "path": text, "resourceFieldRef": _RESOURCE_FIELD})
)
_VOLUME = mapping(
    {
        "configMap": mapping({**_FILES, "name": text}),
        "downwardAPI": mapping({"defaultMode": number(), "items": _DOWNWARD_ITEMS}),
        "emptyDir": mapping({"medium": choice("", "Memory"), "sizeLimit": text_or_number}),
        "name": text,
        "persistentVolumeClaim": mapping({"claimName": text, "readOnly": flag}),
        "projected": mapping(
            {
                "defaultMode": number(),
                "sources": list_of(
                    mapping(
                        {
                            "configMap": mapping({"items": _KEYS, "name": text, "optional": flag}),
                            "downwardAPI": mapping({"items": _DOWNWARD_ITEMS}),
                            "secret": mapping({"items": _KEYS, "name": _secret_name, "optional": flag}),
                        }
                    )
                ),
            }
        ),
        "secret": mapping({**_FILES, "secretName": _secret_name}),
    }
)


def _containers(value: Any, where: str) -> Iterator[str]:
    """Names each container, because people know it by its name."""
    if not isinstance(value, list):
        yield wording.fields.must_be_list(where)
        return
    for index, item in enumerate(value):
        name = item.get("name") if isinstance(item, dict) else None
        yield from _container(item, wording.fields.container(name) if isinstance(name, str) else f"{where}[{index}]")


def _container(value: Any, where: str) -> Iterator[str]:
    yield from _CONTAINER(value, where)
    if isinstance(value, dict) and "image" not in value:
        yield wording.fields.image_missing(where)


def _has_containers(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict) and not value.get("containers"):
        yield wording.fields.missing(where, "containers")


POD: FieldCheck = all_of(
    mapping(
        {
            "activeDeadlineSeconds": number(),
            "automountServiceAccountToken": _no_token,
            "containers": _containers,
            "dnsPolicy": text,
            "enableServiceLinks": flag,
            "hostname": text,
            "imagePullSecrets": anything,  # the server's replace them
            "initContainers": _containers,
            "restartPolicy": text,
            "securityContext": _POD_SECURITY,
            "serviceAccountName": text,
            "setHostnameAsFQDN": flag,
            "shareProcessNamespace": flag,
            "subdomain": text,
            "terminationGracePeriodSeconds": number(MAX_GRACE_SECONDS),
            "volumes": list_of(_VOLUME),
        }
    ),
    _has_containers,
)
