"""What people read about settings, eph.yaml and specs of the target `aws`. The folders have wording modules of their
own."""

from __future__ import annotations

# --- The settings in eph.toml


def settings_missing(name: str) -> str:
    return (
        f"The server's settings for AWS are missing ({name!r}), so it can't be reached. Set `region` in the section "
        "[aws] of its configuration."
    )


def url_needs_host(url: str) -> str:
    return f"setting 'url' is {url!r}; it must contain {{host}}, as in https://{{host}}"


LISTENER_NEEDS_SUBNETS = "setting 'listener' requires 'subnets', because tasks must be in the load balancer's network"


def too_few_subnets(subnets: str) -> str:
    return f"setting 'subnets' is {subnets!r}; list at least two, in different zones"


NEEDS_RECORDS = (
    "Without a shared load balancer ('listener'), previews need DNS records. Set 'zone' to the ID of a Route 53 hosted "
    "zone."
)
EXTERNAL_ID_NEEDS_ROLE = "setting 'external_id' has no effect without 'role'; remove it, or set 'role'"
NO_LABEL_DEPLOYS = "deploy it on another target, or open a pull request"

# --- Problems of an eph.yaml, each followed by what to do about it

NEEDS_SERVICES = "the target `aws` needs services"
ADD_SERVICES = "add services, each with name, image and port"
HAS_NO_CHECKOUT = "the target `aws` has no checkout to read scripts from"
USE_SEED_COMMAND = "use seed.command"
RUNS_NO_DESTROY_HOOK = "the target `aws` runs nothing when an environment is destroyed"
REMOVE_DESTROY_HOOK = "remove pre_destroy"
HAS_NO_SIGN_IN = "previews on the target `aws` are reached through AWS's load balancer, which can't require sign-in"
USE_NO_SIGN_IN = "use sign_in: none, or another target"


def has_no_image(service: str) -> str:
    return f"the target `aws` needs an image for each service, but service `{service}` has none"


ADD_IMAGE = "add image, the name of one of environment.images"


def has_schedule(service: str) -> str:
    return f"the target `aws` doesn't run services on a schedule, but `{service}` has one"


REMOVE_SCHEDULE = "remove schedule, or use another target"


def has_volumes(service: str) -> str:
    return f"the target `aws` has no volumes, but service `{service}` uses some"


USE_BUCKETS = "use aws.buckets or a database"


def placeholder_not_filled(placeholder: str) -> str:
    return f"the target `aws` can't fill in {{{placeholder}}}"


READ_VARIABLE = "read the database's variable in the application"


def listed_twice(name: str) -> str:
    return f"`{name}` is listed twice"


LIST_ONCE = "use each name once"
MASK_IS_THE_SERVERS = (
    "on the target `aws`, the server's operator masks snapshots, so that a pull request can't remove it"
)
REMOVE_MASK = "remove mask; ask the operator to change the server's mask"
REPLICA_CANNOT_MIGRATE = "a read replica can't be migrated, because nothing can be written to it"
REMOVE_MIGRATE = "remove migrate, or use another strategy"
RUNS_NO_BUILD = "the target `aws` doesn't build; images come from CI"

# --- The environment's parts

NO_SERVICES = "The environment has no services. Add at least one under 'services'."
SIGN_IN_UNSUPPORTED = "previews on this target can't require sign-in; set environment.protection.sign_in to none"


def dependency_cycle(services: str) -> str:
    return f"services {services} depend on each other in a cycle"


def unknown_image(service: str, image: str, known: str) -> str:
    return f"service {service!r}: unknown image {image!r}; known: {known}"


def starts_after_unknown(service: str, other: str) -> str:
    return f"service {service!r} starts after {other!r}, which isn't a service"


def schedule_unsupported(service: str) -> str:
    return f"service {service!r} has a schedule, which this target doesn't support; remove it"


def volumes_unsupported(service: str) -> str:
    return f"service {service!r} has volumes, which this target doesn't support; remove them"


def unknown_strategy(database: str, strategy: str, known: str) -> str:
    return f"database {database!r}: unknown strategy {strategy!r}; use one of: {known}"


def scripts_unsupported(database: str) -> str:
    return f"database {database!r}: this target has no checkout to read scripts from; use a seed command"


# --- Databases of the operator


def not_a_pair(setting: str, entry: str) -> str:
    return f"setting {setting!r}: {entry!r} isn't NAME=VALUE"


def unknown_source(database: str, source: str, setting: str, known: str) -> str:
    return f"database {database!r}: this server's setting {setting!r} has no {source!r}; it has: {known}"


def invalid_snapshot(name: str, place: str) -> str:
    return f"setting 'snapshots': {name!r} is {place!r}; use INSTANCE/DATABASE, such as production/shop"


def mask_missing(name: str) -> str:
    return f"setting 'masks' has no SQL for the snapshot {name!r}, and unmasked data is never restored; add {name}=FILE"


def source_file_unreadable(setting: str, path: str, kind: str) -> str:
    return f"setting {setting!r}: {path} can't be read ({kind})"


def invalid_replica_url(name: str) -> str:
    return f"setting 'read_replicas': the file of {name!r} doesn't contain a URL that starts with postgresql://"


def replica_is_read_only(database: str) -> str:
    return f"database {database!r} is a read replica, which can't be migrated; remove migrate"


def restored_from(database: str, snapshot: str, taken: str) -> str:
    return f"The database {database} has masked data of the snapshot {snapshot}, taken {taken}."


def defined_twice(kind: str, name: str) -> str:
    return f"{kind} {name!r} is defined twice; it must be unique"


def image_not_pinned(name: str, image: str) -> str:
    return f"image {name} is {image}, which isn't pinned to a digest"


def image_not_allowed(image: str, registries: str) -> str:
    return f"image {image}: this server only allows images from {registries}"


# --- What remains of it


def remaining_folder(path: object) -> str:
    return f"folder {path}"


# --- Sizes and limits


def unknown_size(size: str, known: str) -> str:
    return f"unknown size {size!r}; use one of: {known}"


def size_not_allowed(size: str, largest: str) -> str:
    return f"aws.size is {size}; the largest size that this server allows is {largest}"


def task_too_large(cpus: float, mebibytes: int, largest_cpus: int, largest_mebibytes: int) -> str:
    return (
        f"no Fargate task has {cpus:g} CPUs and {mebibytes} MiB; the largest has {largest_cpus} CPUs and "
        f"{largest_mebibytes} MiB"
    )


def above_server_limit(resource: str, requested: str, limit: str) -> str:
    return f"environment.resources.{resource} is {requested}; this server's limit for an environment is {limit}"


def above_environment_limit(amount: str, limit: str) -> str:
    return f"the services of this environment use {amount} on Fargate; its limit is {limit}"


def cpu_amount(cpus: float) -> str:
    return f"{cpus:g} CPUs"


def memory_amount(mebibytes: int) -> str:
    return f"{mebibytes} MiB of memory"


def not_an_amount(text: str) -> str:
    return f"{text!r} is not an amount of memory; use a value such as 512Mi or 2Gi"
