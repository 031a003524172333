"""Servers of an environment besides PostgreSQL, as plain data: Redis, MariaDB and the mail catcher.

They run the scripts of the kit's engines, so they behave as on this machine. Kubernetes fills the password into a
variable, so no pod spec contains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from programs import variables
from programs.kit.mail_catcher.main import ADDRESS_VARIABLE
from programs.kit.server_engines import engines
from programs.kit.server_engines.port import ServerSettings
from programs.spec import DatabaseSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.rendering import workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data, new_object
from programs.targets.kubernetes.rendering.workloads import ContainerEnv
from programs.targets.kubernetes.settings import KubernetesSettings

SMTP_PORT, MAIL_WEB_PORT = 1025, 8025
_FOLDER = "/data"
_MEBIBYTE = 1024**2
_PASSWORD = "password"  # noqa: S105 - the key of the Secret, and a placeholder
_PASSWORD_VARIABLE = workloads.reference_variable(_PASSWORD)
_LIMITS = {"cpu": "1", "memory": "512Mi"}
_REQUESTS = {"cpu": "50m", "memory": "128Mi"}


@dataclass(frozen=True, slots=True)
class ServerPod:
    """How an engine runs in a pod. ``memory_bytes`` bounds its data or its caches, ``storage`` is its volume's size.
    ``answers`` is the shell command that succeeds when it is ready."""

    program: str
    port: int
    memory_bytes: int
    storage: str
    answers: str


_REDIS_ANSWERS = f'test "$(REDISCLI_AUTH="${_PASSWORD_VARIABLE}" redis-cli ping)" = PONG'
_MARIADB_ANSWERS = f'MYSQL_PWD="${_PASSWORD_VARIABLE}" mariadb --no-defaults -h 127.0.0.1 -u app -e "SELECT 1"'
PODS: Mapping[str, ServerPod] = {
    "redis": ServerPod("redis-server", 6379, 256 * _MEBIBYTE, "1Gi", _REDIS_ANSWERS),
    "mysql": ServerPod("mariadbd", 3306, 256 * _MEBIBYTE, "5Gi", _MARIADB_ANSWERS),
}
MAIL_STORAGE = "1Gi"
MAIL_LIMITS = {"cpu": "200m", "memory": "256Mi"}


def url(item: DatabaseSpec, password: str) -> str:
    """At which the environment's pods reach it."""
    return engines.get(item.engine).url(replace(_server_settings(item), password=password))


def service(item: DatabaseSpec) -> Data:
    name, port = object_names.database(item), PODS[item.engine].port
    return _service(name, name, [{"name": "server", "port": port, "targetPort": "server"}])


def stateful_set(item: DatabaseSpec, settings: KubernetesSettings, labels: Mapping[str, str]) -> Data:
    name, pod = object_names.database(item), PODS[item.engine]
    command = engines.get(item.engine).command(pod.program, _server_settings(item))
    env = ContainerEnv(command.env, references={_PASSWORD: (name, _PASSWORD)})
    image, user = _image(item.engine, settings)
    container: Data = {
        "name": item.engine,
        "image": image,
        "command": ["sh", "-c", workloads.escape_expansion(command.script)],
        "workingDir": _FOLDER,
        "env": env.to_list(),
        "ports": [{"name": "server", "containerPort": pod.port}],
        "resources": {"requests": _REQUESTS, "limits": _LIMITS},
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", workloads.escape_expansion(pod.answers)]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
    }
    own = {**labels, object_names.SERVICE: item.name, object_names.COMPONENT: name}
    return _stateful_set(name, container, own, settings, (user, pod.storage))


def mail_service() -> Data:
    ports = [
        {"name": "smtp", "port": SMTP_PORT, "targetPort": "smtp"},
        {"name": "http", "port": workloads.HTTP_PORT, "targetPort": "http"},
    ]
    return _service(object_names.MAIL, object_names.MAIL, ports)


def mail_stateful_set(settings: KubernetesSettings, labels: Mapping[str, str]) -> Data:
    container: Data = {
        "name": variables.MAIL,
        "image": settings.mail_image,
        "command": ["python3", "-m", "programs.kit.mail_catcher.main"],
        "args": [f"{_FOLDER}/messages", str(SMTP_PORT), str(MAIL_WEB_PORT)],
        "env": ContainerEnv({ADDRESS_VARIABLE: "0.0.0.0"}).to_list(),  # noqa: S104 - network policies bound who connects
        "ports": [
            {"name": "smtp", "containerPort": SMTP_PORT},
            {"name": "http", "containerPort": MAIL_WEB_PORT},
        ],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": MAIL_LIMITS},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    own = {
        **labels,
        object_names.SERVICE: variables.MAIL,
        object_names.COMPONENT: object_names.MAIL,
        object_names.PUBLIC: "true",
    }
    return _stateful_set(object_names.MAIL, container, own, settings, (int(settings.mail_user), MAIL_STORAGE))


def _server_settings(item: DatabaseSpec) -> ServerSettings:
    """With a placeholder as its password."""
    pod = PODS[item.engine]
    return ServerSettings(
        name=item.name,
        folder=_FOLDER,
        port=pod.port,
        memory_bytes=pod.memory_bytes,
        password=f"{{{_PASSWORD}}}",
        host=object_names.database(item),
    )


def _image(engine: str, settings: KubernetesSettings) -> tuple[str, int]:
    """And the user that it runs as."""
    if engine == "redis":
        return settings.redis_image, int(settings.redis_user)
    return settings.mysql_image, int(settings.mysql_user)


def _service(name: str, component: str, ports: list[Data]) -> Data:
    spec = {"selector": {object_names.COMPONENT: component}, "ports": ports}
    return new_object("Service", name, {"spec": spec})


def _stateful_set(
    name: str,
    container: Data,
    labels: Mapping[str, str],
    settings: KubernetesSettings,
    owner_and_size: tuple[int, str],
) -> Data:
    full = {
        **container,
        "securityContext": workloads.container_security(),
        "volumeMounts": [{"name": "data", "mountPath": _FOLDER}],
    }
    template = workloads.pod_template(labels, workloads.pod_spec(settings, [full]))
    return workloads.stateful_set(name, template, object_names.COMPONENT, settings, owner_and_size)
