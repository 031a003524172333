"""The inline program: one environment as Pulumi resources, in the order that keeps the old one answering.

Home → checkout, ports and databases → hooks → build → seed → migrations → services → routes → current.
Services of one generation know each other's ports from the start, so they may refer to each other in a circle, and a
new generation speaks to its own. Routes wait for every service: half a new generation is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi import Output, Resource, ResourceOptions

from programs import ordering
from programs.local import identifiers
from programs.local.settings import Settings
from programs.local.v1 import resources
from programs.outputs import Outputs
from programs.spec import Command, DatabaseSpec, EnvironmentSpec, ServiceSpec


class Environment:
    """Builds the resources of one spec; a new one for each run of the program."""

    def __init__(self, spec: EnvironmentSpec, settings: Settings, version: str) -> None:
        self.spec = spec
        self.settings = settings
        self.version = version
        self.generation = identifiers.generation(spec, version)
        self.hosts = {item.name: identifiers.service_host(spec, item.name) for item in spec.services if item.public}
        self.urls = {name: settings.url.format(host=host) for name, host in self.hosts.items()}
        self.url = next(iter(self.urls.values()), "")
        self.base = {"root": str(settings.root), "environment": identifiers.label(spec.name, "environment")}
        self.of = {**self.base, "generation": self.generation}

    def build(self) -> None:
        home = resources.Home("home", dict(self.base))
        self.ports = resources.Ports("ports", {**self.of, "services": self._names()}, _after(home))
        checkout = self._checkout(home)
        databases = {item.variable: self._database(item, home) for item in self.spec.databases}
        self.variables = Output.from_input({name: database.url for name, database in databases.items()})
        self.data = Output.all(*(database.made for database in databases.values())).apply(" ".join)
        ready: list[Resource] = self._once("pre-create", self.spec.hooks.pre_create, [checkout, *databases.values()])
        ready = self._build(ready)
        ready = self._fill(databases, ready)
        served = self._services(ready)
        routes: list[Resource] = [self._route(item, served) for item in self.spec.services if item.public]
        current = resources.Current("current", dict(self.of), _after(*served, *routes))
        last = self._once("post-create", self.spec.hooks.post_create, [current])
        self._last_words(last)
        self._export(databases, current)

    def _names(self) -> list[str]:
        return [identifiers.label(item.name, "service") for item in self.spec.services]

    def _checkout(self, home: Resource) -> Resource:
        # A clone URL may hold a password: as a secret it lies encrypted in the state.
        source = {"clone_url": Output.secret(self.spec.source.clone_url), "commit": self.spec.source.commit}
        return resources.Checkout("checkout", {**self.of, **source}, _after(home))

    def _database(self, item: DatabaseSpec, home: Resource) -> resources.Database:
        name = identifiers.database(self.spec.name, item)
        source = self.settings.prepared.get(item.source, "")
        props = {**self.base, "database": name, "source": source}
        return resources.Database(f"database-{item.name}", props, _after(home))

    def _build(self, ready: list[Resource]) -> list[Resource]:
        if self.spec.build is None:
            return ready
        return [resources.Command("build", self._command("build", self.spec.build), _after(*ready))]

    def _fill(self, databases: Mapping[str, resources.Database], ready: list[Resource]) -> list[Resource]:
        """Seeds, then migrations, each database for itself."""
        filled = list(ready)
        for item in self.spec.databases:
            last = ready
            if item.strategy == "seed":
                last = [self._seed(item, databases[item.variable], ready)]
            if item.migrate:
                title = f"migrate {item.name}"
                props = {**self._command(title, item.migrate), "data": databases[item.variable].made}
                last = [resources.Command(f"migrate-{item.name}", props, _after(*last))]
            filled += [one for one in last if one not in filled]
        return filled

    def _secret(self) -> dict[str, list[str]]:
        """Which variables no log may show. Told only where there are some, so that all others stay as they are."""
        return {"secrets": sorted(self.spec.secrets)} if self.spec.secrets else {}

    def _seed(self, item: DatabaseSpec, database: resources.Database, ready: list[Resource]) -> Resource:
        props = {
            **self.of,
            "database": identifiers.database(self.spec.name, item),
            "title": item.name,
            "url": database.url,
            "scripts": list(item.scripts),
            "command": {"run": item.seed.run, "timeout": item.seed.timeout} if item.seed else None,
            "env": self._env(),
            **self._secret(),
        }
        return resources.Seed(f"seed-{item.name}", props, _after(*ready))

    def _once(self, title: str, commands: tuple[Command, ...], ready: list[Resource]) -> list[Resource]:
        """One after the other."""
        for index, command in enumerate(commands):
            props = self._command(f"{title} {index + 1}", command)
            ready = [resources.Once(f"{title}-{index + 1}", props, _after(*ready))]
        return ready

    def _last_words(self, ready: list[Resource]) -> None:
        """Deleted before all that they depend on; the last that is made is the first that goes."""
        for index, command in reversed(list(enumerate(self.spec.hooks.pre_destroy))):
            props = self._command(f"pre-destroy {index + 1}", command)
            ready = [resources.LastWords(f"pre-destroy-{index + 1}", props, _after(*ready))]

    def _command(self, title: str, command: Command) -> dict[str, Any]:
        props = {"title": title, "run": command.run, "timeout": command.timeout, "env": self._env()}
        return {**self.of, **props, **self._secret(), "data": ""}

    def _services(self, ready: list[Resource]) -> list[Resource]:
        """Those that ask for nothing by ``after`` start together."""
        served: dict[str, Resource] = {}
        for item in ordering.in_order(self.spec.services):
            served[item.name] = self._service(item, [*ready, *(served[name] for name in item.after)])
        return [served[item.name] for item in self.spec.services]

    def _service(self, item: ServiceSpec, ready: list[Resource]) -> Resource:
        props = {
            **self.of,
            "service": item.name,
            "command": item.command,
            "port": self.ports.ports.apply(lambda ports: ports[item.name]),
            "path": item.health.path,
            "deadline": item.health.deadline,
            "data": self.data,
            "env": self._env(item),
        }
        return resources.Service(f"service-{item.name}", props, _after(*ready))

    def _route(self, item: ServiceSpec, served: list[Resource]) -> Resource:
        props = {
            **self.base,
            "host": self.hosts[item.name],
            "service": item.name,
            "commit": self.spec.source.commit,
            "port": self.ports.ports.apply(lambda ports: ports[item.name]),
            "sign_in": self.spec.sign_in,
            "health": item.health.path,
        }
        return resources.Route(f"route-{item.name}", props, _after(*served))

    def _env(self, service: ServiceSpec | None = None) -> Output[dict[str, str]]:
        """All that a command is given; what Eph says counts more than what the repository says."""
        own = dict(self.spec.env) | (dict(service.env) if service else {}) | self.spec.secret_values
        fixed = {
            "PREVIEW_URL": self.urls.get(service.name, self.url) if service else self.url,
            "EPH_ENVIRONMENT": self.spec.name,
            "EPH_COMMIT": self.spec.source.commit,
        }

        def compose(known: list[Any]) -> dict[str, str]:
            ports, variables = known
            others = {
                identifiers.variable(name): f"http://127.0.0.1:{int(port)}"
                for name, port in ports.items()
                if service is None or name != service.name
            }
            listen = {"PORT": str(int(ports[service.name])), "HOST": "127.0.0.1"} if service else {}
            return {**own, **others, **variables, **fixed, **listen}

        return Output.secret(Output.all(self.ports.ports, self.variables).apply(compose))

    def _export(self, databases: Mapping[str, resources.Database], current: resources.Current) -> None:
        urls = {item.name: databases[item.variable].url for item in self.spec.databases}
        logs = f"{self.settings.logs}/{self.spec.name}.*.log"
        Outputs(self.urls, urls, logs, self._inspect()).export(self.spec, self.version, current.at)

    def _inspect(self) -> list[str]:
        folder = self.settings.env(self.spec.name)
        hints = [f"ls {folder}/src/{self.generation}", f"ls {folder}/logs", f"tail -F {self.settings.logs}/"]
        hints[2] += f"{self.spec.name}.*.log"
        names = [identifiers.database(self.spec.name, item) for item in self.spec.databases]
        return hints + [f"PostgreSQL database {name}" for name in names]


def _after(*resources_: Resource) -> ResourceOptions:
    return ResourceOptions(depends_on=list(resources_))
