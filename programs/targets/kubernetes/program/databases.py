"""Databases: a server in the namespace or a database on the shared one, then its seed and its migrations."""

from __future__ import annotations

from pulumi import Output, Resource, ResourceOptions

from programs import variables
from programs.spec import POSTGRESQL, DatabaseSpec
from programs.targets.kubernetes import shared_postgres, wording
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program import commands
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import namespace_objects, servers, workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.v1 import resources

DATABASE_TIMEOUT = 180


def create(builder: ResourceBuilder) -> tuple[list[Resource], dict[str, Output[str]]]:
    """Returns what services wait for, and the databases' URLs by name. Databases don't wait for each other."""
    environment = builder.environment
    urls: dict[str, Output[str]] = {}
    filled: list[Resource] = list(builder.namespace_parts)
    for item in environment.spec.databases:
        filled += _database(builder, item, urls)
    return filled, urls


def _database(builder: ResourceBuilder, item: DatabaseSpec, urls: dict[str, Output[str]]) -> list[Resource]:
    environment = builder.environment
    part = ResourceGroup("Database", f"database-{item.name}")
    last = (
        _shared_database(builder, item, part, urls)
        if shared_postgres.is_shared(item, environment.settings)
        else _own_server(builder, item, part, urls)
    )
    if item.strategy == "seed":
        last = _seed(builder, item, part, last)
    if item.migrate:
        last = [commands.run(builder, f"migrate {item.name}", item.migrate, part, last)]
    return last


def _shared_database(
    builder: ResourceBuilder, item: DatabaseSpec, part: Resource, urls: dict[str, Output[str]]
) -> list[Resource]:
    """A database and a role on the server that environments share; a clone for the strategy `template`."""
    environment = builder.environment
    props = {
        "root": str(environment.settings.root),
        "environment": environment.spec.name,
        "database": shared_postgres.database_name(environment.spec.name, item),
        "source": environment.settings.template_databases.get(item.source, ""),
    }
    made = resources.SharedDatabase(
        f"shared-{item.name}", props, ResourceOptions(parent=part, depends_on=[builder.namespace])
    )
    url = made.url.apply(lambda found: shared_postgres.pod_url(found, environment.settings))
    urls[item.name] = Output.secret(url)
    values: Data = {"stringData": urls[item.name].apply(variables.database_parts)}
    return [
        builder.apply(namespace_objects.new_object("Secret", object_names.database(item), values), part),
        *builder.namespace_parts,
    ]


def _own_server(
    builder: ResourceBuilder, item: DatabaseSpec, part: Resource, urls: dict[str, Output[str]]
) -> list[Resource]:
    environment = builder.environment
    name = object_names.database(item)
    password = resources.Password(f"password-{item.name}", {"of": name})
    urls[item.name] = Output.secret(_url(item, password.value))
    values: Data = {"stringData": urls[item.name].apply(variables.database_parts)}
    secret = builder.apply(namespace_objects.new_object("Secret", name, values), part)
    is_postgres = item.engine == POSTGRESQL
    service = builder.apply(workloads.postgres_service(item) if is_postgres else servers.service(item), part)
    stateful_set = workloads.postgres_stateful_set if is_postgres else servers.stateful_set
    data = stateful_set(item, environment.settings, environment.labels)
    server = builder.apply(data, part, [secret, service, *builder.namespace_parts])
    return [builder.wait_until_ready(server, data, wording.database_step(item.name), DATABASE_TIMEOUT)]


def _url(item: DatabaseSpec, password: Output[str]) -> Output[str]:
    if item.engine != POSTGRESQL:
        return password.apply(lambda word: servers.url(item, word))
    place = f"@{object_names.database(item)}:{workloads.POSTGRES_PORT}/app?sslmode=disable"
    return Output.concat("postgresql://app:", password, place)


def _seed(builder: ResourceBuilder, item: DatabaseSpec, part: Resource, after: list[Resource]) -> list[Resource]:
    """Runs the scripts with psql in the server's image, then the command in the environment's first image. Before
    them the migrations, if the seed needs the tables."""
    environment = builder.environment
    if item.migrate and item.migrate_first:
        title, once = wording.migrate_first(item.name), object_names.database(item)
        after = [commands.run(builder, title, item.migrate, part, after, once)]
    if item.scripts:
        texts = {path: environment.prepared.scripts[path] for path in item.scripts}
        name = object_names.job(
            "seed", item.name, "\0".join([*item.scripts, *texts.values(), object_names.database(item)])
        )
        config = builder.apply(workloads.scripts_config_map(name, texts), part)
        spec = workloads.psql_pod(item, name, environment.settings)
        job = workloads.job_object(name, workloads.pod_template(environment.labels, spec), 600)
        made = builder.apply(job, part, [config, *after])
        after = [builder.wait_until_ready(made, job, wording.seed_step(item.name), 660)]
    if item.seed:
        after = [
            commands.run(
                builder, wording.seed_step(item.name), item.seed, part, after, once=object_names.database(item)
            )
        ]
    return after
