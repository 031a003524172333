"""The inline program: one environment as Pulumi resources, in the order that keeps the old one answering.

Namespace and what surrounds it → databases, seeds, migrations → services, each after those it names → ingresses and
doors → built. What lies in the namespace goes with it: a destroy deletes the namespace alone. Pulumi's own waiting is
off; ``Ready`` waits, and says why when it waits in vain, as the target's purge does for the end of the namespace.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import Output, Resource, ResourceOptions

from programs import registry, start_order
from programs.outputs import OutputExporter
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, ServiceSpec
from programs.targets.kubernetes import gateway_routes, scale_to_zero, shared_postgres
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.manifests import rewriting
from programs.targets.kubernetes.rendering import namespace_objects, workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.rendering.workloads import ContainerEnv
from programs.targets.kubernetes.settings import KubernetesSettings
from programs.targets.kubernetes.v1 import resources

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
DELETE_TIMEOUT = "10m"
DATABASE_TIMEOUT = 180
PRE_DESTROY_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """What was looked up before anything is applied. ``images``: by name, pinned. ``scripts``: by path, the SQL of
    seeds. ``objects``: the repository's manifests, judged and rewritten. ``front_service``: the service and port in
    them that the environment's host leads to. ``certificate``: of the operator's Secret, as it lies there.
    ``database_server``: where pods reach the database server that environments share."""

    images: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[Data, ...] = ()
    front_service: tuple[str, int] | None = None
    front_ports: tuple[int, ...] = ()
    certificate: Mapping[str, str] = field(default_factory=dict)
    database_server: tuple[list[Data], int] | None = None


class AppliedObject(pulumi.CustomResource):
    """One object, of whatever kind, in the hands of Pulumi's Kubernetes plugin. The SDK has a class for each kind; here
    objects are plain data, and the type's name is all that the plugin asks for."""

    def __init__(self, title: str, data: Data, opts: ResourceOptions) -> None:
        version = data["apiVersion"]
        token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{data['kind']}"
        own = ResourceOptions(version=metadata.version("pulumi-kubernetes"))
        super().__init__(token, title, dict(data), ResourceOptions.merge(opts, own))


class ResourceGroup(pulumi.ComponentResource):
    """A group of objects, so that the tree of resources reads as the environment does."""

    def __init__(self, kind: str, name: str, parent: Resource | None = None) -> None:
        super().__init__(f"eph:kubernetes:{kind}", name, {}, ResourceOptions(parent=parent))


