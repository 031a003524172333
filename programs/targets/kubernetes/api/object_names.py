"""Names and marks of what lies in a namespace, all made from the environment's, each legal for what it names.

The namespace is called as the environment, which is a DNS label already. What is ours within it begins with ``eph-``,
and nothing that a repository names may; so the two never meet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from programs.spec import DatabaseSpec, EnvironmentSpec
from programs.targets.kubernetes.errors import KubernetesError

DOMAIN = "eph.dev"
PREFIX = "eph-"
MANAGED_BY = "app.kubernetes.io/managed-by"
SERVER = f"{DOMAIN}/server"
ENVIRONMENT = f"{DOMAIN}/environment"
SERVICE = f"{DOMAIN}/service"
PUBLIC = f"{DOMAIN}/public"
REPLICAS = f"{DOMAIN}/replicas"
"""How many pods a workload has while it is awake; one without it."""
AFTER = f"{DOMAIN}/after"
"""The services, with commas between them, that must be ready before it."""
SLEEP_POLICY = f"{DOMAIN}/sleep"
"""``false``: it never sleeps."""
EXPIRES_AT = f"{DOMAIN}/expires-at"
"""When its time is up, or `never`: kept true on the namespace, whatever it was when it was built."""
PULL_SECRET = f"{PREFIX}pull"
CERTIFICATE = f"{PREFIX}tls"
SERVER_SECRETS = (PULL_SECRET, CERTIFICATE)
"""Secrets of the server's own: no pod may name them."""
ACCOUNT = f"{PREFIX}preview"
SECRETS = f"{PREFIX}secrets"
"""Of the server's secrets: a key for each variable. Manifests may name it."""
SECRETS_HASH = f"{DOMAIN}/secrets"
SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A service's name must begin with a letter (RFC 1035)."""
_ILLEGAL_IN_VALUE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED_NAMESPACES = re.compile(r"(kube-.*|default)")


def namespace(name: str) -> str:
    """The environment's name, when it may name a namespace of ours."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) or _RESERVED_NAMESPACES.fullmatch(name):
        raise KubernetesError(f"environment {name!r} cannot be the name of a namespace")
    return name


def service(name: str) -> str:
    """The name of a service and of all that makes it up, when a repository may choose it."""
    if not SERVICE_NAME.fullmatch(name) or name.startswith(PREFIX):
        raise KubernetesError(
            f"service {name!r} must be 1 to 63 lower-case letters, digits and dashes, a letter first, not {PREFIX}…"
        )
    return name


def database(spec: DatabaseSpec) -> str:
    """What a database is filled with counts: a new seed is a new database, beside the old until it is filled."""
    source = [f"from {spec.source}"] if spec.source else []
    seed = spec.seed.run if spec.seed else ""
    key = "\0".join([spec.name, spec.version, spec.strategy, seed, *spec.scripts, *source])
    return f"{PREFIX}db-{spec.name[:30].rstrip('-')}-{_short_hash(key)}"


def job(kind: str, title: str, content: str) -> str:
    """A Job cannot be changed: another content is another name."""
    return f"{PREFIX}{kind}-{title[:30].rstrip('-')}-{_short_hash(content)}"


def generation(spec: EnvironmentSpec) -> str:
    return f"{spec.source.commit[:12]}-{spec.digest[:6]}"


def service_host(spec: EnvironmentSpec, name: str, first: str) -> str:
    """The environment's host for its first public service, ``<service>--<host>`` for the others."""
    return spec.host if name == first else f"{name}--{spec.host}"


def url_variable(name: str) -> str:
    """The variable in which the other services find this one."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_URL"


def secrets_annotation(spec: EnvironmentSpec) -> dict[str, str]:
    """An annotation of pods that changes with any secret, so that a new value makes new pods; none without secrets."""
    if not spec.secrets:
        return {}
    marks = (f"{variable} {secret.mark}" for variable, secret in sorted(spec.secrets.items()))
    return {SECRETS_HASH: _short_hash("\0".join(marks))}


def labels(spec: EnvironmentSpec, server: str) -> dict[str, str]:
    """What everything of the environment carries, so that it is found without any record."""
    marks = {
        f"{DOMAIN}/{_label_key(key)}": label_value(text)
        for key, text in spec.marks.items()
        if _label_key(key) not in _OWN_KEYS
    }
    return {**marks, MANAGED_BY: "eph", SERVER: label_value(server), ENVIRONMENT: label_value(spec.name)}


def mark_annotations(marks: Mapping[str, str]) -> dict[str, str]:
    """The marks as they were given: a label's value allows too little."""
    return {f"{DOMAIN}/{_label_key(key)}": text for key, text in marks.items()}


_OWN_KEYS = frozenset({"environment", "managed-by", "server"})


def label_value(text: str) -> str:
    """The nearest legal value of a label."""
    return _ILLEGAL_IN_VALUE.sub("-", text)[:63].strip("._-")


def _label_key(text: str) -> str:
    """``PRNumber`` as ``pr-number``."""
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text).lower()
    return _ILLEGAL_IN_VALUE.sub("-", dashed).strip("._-")


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
