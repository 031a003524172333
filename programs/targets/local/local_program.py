"""The inline program: one environment as Pulumi resources, in an order that keeps the old generation live.

Home → checkout, ports and databases → hooks → build → seed → migrations → services → routes → current. Services of one
generation know each other's ports from the start, so circular references work and a new generation talks to its own
services. Routes wait for every service: an incomplete generation is never exposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pulumi import Output, Resource, ResourceOptions

from programs import start_order, variables
from programs.kit import identifiers
from programs.kit.server_engines import engines
from programs.outputs import OutputExporter
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, HealthCheck, ServiceSpec
from programs.targets.local import connectivity, wording
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1 import resources

DatabaseResource = resources.Database | resources.DatabaseServer


class LocalProgram:
    """Declares the resources of one spec. Each run of the program creates a new instance."""

    def __init__(self, spec: EnvironmentSpec, settings: LocalSettings, version: str) -> None:
        self.spec = spec
        self.settings = settings
        self.version = version
        self.generation = identifiers.generation(spec, version)
        self.hosts = {item.name: identifiers.service_host(spec, item.name) for item in spec.services if item.public}
        if spec.mail:
            self.hosts[variables.MAIL] = identifiers.service_host(spec, variables.MAIL)
        self.urls = {name: settings.url.format(host=host) for name, host in self.hosts.items()}
        self.url = next(iter(self.urls.values()), "")
        self.environment_props = {
            "root": str(settings.root),
            "environment": identifiers.check_label(spec.name, "environment"),
        }
        self.generation_props = {**self.environment_props, "generation": self.generation}
        self.schema_notices: list[Output[list[str] | None]] = []

    def build(self) -> None:
        home = resources.Home("home", dict(self.environment_props))
        self.ports = resources.Ports("ports", {**self.generation_props, "services": self._listening()}, _after(home))
        checkout = self._checkout(home)
        databases: dict[str, DatabaseResource] = {
            item.variable: self._database(item, home) for item in self.spec.postgres_databases
        }
        databases |= {item.variable: self._database_server(item, home) for item in self.spec.database_servers}
        self.database_variables = Output.from_input({name: database.url for name, database in databases.items()})
        self.database_versions = Output.all(*(database.made for database in databases.values())).apply(" ".join)
        mail = self._mail_catcher(home) if self.spec.mail else None
        self.smtp_port = mail.port if mail else Output.from_input(0)
        needed: list[Resource] = [checkout, *databases.values(), *([mail] if mail else [])]
        ready: list[Resource] = self._run_once("pre-create", self.spec.hooks.pre_create, needed)
        ready = self._build(ready)
        ready = self._seed_and_migrate(databases, ready)
        served = self._services(ready)
        routes: list[Resource] = [self._route(item, served) for item in self.spec.services if item.public]
        routes += [self._mail_route(mail)] if mail else []
        current = resources.Current("current", dict(self.generation_props), _after(*served, *routes))
        last = self._run_once("post-create", self.spec.hooks.post_create, [current])
        self._pre_destroy_hooks(last)
        self._export(databases, current, checkout)

    def _listening(self) -> list[str]:
        return [identifiers.check_label(item.name, "service") for item in self.spec.services if not item.schedule]

    def _checkout(self, home: Resource) -> resources.Checkout:
        # A clone URL may contain a password; as a secret it is encrypted in the state.
        source = {"clone_url": Output.secret(self.spec.source.clone_url), "commit": self.spec.source.commit}
        return resources.Checkout("checkout", {**self.generation_props, **source}, _after(home))

    def _database(self, item: DatabaseSpec, home: Resource) -> resources.Database:
        name = identifiers.database_name(self.spec.name, item)
        source = self.settings.template_databases.get(item.source, "")
        props = {**self.environment_props, "database": name, "source": source, "title": item.name}
        return resources.Database(f"database-{item.name}", props, _after(home))

    def _database_server(self, item: DatabaseSpec, home: Resource) -> resources.DatabaseServer:
        own = {"title": item.name, "engine": item.engine, "memory_bytes": self.settings.server_memory_bytes}
        return resources.DatabaseServer(f"server-{item.name}", {**self.generation_props, **own}, _after(home))

    def _mail_catcher(self, home: Resource) -> resources.MailCatcher:
        props = {**self.generation_props, "title": variables.MAIL, "engine": engines.MAIL.name}
        return resources.MailCatcher("mail", props, _after(home))

    def _mail_route(self, mail: resources.MailCatcher) -> Resource:
        page = ServiceSpec(variables.MAIL, "", health=HealthCheck("/"))
        return resources.Route("route-mail", {**self._route_props(page), "port": mail.web_port}, _after(mail))

    def _build(self, ready: list[Resource]) -> list[Resource]:
        if self.spec.build is None:
            return ready
        source = ("repository", "from_fork", "read_only_cache")
        props = self._command_props("build", self.spec.build) | {name: getattr(self.spec, name) for name in source}
        return [resources.Command("build", props, _after(*ready))]

    def _seed_and_migrate(self, databases: Mapping[str, DatabaseResource], ready: list[Resource]) -> list[Resource]:
        """Seeds, then migrations, separately for each database."""
        filled = list(ready)
        for item in self.spec.databases:
            last = ready
            if item.strategy == "seed":
                last = [self._seed(item, databases[item.variable], ready)]
            if item.migrate:
                title = f"migrate {item.name}"
                props = {**self._command_props(title, item.migrate), "data": databases[item.variable].made}
                last = [self._migrate(item, props, last)]
            filled += [one for one in last if one not in filled]
        return filled

    def _migrate(self, item: DatabaseSpec, props: dict[str, Any], ready: list[Resource]) -> Resource:
        """Schemas of other engines aren't compared, and neither are those whose seed needs the migrations: nothing
        shows them without."""
        if item not in self.spec.postgres_databases or item.migrate_first:
            return resources.Command(f"migrate-{item.name}", props, _after(*ready))
        name = identifiers.database_name(self.spec.name, item)
        found = resources.Migration(f"migrate-{item.name}", {**props, "database": name}, _after(*ready))
        self.schema_notices.append(found.schema)
        return found

    def _secret_props(self) -> dict[str, list[str]]:
        """The variables to redact from output. Omitted when there are none, so that other resources don't change."""
        names = {*self.spec.secrets, *(item.variable for item in self.spec.databases)}
        return {"secrets": sorted(names)} if names else {}

    def _seed(self, item: DatabaseSpec, database: DatabaseResource, ready: list[Resource]) -> Resource:
        props = {
            **self.generation_props,
            "database": identifiers.database_name(self.spec.name, item),
            "title": item.name,
            "url": database.url.apply(lambda url: connectivity.inside_url(self.settings, url)),
            "scripts": list(item.scripts),
            "command": asdict(item.seed) if item.seed else None,
            **({"migrate": asdict(item.migrate)} if item.migrate and item.migrate_first else {}),
            "env": self._env(),
            **self._secret_props(),
        }
        return resources.Seed(f"seed-{item.name}", props, _after(*ready))

    def _run_once(self, title: str, commands: tuple[CommandSpec, ...], ready: list[Resource]) -> list[Resource]:
        """Runs the commands one after the other."""
        for index, command in enumerate(commands):
            props = self._command_props(f"{title} {index + 1}", command)
            ready = [resources.Once(f"{title}-{index + 1}", props, _after(*ready))]
        return ready

    def _pre_destroy_hooks(self, ready: list[Resource]) -> None:
        """Deleted before everything they depend on; the last one created is deleted first."""
        for index, command in reversed(list(enumerate(self.spec.hooks.pre_destroy))):
            props = self._command_props(f"pre-destroy {index + 1}", command)
            ready = [resources.LastWords(f"pre-destroy-{index + 1}", props, _after(*ready))]

    def _command_props(self, title: str, command: CommandSpec) -> dict[str, Any]:
        props = {"title": title, "run": command.run, "timeout": command.timeout, "env": self._env()}
        return {**self.generation_props, **props, **self._secret_props(), "data": ""}

    def _services(self, ready: list[Resource]) -> list[Resource]:
        """Services without ``after`` start together."""
        served: dict[str, Resource] = {}
        for item in start_order.in_order(self.spec.services):
            served[item.name] = self._service(item, [*ready, *(served[name] for name in item.after)])
        return [served[item.name] for item in self.spec.services]

    def _service(self, item: ServiceSpec, ready: list[Resource]) -> Resource:
        props = {
            **self.generation_props,
            "service": item.name,
            "command": item.command,
            "url": self.urls.get(item.name, ""),
            "port": self.ports.ports.apply(lambda ports: ports.get(item.name, 0)),
            "path": "" if item.schedule else item.health.path,
            "deadline": item.health.deadline,
            "data": self.database_versions,
            "env": self._env(item),
            **self._secret_props(),
            **({"schedule": item.schedule} if item.schedule else {}),
            **({} if item.public else {"public": False}),
            **({"volumes": sorted(item.volumes)} if item.volumes else {}),
            **({"databases": self._declared_databases()} if self.spec.postgres_databases else {}),
            **self._sleep_props(),
        }
        return resources.Service(f"service-{item.name}", props, _after(*ready))

    def _declared_databases(self) -> list[dict[str, str]]:
        return [
            {
                "title": item.name,
                "variable": item.variable,
                "name": identifiers.database_name(self.spec.name, item),
            }
            for item in self.spec.postgres_databases
        ]

    def _route(self, item: ServiceSpec, served: list[Resource]) -> Resource:
        port = self.ports.ports.apply(lambda ports: ports[item.name])
        return resources.Route(f"route-{item.name}", {**self._route_props(item), "port": port}, _after(*served))

    def _route_props(self, item: ServiceSpec) -> dict[str, Any]:
        return {
            **self.environment_props,
            "host": self.hosts[item.name],
            "service": item.name,
            "commit": self.spec.source.commit,
            "sign_in": self.spec.sign_in,
            "allow": list(self.spec.allow),
            "health": item.health.path,
            **self._sleep_props(),
        }

    def _sleep_props(self) -> dict[str, bool]:
        """Hooks that follow the start need running services. These are stopped after the update instead."""
        return {"asleep": True} if self.spec.asleep and not self.spec.hooks.post_create else {}

    def _env(self, service: ServiceSpec | None = None) -> Output[dict[str, str]]:
        """The complete environment of a command. Eph's values override the repository's."""
        own = dict(self.spec.env) | (dict(service.env) if service else {})
        fixed = {
            **variables.public_variables(self.urls),
            "PREVIEW_URL": self.urls.get(service.name, self.url) if service else self.url,
            "EPH_ENVIRONMENT": self.spec.name,
            "EPH_COMMIT": self.spec.source.commit,
        }

        def compose(known: list[Any]) -> dict[str, str]:
            ports, databases, smtp_port = known[0], dict(known[1]), int(known[2])
            for item in self.spec.postgres_databases:
                databases[item.variable] = connectivity.inside_url(self.settings, databases[item.variable])
            internal = {name: f"http://127.0.0.1:{int(port)}" for name, port in ports.items()}
            values = variables.address_values(self.url, self.urls, internal)
            for item in self.spec.databases:
                values |= variables.database_values(item.name, databases[item.variable])
            others = variables.internal_variables(internal, service.name if service else "")
            port = ports.get(service.name) if service else None
            listen = {"PORT": str(int(port)), "HOST": "127.0.0.1"} if port else {}
            smtp = variables.smtp_variables("127.0.0.1", smtp_port) if smtp_port else {}
            given = variables.fill(own, values) | self.spec.secret_values
            proxy = connectivity.proxy_variables(self.settings)
            return {**proxy, **given, **others, **databases, **smtp, **fixed, **listen}

        return Output.secret(Output.all(self.ports.ports, self.database_variables, self.smtp_port).apply(compose))

    def _export(
        self, databases: Mapping[str, DatabaseResource], current: resources.Current, checkout: resources.Checkout
    ) -> None:
        urls = {item.name: databases[item.variable].url for item in self.spec.databases}
        logs = f"{self.settings.logs}/{self.spec.name}.*.log"
        notices = Output.all(checkout.notices, *self.schema_notices).apply(_joined)
        exporter = OutputExporter(self.urls, urls, logs, self._inspect(), notices)
        exporter.export(self.spec, self.version, current.at)

    def _inspect(self) -> list[str]:
        folder = self.settings.env(self.spec.name)
        hints = [f"ls {folder}/src/{self.generation}", f"ls {folder}/logs", f"tail -F {self.settings.logs}/"]
        hints[2] += f"{self.spec.name}.*.log"
        names = [identifiers.database_name(self.spec.name, item) for item in self.spec.postgres_databases]
        return hints + [wording.database_hint(name) for name in names]


def _joined(notices: Sequence[Sequence[str] | None]) -> list[str]:
    return [each for found in notices for each in found or ()]


def _after(*resources_: Resource) -> ResourceOptions:
    return ResourceOptions(depends_on=list(resources_))