class KubernetesProgram:
    """Builds the resources of one spec; a new one for each run of the program."""

    def __init__(
        self, spec: EnvironmentSpec, settings: KubernetesSettings, prepared: PreparedInputs, version: str
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.prepared = prepared
        self.version = version
        self.namespace = object_names.namespace(spec.name)
        self.labels = object_names.labels(spec, settings.server)
        self.generation = f"{object_names.generation(spec)}-{version}"
        public = [item.name for item in spec.services if item.public]
        if not public and prepared.front_service:
            public = [prepared.front_service[0]]
        self.hosts = {name: object_names.service_host(spec, name, public[0]) for name in public}
        self.urls = {name: settings.url.format(host=host) for name, host in self.hosts.items()}
        self.url = next(iter(self.urls.values()), "")
        self.secret_keys = {variable: (object_names.SECRETS, variable) for variable in spec.secrets}
        self.secret_keys |= {item.variable: (object_names.database(item), "url") for item in spec.databases}
        self.database_urls: dict[str, Output[str]] = {}

    def build(self) -> None:
        self.provider = kubernetes.Provider(
            "cluster",
            kubeconfig=self.settings.kubeconfig or None,
            context=self.settings.context or None,
            cluster_identifier="eph",  # another kubeconfig is the same cluster until the operator says otherwise
        )
        self.namespace_resource = self._namespace_objects()
        filled = self._databases()
        filled = self._run_once("pre-create", self.spec.hooks.pre_create, filled)
        ready = self._services(filled)
        ready += self._manifests(filled)
        ready = self._run_once("post-create", self.spec.hooks.post_create, ready)
        fronts = self._ingresses_and_routes(ready)
        self._pre_destroy_hooks(fronts)
        self._export(fronts)

    # --- applying

    def _apply(self, data: Data, part: Resource, after: list[Resource] | None = None) -> Resource:
        """One object of the namespace. Its name in Pulumi is its kind and name, so a refusal names both."""
        about = dict(data["metadata"])
        about["namespace"] = self.namespace
        about["labels"] = {**about.get("labels", {}), **self.labels}
        about["annotations"] = {**about.get("annotations", {}), **SKIP_AWAIT}
        title = f"{data['kind'].lower()}-{about['name']}"
        return AppliedObject(
            title,
            {**data, "metadata": about},
            ResourceOptions(
                parent=part,
                provider=self.provider,
                depends_on=[self.namespace_resource, *(after or [])],
                deleted_with=self.namespace_resource,
            ),
        )

    def _namespace_objects(self) -> Resource:
        part = ResourceGroup("Surroundings", "surroundings")
        times = pulumi.CustomTimeouts(delete=DELETE_TIMEOUT)
        whose: Data = {registry.ENVIRONMENT_INPUT: self.spec.name, registry.TARGET_INPUT: self.spec.target}
        whose[registry.PINNED_INPUT] = {"commit": self.spec.source.commit, "images": dict(self.prepared.images)}
        whose[registry.PINNED_INPUT]["found"] = dict(self.spec.found)
        mark = resources.Mark("mark", whose)
        options = ResourceOptions(parent=part, provider=self.provider, custom_timeouts=times, depends_on=[mark])
        home = namespace_objects.namespace(self.spec, self.settings)
        home["metadata"]["annotations"] |= SKIP_AWAIT  # the purge after a destroy waits, and says what keeps it
        self.namespace_resource = AppliedObject("namespace", home, options)
        around = [
            namespace_objects.resource_quota(self.spec, self.settings),
            namespace_objects.limit_range(self.spec, self.settings),
            namespace_objects.service_account(),
        ]
        around += namespace_objects.network_policies(self.settings, self._public_ports(), self.prepared.database_server)
        secret = namespace_objects.pull_secret(self.settings)
        around += [secret] if secret else []
        around += [self._secrets()] if self.spec.secrets else []
        if self.prepared.certificate:
            around.append(namespace_objects.certificate_secret(Output.secret(dict(self.prepared.certificate))))
        self.namespace_parts = [self._apply(data, part) for data in around]
        return self.namespace_resource

    def _secrets(self) -> Data:
        """The server's secrets for this environment: encrypted in the state, and no pod's spec holds a value."""
        return namespace_objects.new_object(
            "Secret", object_names.SECRETS, {"stringData": Output.secret(self.spec.secret_values)}
        )

    def _public_ports(self) -> list[int]:
        declared = [workloads.service_port(item) for item in self.spec.services if item.public]
        return [*declared, *self.prepared.front_ports]

    # --- waiting

    def _wait_until_ready(self, made: Resource, kind: str, name: str, title: str, seconds: int) -> Resource:
        """``made`` anew behind the same name is waited for again: the cluster gives it another uid."""
        props = {
            "uid": made.__dict__["metadata"].apply(lambda about: about.get("uid", "")),
            "namespace": self.namespace,
            "kind": kind,
            "name": name,
            "title": title,
            "seconds": seconds,
            "generation": self.generation,
            "on": self._cluster_settings(),
        }
        return resources.Ready(f"{kind.lower()}-{name}", props, ResourceOptions(depends_on=[made]))

    def _cluster_settings(self) -> dict[str, str]:
        """What a wait needs of the settings; nothing of it is secret."""
        return {
            "root": str(self.settings.root),
            "server": self.settings.server,
            "kubeconfig": self.settings.kubeconfig,
            "context": self.settings.context,
        }

    # --- databases

    def _databases(self) -> list[Resource]:
        """Each for itself: server, then seed, then migrations."""
        filled: list[Resource] = list(self.namespace_parts)
        for item in self.spec.databases:
            filled += self._database(item)
        return filled

    def _database(self, item: DatabaseSpec) -> list[Resource]:
        part = ResourceGroup("Database", f"database-{item.name}")
        last = (
            self._shared_database(item, part)
            if shared_postgres.is_shared(item, self.settings)
            else self._own_server(item, part)
        )
        if item.strategy == "seed":
            last = self._seed(item, part, last)
        if item.migrate:
            last = [self._command(f"migrate {item.name}", item.migrate, part, last)]
        return last

    def _shared_database(self, item: DatabaseSpec, part: Resource) -> list[Resource]:
        """A database and a role on the server that environments share; a clone where it is asked for."""
        props = {
            "root": str(self.settings.root),
            "environment": self.spec.name,
            "database": shared_postgres.database_name(self.spec.name, item),
            "source": self.settings.template_databases.get(item.source, ""),
        }
        made = resources.SharedDatabase(
            f"shared-{item.name}", props, ResourceOptions(parent=part, depends_on=[self.namespace_resource])
        )
        url = made.url.apply(lambda found: shared_postgres.pod_url(found, self.settings))
        self.database_urls[item.name] = Output.secret(url)
        values = {"stringData": Output.secret({"url": url})}
        return [
            self._apply(namespace_objects.new_object("Secret", object_names.database(item), values), part),
            *self.namespace_parts,
        ]

    def _own_server(self, item: DatabaseSpec, part: Resource) -> list[Resource]:
        name = object_names.database(item)
        password = resources.Password(f"password-{item.name}", {"of": name})
        url = Output.concat("postgresql://app:", password.value, f"@{name}:{workloads.POSTGRES_PORT}/app")
        self.database_urls[item.name] = Output.secret(url)
        values = {"password": password.value, "url": url}
        secret = self._apply(namespace_objects.new_object("Secret", name, {"stringData": Output.secret(values)}), part)
        service = self._apply(workloads.postgres_service(item), part)
        server = self._apply(
            workloads.postgres_stateful_set(item, self.settings, self.labels),
            part,
            [secret, service, *self.namespace_parts],
        )
        title = f"database {item.name}"
        return [self._wait_until_ready(server, "StatefulSet", name, title, DATABASE_TIMEOUT)]

    def _seed(self, item: DatabaseSpec, part: Resource, after: list[Resource]) -> list[Resource]:
        """The scripts by psql in the server's own image, then the command in the image of the first service."""
        if item.scripts:
            texts = {path: self.prepared.scripts[path] for path in item.scripts}
            name = object_names.job(
                "seed", item.name, "\0".join([*item.scripts, *texts.values(), object_names.database(item)])
            )
            config = self._apply(workloads.scripts_config_map(name, texts), part)
            spec = workloads.psql_pod(item, name, self.settings)
            made = self._apply(
                workloads.job_object(name, workloads.pod_template(self.labels, spec), 600), part, [config, *after]
            )
            after = [self._wait_until_ready(made, "Job", name, f"seed {item.name}", 660)]
        if item.seed:
            after = [self._command(f"seed {item.name}", item.seed, part, after, once=object_names.database(item))]
        return after

    # --- commands

    def _run_once(self, title: str, commands: tuple[CommandSpec, ...], after: list[Resource]) -> list[Resource]:
        """One after the other, and for one environment only once."""
        part = ResourceGroup("Hooks", title) if commands else None
        for index, command in enumerate(commands):
            after = [self._command(f"{title} {index + 1}", command, part, after, once=self.spec.name)]
        return after

    def _command(
        self, title: str, command: CommandSpec, part: Resource | None, after: list[Resource], once: str = ""
    ) -> Resource:
        """A command of the repository, run as a Job in the image of the first service; with every build, or once."""
        content = "\0".join([command.run, once or self.generation])
        name = object_names.job("run", title.replace(" ", "-"), content)
        job = self._job(name, command)
        made = self._apply(job, part or self.namespace_resource, after)
        return self._wait_until_ready(made, "Job", name, title, command.timeout + 60)

    def _job(self, name: str, command: CommandSpec) -> Data:
        of = next(item for item in self.spec.services if item.image)
        service = ServiceSpec("command", command.run, public=False)
        container = workloads.container_spec(service, self._image(of), self._variables(of), self.settings)
        template = workloads.pod_template(self.labels, workloads.pod_spec(self.settings, [container]))
        return workloads.job_object(name, template, command.timeout)

    def _pre_destroy_hooks(self, after: list[Resource]) -> None:
        """Deleted before all that they depend on; the last that is made is the first that goes. Until then each is
        only a Job that is written down: nothing in it is secret, variables name the Secrets that hold them."""
        for index, command in reversed(list(enumerate(self.spec.hooks.pre_destroy))):
            title = f"pre-destroy {index + 1}"
            short = CommandSpec(command.run, min(command.timeout, PRE_DESTROY_TIMEOUT))
            job = self._job(f"{object_names.PREFIX}run-pre-destroy-{index + 1}", short)
            job["metadata"]["labels"] = self.labels
            # As text: Pulumi would give a dynamic provider each number as a fraction.
            props = {
                "namespace": self.namespace,
                "title": title,
                "job": json.dumps(job),
                "on": self._cluster_settings(),
            }
            after = [resources.LastWords(f"pre-destroy-{index + 1}", props, ResourceOptions(depends_on=after))]

    # --- services

    def _services(self, filled: list[Resource]) -> list[Resource]:
        """In the order that ``after`` asks for; those that ask for nothing start together."""
        ready: dict[str, Resource] = {}
        for item in start_order.in_order(self.spec.services):
            ready[item.name] = self._service(item, [*filled, *(ready[name] for name in item.after)])
        return list(ready.values())

    def _service(self, item: ServiceSpec, after: list[Resource]) -> Resource:
        part = ResourceGroup("Service", f"service-{item.name}")
        labels = {**self.labels, object_names.SERVICE: item.name, object_names.PUBLIC: str(item.public).lower()}
        container = workloads.container_spec(item, self._image(item), self._variables(item), self.settings)
        spec = workloads.pod_spec(self.settings, [container])
        volumes = workloads.pod_volumes(item, self.settings)
        if volumes:
            spec["volumes"] = volumes
            spec["securityContext"]["fsGroup"] = 65532
        template = workloads.pod_template(labels, spec, object_names.secrets_annotation(self.spec))
        after = [*after, *(self._apply(data, part) for data in workloads.volume_claims(item, self.settings))]
        if item.schedule:
            return self._apply(workloads.cron_job(item, template), part, after)
        if workloads.has_port(item):
            after = [*after, self._apply(workloads.cluster_service(item), part)]
        made = self._apply(workloads.deployment(item, template, self.settings), part, after)
        return self._wait_until_ready(made, "Deployment", item.name, f"service {item.name}", item.health.deadline)

    def _image(self, item: ServiceSpec) -> str:
        return self.prepared.images[item.image]

    def _variables(self, item: ServiceSpec) -> ContainerEnv:
        """All that a container is given; what Eph says counts more than what the repository says."""
        others = {
            object_names.url_variable(other.name): f"http://{other.name}"
            for other in self.spec.services
            if other.name != item.name and workloads.has_port(other)
        }
        fixed = {
            "PREVIEW_URL": self.urls.get(item.name, self.url),
            "EPH_ENVIRONMENT": self.spec.name,
            "EPH_COMMIT": self.spec.source.commit,
        }
        if workloads.has_port(item):
            fixed["PORT"] = str(workloads.service_port(item))
        own = {key: value for key, value in {**self.spec.env, **item.env}.items() if key not in self.secret_keys}
        return ContainerEnv({**own, **others, **fixed}, self.secret_keys)

    # --- the repository's manifests

    def _manifests(self, after: list[Resource]) -> list[Resource]:
        if not self.prepared.objects:
            return []
        part, ready = ResourceGroup("Manifests", "manifests"), []
        variables = self._variables(ServiceSpec("manifests", "", public=False)).to_list()
        scaled = scale_to_zero.autoscaled(self.prepared.objects)
        for brought in self.prepared.objects:
            data = scale_to_zero.without_replicas(rewriting.set_variables(copy.deepcopy(brought), variables), scaled)
            made = self._apply(data, part, after)
            kind, name = data["kind"], data["metadata"]["name"]
            if kind in ("Deployment", "StatefulSet", "Job"):
                made = self._wait_until_ready(made, kind, name, f"{kind} {name}", 300)
            ready.append(made)
        return ready

    # --- what people reach

    def _ingresses_and_routes(self, ready: list[Resource]) -> list[Resource]:
        """Ingresses at once: what answers behind them is the old until the new is ready. Doors when all is ready."""
        part, last = ResourceGroup("Front", "front"), list(ready)
        for name, host in self.hosts.items():
            backend = (name, workloads.HTTP_PORT)
            if self.prepared.front_service and name == self.prepared.front_service[0]:
                backend = self.prepared.front_service
            leads = namespace_objects.ingress_or_route(
                self.settings, f"{object_names.PREFIX}{name}"[:59].rstrip("-"), host, backend
            )
            fronts = [self._apply(leads, part, self.namespace_parts)] if leads else []
            last += fronts
            upstream = gateway_routes.upstream(self.settings, self.namespace, *backend)
            if self.settings.routes and upstream:
                last.append(self._gateway_route(name, host, upstream, [*fronts, *self.namespace_parts, *ready]))
        return last

    def _gateway_route(self, name: str, host: str, upstream: str, after: list[Resource]) -> Resource:
        props = {
            "folder": self.settings.routes,
            "environment": self.spec.name,
            "host": host,
            "service": name,
            "commit": self.spec.source.commit,
            "sign_in": self.spec.sign_in,
            **({"allow": list(self.spec.allow)} if self.spec.allow else {}),
            "upstream": upstream,
            "sole": self.settings.front == "eph",
            "health": self._health_path(name),
        }
        return resources.Door(f"door-{name}", props, ResourceOptions(depends_on=after))

    def _health_path(self, name: str) -> str:
        """The path of its health check; of a service in the repository's manifests nobody says one."""
        return next((item.health.path for item in self.spec.services if item.name == name), "")

    def _export(self, last: list[Resource]) -> None:
        at = f"-n {self.namespace}"
        logs = f"kubectl logs {at} --all-containers --prefix -l {object_names.ENVIRONMENT}={self.spec.name}"
        hints = [f"kubectl get all,ingress {at}", f"kubectl get events {at} --sort-by=.lastTimestamp"]
        for item in self.spec.databases:
            if shared_postgres.is_shared(item, self.settings):
                hints.append(
                    f"database {shared_postgres.database_name(self.spec.name, item)} of the shared PostgreSQL server"
                )
            else:
                hints.append(f"kubectl port-forward {at} svc/{object_names.database(item)} 5432")
        done = resources.Done("done", {"generation": self.generation}, ResourceOptions(depends_on=last))
        OutputExporter(self.urls, self.database_urls, logs, hints).export(self.spec, self.version, done.at)
