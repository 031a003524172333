"""Every sentence that the target has for people; those about compose files are in ``files/wording.py``."""

from __future__ import annotations

from collections.abc import Sequence

# --- The settings in eph.toml and the section in eph.yaml


def not_a_pool(value: str) -> str:
    return f"'{value}' is not a private network with at least 256 addresses"


USE_A_POOL = "use for example 10.221.0.0/16"
NO_PUBLIC_SERVICE = "the target `compose` needs a service that people can open"
ADD_PUBLIC = "add compose.public"


def listed_twice(service: str) -> str:
    return f"service `{service}` is listed twice"


LIST_ONCE = "list each service once"
TAKES_SERVICES_FROM_FILE = "the target `compose` takes its services from the compose file"
LIST_PUBLIC = "remove them, and list public services in compose.public"


def unknown_database(name: str) -> str:
    return f"there is no database `{name}`"


def known_databases(names: Sequence[str]) -> str:
    return f"use {', '.join(names)}" if names else "add it to database.instances"


def replaced_and_public(service: str) -> str:
    return f"service `{service}` is replaced, so people can't open it"


LIST_ELSEWHERE = "remove it from compose.public or from compose.replace"


def replaces_two(database: str) -> str:
    return f"the database `{database}` replaces two services"


USE_TWO_DATABASES = "use one database for each"


def replaces_nothing(database: str) -> str:
    return f"the database `{database}` replaces no service of the compose file"


ADD_REPLACE = "add compose.replace: {SERVICE: DATABASE}, or remove the database"
RUNS_NO_MIGRATION = "the target `compose` runs no migration command"
MIGRATE_IN_A_SERVICE = "use a service that exits when it is done"
RUNS_NO_SEED_COMMAND = "the target `compose` runs no seed command"
USE_SCRIPTS = "use scripts, or a service that exits when it is done"
RUNS_NO_HOOKS = "the target `compose` runs no hooks; use a service that exits when it is done"
RUNS_NO_BUILD = "the target `compose` runs no build command; use `build` in the compose file"

# --- Docker Compose, the docker client and the container engine

COMPOSE_MISSING = (
    "Docker Compose isn't installed on this server. Install docker-compose-plugin, or set compose.compose."
)
DOCKER_MISSING = (
    "The compose file builds an image, but the docker client isn't installed on this server. Install it, set "
    "compose.docker, or use images from a registry."
)


def took_longer(seconds: float) -> str:
    return f"took longer than {seconds:.0f} s"


def failed_with(code: int) -> str:
    return f"failed with exit status {code}"


def engine_unreachable(socket: object, error: Exception) -> str:
    return f"The container engine doesn't respond at {socket}: {error}. Start it, or set compose.socket."


def engine_refused(method: str, path: str, problem: str) -> str:
    return f"The container engine refused {method} {path}: {problem}"


def engine_status(status: int) -> str:
    return f"HTTP {status}"


def no_free_network(pool: object) -> str:
    return f"All networks of {pool} are in use. Set compose.networks to a larger pool."


# --- Images


def image_not_allowed(image: str, allowed: Sequence[str]) -> str:
    return f"The image {image} isn't allowed on this server. Allowed: {', '.join(allowed)} (compose.registries)."


def builds_not_allowed(service: str) -> str:
    return (
        f"service {service!r} has a build, which this server doesn't allow (compose.builds). Use an image from a "
        "registry."
    )


def building(service: str) -> str:
    return f"Building the image of service {service!r}"


def pulling(images: Sequence[str]) -> str:
    return f"Pulling {', '.join(images)}"


def context_not_a_folder(context: str) -> str:
    return f"The build context {context} isn't a folder of the repository."


# --- Databases in the place of services

NO_POSTGRES = (
    "compose.replace in eph.yaml needs a PostgreSQL server, but this server has none (compose.postgres in eph.toml)."
)


def unreachable_for_containers(host: str) -> str:
    return f"Containers can't reach PostgreSQL at {host}. Set compose.postgres_address in eph.toml."


def address_not_found(host: str, error: object) -> str:
    return f"The address {host} of compose.postgres_address can't be resolved: {error}"


def no_template(source: str) -> str:
    return f"The prepared database {source!r} isn't among compose.templates in eph.toml."


def no_replaced_service(service: str, known: Sequence[str]) -> str:
    return (
        f"compose.replace in eph.yaml names the service {service!r}, which the compose file doesn't have. "
        f"Services: {', '.join(known) or 'none'}."
    )


def seed_failed(database: str, code: int) -> str:
    return f"Seeding the database {database!r} failed with exit status {code}."


def seed_too_slow(database: str, seconds: float) -> str:
    return f"Seeding the database {database!r} took longer than {seconds:.0f} s."


def remaining_database(name: str) -> str:
    return f"database {name}"


# --- An environment's limits


def too_many_services(count: int, limit: int) -> str:
    return (
        f"The compose file has {count} services; this server's limit for an environment is {limit} (compose.services)."
    )


def above_server_limit(resource: str, requested: str, limit: str) -> str:
    return f"environment.resources.{resource} is {requested}; this server's limit for an environment is {limit}."


def services_request_too_much(requested: str, limit: str, others: bool) -> str:
    rest = ", and each other service needs some of it" if others else ""
    return (
        f"The services of the compose file request {requested}; the limit of this environment is {limit}{rest}. "
        "Reduce their limits."
    )


def mebibytes(amount: float) -> str:
    return f"{amount:.0f} MiB of memory"


# --- Creating and starting it

CREATING = "Creating the containers"
STARTING = "Starting the services"


def more_problems(count: int) -> str:
    return f"… and {count} more"


def release_incomplete(generation: str) -> str:
    return f"The release {generation} is incomplete. Push again, or run `eph retry`."


def rollback_failed(sentence: str, second: str) -> str:
    return f"{sentence} The previous commit doesn't start either: {second}"


def never_completed(name: str) -> str:
    return f"{name} was never created completely, so it can't be started. Push again."


def no_response(service: str, port: int, path: str, seconds: int) -> str:
    return (
        f"service {service!r} doesn't respond on port {port}, path {path}, after {seconds} s. It must listen on "
        "0.0.0.0 and respond with 2xx or 3xx."
    )


def dependencies_unhealthy(services: Sequence[str], seconds: float) -> str:
    return f"{', '.join(services)}: the services that they depend on aren't healthy after {seconds:.0f} s."


def service_failed(service: str, reason: str) -> str:
    return f"service {service!r} {reason}"


OUT_OF_MEMORY = "exceeded its memory limit"
UNHEALTHY = "isn't healthy: its health check fails"


def ended_with(code: int) -> str:
    return f"ended with exit status {code}"


# --- Its containers and what remains of it


def exit_status(code: int) -> str:
    return f"exit status {code}"


NO_PREVIOUS_LOG = "A container's log continues across restarts. Omit --previous."


def remaining_resource(kind: str, name: str, environment: str) -> str:
    return f"{kind} {name} of {environment}"


def remaining_addresses(network: object, environment: str) -> str:
    return f"addresses {network} of {environment}"
