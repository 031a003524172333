"""Names and marks of the objects in a namespace, derived from the environment's name and valid for their kind.

The namespace has the environment's name, which is a DNS label. Names of our own objects begin with ``eph-``, and names
from a repository can't, so the two never clash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from programs.spec import POSTGRESQL, DatabaseSpec, EnvironmentSpec
from programs.targets.kubernetes.api import wording
from programs.targets.kubernetes.errors import KubernetesError

DOMAIN = "eph.dev"
PREFIX = "eph-"
MANAGED_BY = "app.kubernetes.io/managed-by"
SERVER = f"{DOMAIN}/server"
ENVIRONMENT = f"{DOMAIN}/environment"
SERVICE = f"{DOMAIN}/service"
COMPONENT = f"{DOMAIN}/component"
"""The workload that a pod belongs to, if several can have the same service."""
PUBLIC = f"{DOMAIN}/public"
REPLICAS = f"{DOMAIN}/replicas"
"""How many replicas a workload has while awake; one if absent."""
AFTER = f"{DOMAIN}/after"
"""The services that must be ready before it, comma-separated."""
SLEEP_POLICY = f"{DOMAIN}/sleep"
"""``false``: it never sleeps."""
EXPIRES_AT = f"{DOMAIN}/expires-at"
"""When the environment expires, or `never`. Kept up to date on the namespace."""
PULL_SECRET = f"{PREFIX}pull"
CERTIFICATE = f"{PREFIX}tls"
SERVER_SECRETS = (PULL_SECRET, CERTIFICATE)
"""The server's own Secrets: no pod may refer to them."""
ACCOUNT = f"{PREFIX}preview"
SECRETS = f"{PREFIX}secrets"
"""The Secret with the server's secrets, a key per variable. Manifests may refer to it."""
MAIL = f"{PREFIX}mail"
"""The mail catcher and its service."""
SECRETS_HASH = f"{DOMAIN}/secrets"
SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A service's name must begin with a letter (RFC 1035)."""
_ILLEGAL_IN_VALUE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED_NAMESPACES = re.compile(r"(kube-.*|default)")


def namespace(name: str) -> str:
    """Returns the environment's name if it can name one of our namespaces."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) or _RESERVED_NAMESPACES.fullmatch(name):
        raise KubernetesError(wording.invalid_namespace(name))
    return name


def service(name: str) -> str:
    """The name of a service and of its objects, if a repository may use it."""
    if not SERVICE_NAME.fullmatch(name) or name.startswith(PREFIX):
        raise KubernetesError(wording.invalid_service(name, PREFIX))
    return name


def database(spec: DatabaseSpec) -> str:
    """The name depends on the seed: a new seed gives a new database next to the old one, until it has been seeded."""
    source = [f"from {spec.source}"] if spec.source else []
    seed = spec.seed.run if spec.seed else ""
    engine = [f"engine {spec.engine}"] if spec.engine != POSTGRESQL else []
    key = "\0".join([spec.name, spec.version, spec.strategy, seed, *spec.scripts, *source, *engine])
    return f"{PREFIX}db-{spec.name[:30].rstrip('-')}-{_short_hash(key)}"


def job(kind: str, title: str, content: str) -> str:
    """A Job is immutable: different content gets a different name."""
    return f"{PREFIX}{kind}-{title[:30].rstrip('-')}-{_short_hash(content)}"


def generation(spec: EnvironmentSpec) -> str:
    return f"{spec.source.commit[:12]}-{spec.digest[:6]}"


def service_host(spec: EnvironmentSpec, name: str, first: str) -> str:
    """``<host>`` for the first public service, ``<service>--<host>`` for the others."""
    return spec.host if name == first else f"{name}--{spec.host}"


def secrets_annotation(spec: EnvironmentSpec) -> dict[str, str]:
    """A pod annotation that changes with any secret, so a new value replaces the pods. None without secrets."""
    if not spec.secrets:
        return {}
    marks = (f"{variable} {secret.mark}" for variable, secret in sorted(spec.secrets.items()))
    return {SECRETS_HASH: _short_hash("\0".join(marks))}


def labels(spec: EnvironmentSpec, server: str) -> dict[str, str]:
    """The labels of every object of the environment, so that it is found without any record."""
    marks = {
        f"{DOMAIN}/{_label_key(key)}": label_value(text)
        for key, text in spec.marks.items()
        if _label_key(key) not in _OWN_KEYS
    }
    return {**marks, MANAGED_BY: "eph", SERVER: label_value(server), ENVIRONMENT: label_value(spec.name)}


def mark_annotations(marks: Mapping[str, str]) -> dict[str, str]:
    """The marks in full: a label's value is too restricted."""
    return {f"{DOMAIN}/{_label_key(key)}": text for key, text in marks.items()}


_OWN_KEYS = frozenset({"environment", "managed-by", "server"})


def label_value(text: str) -> str:
    """The closest valid label value."""
    return _ILLEGAL_IN_VALUE.sub("-", text)[:63].strip("._-")


def _label_key(text: str) -> str:
    """``PRNumber`` as ``pr-number``."""
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text).lower()
    return _ILLEGAL_IN_VALUE.sub("-", dashed).strip("._-")


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
