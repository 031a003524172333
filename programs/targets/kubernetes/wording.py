"""Every sentence about settings, eph.yaml and the environment as a whole. Other topics have their own module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# --- The settings in eph.toml


def not_key_value(setting: str, value: str) -> str:
    return f"setting {setting!r} is {value!r}; use key=value"


def settings_missing(setting: str) -> str:
    return (
        f"The server's settings for its cluster are missing ({setting!r}), so it can't be reached. Restore the section "
        "[kubernetes] in its configuration. Existing environments can be destroyed even if the target isn't in "
        "targets.allowed."
    )


def invalid_pull_secrets(error: Exception) -> str:
    return f"setting 'pull_secrets': {error}"


def file_unreadable(setting: str, path: str) -> str:
    return f"setting {setting!r}: can't read {path}"


def unknown_choice(setting: str, value: str, allowed: Iterable[str]) -> str:
    return f"setting {setting!r} is {value!r}; use one of: {', '.join(allowed)}"


def url_without_host(value: str) -> str:
    return f"setting 'url' is {value!r}; it must contain {{host}}, as in https://{{host}}"


def not_a_network(value: str) -> str:
    return f"setting 'egress_allow' contains {value!r}; use a value such as 10.1.0.0/16"


def invalid_account(value: str) -> str:
    return f"setting 'account' is {value!r}; with a role, it must be namespace/name of the server's account"


def invalid_gateway(value: str) -> str:
    return f"setting 'gateway' is {value!r}; use namespace/name or namespace/name/listener"


def no_effect_with_gateway(setting: str) -> str:
    return f"setting {setting!r} has no effect with a Gateway; remove it"


def invalid_tls_secret(value: str) -> str:
    return f"setting 'tls_secret' is {value!r}; use a name or namespace/name"


GATEWAY_PODS_UNKNOWN = (
    "With 'front' set to 'eph', only Eph's gateway pod can reach previews. Set front_namespace and front_labels to "
    "identify its pods, as the Helm chart does, or set front to 'ingress'."
)


def no_effect_without_ingress(setting: str) -> str:
    return (
        f"Setting {setting!r} has no effect with front = 'eph', because environments then have no Ingress. "
        "Remove it, or set front to 'ingress'."
    )


def needs_shared_postgres(setting: str) -> str:
    return f"setting {setting!r} requires a shared PostgreSQL server; set 'postgres'"


def invalid_postgres_address(value: str) -> str:
    return f"setting 'postgres_address' is {value!r}; use host or host:port"


def no_http_routes(gateway: str, api: str) -> str:
    return (
        f"setting 'gateway' is {gateway!r}, but the cluster doesn't support HTTPRoutes ({api}); install the Gateway "
        "API and a controller, or remove the setting"
    )


def no_tls_secret(name: str, namespace: str) -> str:
    return f"setting 'tls_secret': there is no Secret {name} in the namespace {namespace}"


def incomplete_tls_secret(secret: str) -> str:
    return f"setting 'tls_secret': the Secret {secret} has no tls.crt and tls.key"


NO_GATEWAY_FRONT = 'ask the operator to set kubernetes.front to "eph"'

# --- eph.yaml


def listed_twice(service: str) -> str:
    return f"the service {service} is listed twice"


LIST_ONCE = "list each service once"


def too_many_public(count: int) -> str:
    return f"the list has {count} services"


def list_at_most(limit: int) -> str:
    return f"list at most {limit}"


VALUE_PATH = "a value path"
USE_DOTS = "use names separated by dots, such as image.tag"
SERVICE_NAME = "the name of a service"
USE_SERVICE_NAME = "use its name, or for a chart its name without the release"
NEEDS_SERVICES = "the target `kubernetes` needs services or manifests"
ADD_SERVICES = "add services, each with name and image, or kubernetes.manifests"


def needs_image(service: str) -> str:
    return f"the target `kubernetes` needs an image for each service, but service `{service}` has none"


def relative_volume(path: str) -> str:
    return f"the target `kubernetes` runs images, not a checkout, so volume `{path}` needs an absolute path"


USE_ABSOLUTE_PATH = "use the path in the image, such as /app/media"
ADD_IMAGE = "add image, the name of one of environment.images"
NO_IMAGE_FOR_COMMAND = "no image is listed in which this command can run"
LIST_IMAGE = "add it to environment.images"


def unused_image(image: str) -> str:
    return f"no service runs the image `{image}`"


USE_IMAGE = "set image on a service, or remove it"
PUBLIC_WITHOUT_EFFECT = "it has no effect, because a service of eph.yaml is public"
RUNS_NO_BUILD = "the target `kubernetes` doesn't build; images come from CI"
FALLBACK_TAG_WITHOUT_EFFECT = "it has no effect with `fallback: fail`"
REPLACES_WITHOUT_EFFECT = "it has no effect without kubernetes.manifests"

# --- What an environment may be


def image_not_pinned(name: str, image: str) -> str:
    return f"image {name} is {image}, which isn't pinned to a digest"


def image_not_allowed(image: str, allowed: str) -> str:
    return f"image {image}: this server only allows images from {allowed}"


def above_server_limit(resource: str, requested: str, limit: str) -> str:
    return f"environment.resources.{resource} is {requested}; this server's limit for an environment is {limit}"


def volumes_too_large(total: str, limit: str) -> str:
    return f"the volumes of the services total {total}; this environment's limit is {limit}"


def service_above_limit(service: str, resource: str, requested: str, limit: str) -> str:
    return f"service {service!r} requests {resource} {requested}; the whole environment's limit is {limit}"


VARIABLE = "variable"
NEITHER_SERVICES_NOR_MANIFESTS = "The environment has neither services nor manifests. Add at least one of them."


def service_defined_twice(service: str) -> str:
    return f"service {service!r} is defined twice; names must be unique"


def unknown_image(service: str, image: str, known: Sequence[str]) -> str:
    return f"service {service!r}: unknown image {image!r}; known: {', '.join(known) or 'none'}"


def starts_after_unknown(service: str, other: str) -> str:
    return f"service {service!r} starts after {other!r}, which isn't a service"


def public_with_schedule(service: str) -> str:
    return f"service {service!r} has a schedule, so it can't be public; set public: false"


def cycle(services: Iterable[str]) -> str:
    return f"services {', '.join(services)} depend on each other in a cycle"


def unknown_template(database: str, template: str, known: Sequence[str]) -> str:
    return f"database {database!r}: unknown prepared database {template!r}; known: {', '.join(known) or 'none'}"


def unknown_strategy(database: str, strategy: str, known: Iterable[str]) -> str:
    return f"database {database!r}: unknown strategy {strategy!r}; use one of: {', '.join(known)}"


def no_image_for_database(database: str) -> str:
    return f"database {database!r} has a command, but eph.yaml lists no image to run it in"


def same_in_two_databases(field: str, value: str) -> str:
    return f"two databases have the {field} {value!r}; it must be unique"


NO_IMAGE_FOR_HOOKS = "eph.yaml has hooks, but lists no image to run them in"

NO_MAIL_IMAGE = "This server has no image for the mail catcher. Set kubernetes.mail_image to Eph's own image."

# --- The files of a commit


def more_problems(count: int) -> str:
    return f" ({count} problems)"


def file_missing(path: str) -> str:
    return f"{path} doesn't exist at this commit"


def is_a_link(path: str) -> str:
    return f"{path} is a symbolic link or a submodule. Replace it with a file."


def file_too_large(path: str, size: int, limit: int) -> str:
    return f"{path} has {size} bytes. The limit is {limit}."


def not_utf8(path: str) -> str:
    return f"{path} isn't valid UTF-8"


def outside_repository(path: str) -> str:
    return f"{path} is outside the repository"


# --- Its databases, hooks and tests

POSTGRES_NOT_CONFIGURED = "The shared PostgreSQL server isn't configured. Set kubernetes.postgres."


def postgres_not_resolved(host: str, error: Exception) -> str:
    return f"Can't resolve the shared PostgreSQL server {host}: {error}. Set kubernetes.postgres_address."


def shared_database(name: str) -> str:
    return f"database {name} of the shared PostgreSQL server"


# The names of Jobs contain the titles of their steps, so a changed title runs the step once more.


MAIL_CATCHER = "mail catcher"


def database_step(database: str) -> str:
    return f"database {database}"


def migrate_first(database: str) -> str:
    return f"migrate {database} first"


def seed_step(database: str) -> str:
    return f"seed {database}"


# --- Restarting, waking and deleting it


def restart_deletes_data(service: str) -> str:
    return f"{service} has no volume, so a restart would delete its data."


def not_awake(host: str, through_ingress: bool, reason: str) -> str:
    way = "through the ingress controller" if through_ingress else "at its service"
    return f"{host} was woken, but doesn't respond {way}: {reason}"


def deletion_late(namespace: str, seconds: float, reason: str) -> str:
    why = f": {reason}" if reason else ""
    return (
        f"namespace {namespace} is still being deleted after {seconds:.0f} s{why}. Eph keeps retrying. "
        f"Details: kubectl get namespace {namespace} -o yaml"
    )


def nodes_lost(namespace: str, seconds: float, nodes: Sequence[str]) -> str:
    return (
        f"namespace {namespace} is still being deleted after {seconds:.0f} s: node {', '.join(nodes)} doesn't respond, "
        "so its pods can't terminate. Eph keeps retrying. If the node never comes back: "
        f"kubectl delete node {' '.join(nodes)}"
    )


def object_deletion_late(path: str, seconds: float) -> str:
    return f"{path} is still being deleted after {seconds:.0f} s. Eph retries."


def remaining_namespace(name: str, phase: str) -> str:
    return f"namespace {name} ({phase})"
