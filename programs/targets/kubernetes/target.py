"""The Kubernetes target's entry point. Cheap to import: Pulumi is imported only by ``program``.

``program`` resolves everything before it returns: manifests are read and checked, images pinned. So a mistake is found
before anything is applied, and what is running stays unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from programs import image_references, start_order
from programs.costs import CostEstimate, PriceList
from programs.exec_requests import ExecProcess, ExecRequest
from programs.image_references import InvalidReference
from programs.installation import InstallationOptions, InstallationPlan
from programs.inventory import HeldResource
from programs.kit import identifiers, machine_costs
from programs.kit.errors import TargetError
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, ServiceSpec, SuiteSpec
from programs.targets.kubernetes import (
    commit_files,
    cost_estimate,
    gateway_routes,
    namespace_deletion,
    resource_prices,
    rolling_restart,
    scale_to_zero,
    settings,
    shared_postgres,
    suite_sandbox,
    update_preparation,
    wording,
)
from programs.targets.kubernetes.api import api_server, cluster, object_names, quantities
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound
from programs.targets.kubernetes.api.namespace_access import ensure_access
from programs.targets.kubernetes.description import DESCRIPTION, STRATEGIES
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.exec import exec_command
from programs.targets.kubernetes.installation import server_chart
from programs.targets.kubernetes.observation import cluster_inventory, cluster_watch, pod_info
from programs.targets.kubernetes.program.environment import KubernetesEnvironment, PreparedInputs
from programs.targets.kubernetes.rendering import namespace_objects
from programs.targets.kubernetes.settings import KubernetesSettings, split_list

VERSION = "kubernetes-2"


LISTED_KINDS = ("v1/pods", "v1/services", "v1/persistentvolumeclaims", "v1/secrets", "apps/v1/deployments")


class KubernetesTarget:
    """Environments as namespaces; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        cluster_settings = settings.from_mapping(spec.settings).for_repository(spec.marks.get("Repository", ""))
        check_spec(spec)
        _check_templates(spec, cluster_settings)
        if spec.mail and not cluster_settings.mail_image:
            raise KubernetesError(wording.NO_MAIL_IMAGE)
        check_limits(spec, cluster_settings)
        prepared = replace(_prepare(spec, cluster_settings), api_server=api_server.networks(cluster_settings))

        def run() -> None:
            from programs.targets.kubernetes.program import kubernetes_program

            kubernetes_program.build(KubernetesEnvironment(spec, cluster_settings, prepared, VERSION))

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        """Environments share nothing that we start, but what the settings refer to must exist."""
        shared_postgres.save_admin_url(settings.from_mapping(settings_))

    def prepare_update(self, spec: EnvironmentSpec) -> bool:
        cluster_settings = settings.from_mapping(spec.settings)
        own = [item for item in spec.databases if not shared_postgres.is_shared(item, cluster_settings)]
        client = cluster.connect(cluster_settings)
        cleared = update_preparation.prepare(client, spec, own)
        ensure_access(spec.name, cluster_settings)
        if scale_to_zero.starts_nothing(spec):
            scale_to_zero.stop_workloads(client, object_names.namespace(spec.name))
        return cleared

    def refresh_access(self, name: str, settings_: Mapping[str, str]) -> None:
        ensure_access(name, settings.from_mapping(settings_))

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        """Deletes the namespace, if it is ours, and the routes. A namespace that only has our name isn't touched."""
        cluster_settings = settings.from_mapping(settings_)
        _remove_routes(cluster_settings, name)
        shared_postgres.drop_all(cluster_settings, name)
        suite_sandbox.remove(cluster_settings, name)
        found = cluster.connect(cluster_settings)
        path = f"/api/v1/namespaces/{object_names.namespace(name)}"
        if _is_ours(found, path, cluster_settings):
            namespace_deletion.delete(found, name)

    def stop_serving(self, name: str, settings_: Mapping[str, str]) -> None:
        """Removes the Ingresses and HTTPRoutes: their traffic doesn't pass Eph's gateway."""
        cluster_settings = settings.from_mapping(settings_)
        found = cluster.connect(cluster_settings)
        namespace = object_names.namespace(name)
        if _is_ours(found, f"/api/v1/namespaces/{namespace}", cluster_settings):
            namespace_deletion.delete_fronts(found, namespace)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        cluster_settings = settings.from_mapping(settings_)
        spaces = {
            item["metadata"]["name"]
            for item in cluster.list_namespaces(cluster.connect(cluster_settings), cluster_settings.server)
        }
        folders = {path.name for path in suite_sandbox.list_folders(cluster_settings)}
        return frozenset(
            spaces | folders | {route.environment for route in gateway_routes.list_routes(cluster_settings.routes)}
        )

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return cluster_watch.live_resources(settings.from_mapping(settings_))

    def list_resources(self, settings_: Mapping[str, str]) -> list[HeldResource]:
        cluster_settings = settings.from_mapping(settings_)
        return cluster_inventory.list_resources(cluster.connect(cluster_settings), cluster_settings)

    def delete_resource(self, resource: HeldResource, settings_: Mapping[str, str]) -> bool:
        cluster_settings = settings.from_mapping(settings_)
        return cluster_inventory.delete_resource(cluster.connect(cluster_settings), cluster_settings, resource)

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        cluster_settings = settings.from_mapping(settings_)
        found = cluster.connect(cluster_settings)
        lines = []
        for namespace in cluster.list_namespaces(found, cluster_settings.server):
            name = namespace["metadata"]["name"]
            lines.append(wording.remaining_namespace(name, namespace["status"]["phase"]))
            for kind in LISTED_KINDS:
                lines += [
                    f"{kind.rpartition('/')[2]} {name}/{item['metadata']['name']}"
                    for item in found.list_namespaced(name, kind)
                ]
        lines += [f"folder {path}" for path in suite_sandbox.list_folders(cluster_settings)]
        lines += [f"{item.kind.lower()} {item.name}" for item in shared_postgres.list_owned(cluster_settings)]
        return lines + [f"route {route.host}" for route in gateway_routes.list_routes(cluster_settings.routes)]

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        cluster_settings = settings.from_mapping(settings_)
        scale_to_zero.sleep(cluster.connect(cluster_settings), cluster_settings, object_names.namespace(name), name)

    def wake(self, name: str, settings_: Mapping[str, str], wait: bool = True) -> None:
        cluster_settings = settings.from_mapping(settings_)
        scale_to_zero.wake(
            cluster.connect(cluster_settings), cluster_settings, object_names.namespace(name), name, wait
        )

    def restart(self, name: str, settings_: Mapping[str, str], service: str) -> list[str]:
        found = cluster.connect(settings.from_mapping(settings_))
        return rolling_restart.restart(found, object_names.namespace(name), service)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Only what test suites share runs next to ephd."""
        suite_sandbox.stop(settings.from_mapping(settings_))

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        cluster_settings = settings.from_mapping(settings_)
        return pod_info.read_logs(cluster.connect(cluster_settings), object_names.namespace(name), request)

    def inspect(self, name: str, settings_: Mapping[str, str]) -> RuntimeInfo:
        cluster_settings = settings.from_mapping(settings_)
        return pod_info.inspect(cluster.connect(cluster_settings), object_names.namespace(name))

    def exec_command(self, name: str, settings_: Mapping[str, str], request: ExecRequest) -> ExecProcess:
        return exec_command.create_process(settings.from_mapping(settings_), name, request)

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        return suite_sandbox.command_line(settings.from_mapping(spec.settings), spec, suite, env)

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        return suite_sandbox.read_report(settings.from_mapping(spec.settings), spec, suite, max_bytes)

    def suite_screenshots(self, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
        return suite_sandbox.read_screenshots(settings.from_mapping(spec.settings), spec, suite, since)

    def set_expiry(self, name: str, settings_: Mapping[str, str], expires_at: datetime | None) -> None:
        """Sets it on the namespace, which contains everything of the environment."""
        cluster_settings = settings.from_mapping(settings_)
        expiry = expires_at.astimezone(UTC).isoformat(timespec="seconds") if expires_at else "never"
        note = {"metadata": {"annotations": {object_names.EXPIRES_AT: expiry}}}
        with contextlib.suppress(ObjectNotFound):
            cluster.connect(cluster_settings).patch(f"/api/v1/namespaces/{object_names.namespace(name)}", note)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices(spot=True)

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        return cost_estimate.estimate(spec, settings.from_mapping(settings_), price_list)

    def resource_prices(
        self, resources: Sequence[HeldResource], settings_: Mapping[str, str], price_list: PriceList
    ) -> Mapping[HeldResource, Decimal]:
        found = settings.from_mapping(settings_)
        return resource_prices.hourly_prices(cluster.connect(found), resources, price_list, spot=bool(found.spot))

    @property
    def installation_options(self) -> type[InstallationOptions]:
        return server_chart.KubernetesInstallationOptions

    def installation(self, options: InstallationOptions) -> InstallationPlan:
        return server_chart.prepare(options)


def _prepare(spec: EnvironmentSpec, settings: KubernetesSettings) -> PreparedInputs:
    from programs.targets.kubernetes.manifests import load_manifests

    scripts = {path for item in spec.databases for path in item.scripts}
    tree = (
        commit_files.load_tree(settings, spec.source) if scripts or spec.manifests else commit_files.InMemoryFiles({})
    )
    images = {name: _pinned_reference(name, text, settings) for name, text in spec.images.items()}
    brought = load_manifests(tree, spec, settings, images)
    return PreparedInputs(
        images=images,
        scripts=commit_files.read_texts(tree, sorted(scripts)),
        objects=brought.objects,
        backends=brought.backends,
        paths=brought.paths,
        health=brought.health,
        public_ports=brought.public_ports,
        notices=brought.notices,
        certificate=_front_certificate(settings),
        database_server=_database_server(spec, settings),
    )


def _database_server(
    spec: EnvironmentSpec, settings: KubernetesSettings
) -> tuple[list[namespace_objects.Data], int] | None:
    if not any(shared_postgres.is_shared(item, settings) for item in spec.databases):
        return None
    shared_postgres.save_admin_url(settings)
    return shared_postgres.network_peers(settings), shared_postgres.address(settings)[1]


def _front_certificate(settings: KubernetesSettings) -> Mapping[str, str]:
    """The certificate to copy, if any. Raises if the cluster lacks what the settings require."""
    if settings.gateway:
        try:
            kinds = {
                item["kind"]
                for item in cluster.connect(settings).get(f"/apis/{namespace_objects.GATEWAY_API}")["resources"]
            }
        except ObjectNotFound:
            kinds = set()
        if "HTTPRoute" not in kinds:
            raise KubernetesError(wording.no_http_routes(settings.gateway, namespace_objects.GATEWAY_API))
    if not settings.certificate_secret:
        return {}
    namespace, name = settings.certificate_secret
    try:
        data = cluster.connect(settings).get_namespaced(namespace, "v1/secrets", name).get("data") or {}
    except ObjectNotFound:
        raise KubernetesError(wording.no_tls_secret(name, namespace)) from None
    if not {"tls.crt", "tls.key"} <= data.keys():
        raise KubernetesError(wording.incomplete_tls_secret(settings.tls_secret))
    return {key: data[key] for key in ("tls.crt", "tls.key")}


def _pinned_reference(name: str, text: str, settings: KubernetesSettings) -> str:
    """Pins the image to the digest that was resolved, so a moved tag has no effect."""
    try:
        reference = image_references.parse(text)
    except InvalidReference as error:
        raise KubernetesError(str(error)) from error
    if not reference.digest:
        raise KubernetesError(wording.image_not_pinned(name, text))
    if not image_references.is_allowed(split_list(settings.registries), reference):
        raise KubernetesError(wording.image_not_allowed(text, settings.registries))
    return str(reference)


def _is_ours(client: ClusterClient, path: str, settings: KubernetesSettings) -> bool:
    try:
        labels = client.get(path)["metadata"].get("labels", {})
    except ObjectNotFound:
        return False
    return bool(
        labels.get(object_names.MANAGED_BY) == "eph"
        and labels.get(object_names.SERVER) == object_names.label_value(settings.server)
    )


def _remove_routes(settings: KubernetesSettings, name: str) -> None:
    if settings.routes:
        for route in gateway_routes.routes_of(settings.routes, name):
            gateway_routes.remove(Path(settings.routes), route.host, name, route.service)


def check_limits(spec: EnvironmentSpec, settings: KubernetesSettings) -> None:
    """Exceeding a server limit is an error that names the limit; a request is never silently reduced (Y4)."""
    for what, amount in spec.resources.items():
        most = getattr(settings, what)
        if quantities.parse(amount) > quantities.parse(most):
            raise KubernetesError(wording.above_server_limit(what, amount, most))
    for item in spec.services:
        _check_service_limits(item, spec, settings)
    sizes = (quantities.parse(size) for item in spec.services for size in item.volumes.values())
    volumes = sum(sizes, Decimal(0))
    disk = spec.resources.get("disk", settings.disk)
    if volumes > quantities.parse(disk):
        raise KubernetesError(wording.volumes_too_large(quantities.format_bytes(volumes), disk))


def _check_service_limits(service: ServiceSpec, spec: EnvironmentSpec, settings: KubernetesSettings) -> None:
    for what, amount in service.resources.items():
        most = spec.resources.get(what, getattr(settings, what))
        if quantities.parse(amount) > quantities.parse(most):
            raise KubernetesError(wording.service_above_limit(service.name, what, amount, most))


def check_spec(spec: EnvironmentSpec) -> None:
    """Reports early what the cluster would reject later, or what would clash."""
    try:
        identifiers.check_commit(spec.source.commit)
        for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
            identifiers.check_variable(name, wording.VARIABLE)
    except TargetError as error:
        raise KubernetesError(error.sentence) from error
    object_names.namespace(spec.name)
    if not spec.services and not spec.manifests:
        raise KubernetesError(wording.NEITHER_SERVICES_NOR_MANIFESTS)
    _check_services(spec)
    _check_databases(spec)


def _check_services(spec: EnvironmentSpec) -> None:
    listed = [object_names.service(item.name) for item in spec.services]
    for name in listed:
        if listed.count(name) > 1:
            raise KubernetesError(wording.service_defined_twice(name))
    for item in spec.services:
        if item.image not in spec.images:
            raise KubernetesError(wording.unknown_image(item.name, str(item.image), sorted(spec.images)))
        unknown = [name for name in item.after if name not in listed]
        if unknown:
            raise KubernetesError(wording.starts_after_unknown(item.name, unknown[0]))
        if item.public and item.schedule:
            raise KubernetesError(wording.public_with_schedule(item.name))
    waiting_for_each_other = start_order.find_cycle({item.name: item.after for item in spec.services})
    if waiting_for_each_other:
        raise KubernetesError(wording.cycle(waiting_for_each_other))


def _check_templates(spec: EnvironmentSpec, settings: KubernetesSettings) -> None:
    for item in spec.databases:
        if item.strategy == "template" and item.source not in settings.template_databases:
            known = sorted(settings.template_databases)
            raise KubernetesError(wording.unknown_template(item.name, item.source, known))


def _check_databases(spec: EnvironmentSpec) -> None:
    for item in spec.databases:
        object_names.service(item.name)
        if item.strategy not in STRATEGIES:
            raise KubernetesError(wording.unknown_strategy(item.name, item.strategy, STRATEGIES))
        if (item.migrate or item.seed) and not spec.images:
            raise KubernetesError(wording.no_image_for_database(item.name))
    for what in ("name", "variable"):
        listed = [getattr(item, what) for item in spec.databases]
        twice = [text for text in listed if listed.count(text) > 1]
        if twice:
            raise KubernetesError(wording.same_in_two_databases(what, twice[0]))
    if (spec.hooks.pre_create or spec.hooks.post_create or spec.hooks.pre_destroy) and not spec.images:
        raise KubernetesError(wording.NO_IMAGE_FOR_HOOKS)


TARGET = KubernetesTarget()
