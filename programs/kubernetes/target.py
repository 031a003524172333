"""The door of the Kubernetes target. Cheap to import: Pulumi comes in only with ``program``.

``program`` looks everything up before it returns: manifests are read and judged, images pinned. So a mistake is found
before anything is applied, and what runs stays as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from programs import images, ordering
from programs.holdings import Holding
from programs.images import NoReference
from programs.insides import Inside, Reading, Told
from programs.kubernetes import (
    cluster,
    doors,
    holdings,
    inside,
    mending,
    names,
    objects,
    quantities,
    settings,
    shared,
    sleeping,
    sources,
    standing,
    testing,
)
from programs.kubernetes.cluster import Cluster, Missing
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.rights import enter
from programs.kubernetes.settings import Settings, words
from programs.local import identifiers
from programs.local.errors import LocalError
from programs.spec import EnvironmentSpec, ServiceSpec, SuiteSpec

if TYPE_CHECKING:
    from programs.kubernetes.environment import Prepared

VERSION = "kubernetes-2"
STRATEGIES = ("empty", "seed", "template")
GROUPS = ("v1/pods", "v1/services", "v1/persistentvolumeclaims", "v1/secrets", "apps/v1/deployments")


class Kubernetes:
    """Environments as namespaces; see ``programs.registry.Target``."""

    version = VERSION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        on = settings.from_mapping(spec.settings)
        check(spec)
        _check_sources(spec, on)
        granted(spec, on)
        prepared = _prepare(spec, on)

        def run() -> None:
            from programs.kubernetes.environment import Environment

            Environment(spec, on, prepared, VERSION).build()

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        """Environments share nothing that we bring up; but what the settings name must be there."""
        shared.remember(settings.from_mapping(settings_))

    def clear(self, spec: EnvironmentSpec) -> bool:
        on = settings.from_mapping(spec.settings)
        own = [item for item in spec.databases if not shared.wanted(item, on)]
        cleared = mending.clear(cluster.connect(on), spec, own)
        enter(spec.name, on)
        return cleared

    def enter(self, name: str, settings_: Mapping[str, str]) -> None:
        enter(name, settings.from_mapping(settings_))

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        """The namespace, when it is ours, and the routes. A namespace that only has our name is not touched."""
        on = settings.from_mapping(settings_)
        _remove_doors(on, name)
        shared.purge(on, name)
        testing.forget(on, name)
        found = cluster.connect(on)
        path = f"/api/v1/namespaces/{names.namespace(name)}"
        if _owned(found, path, on):
            found.delete(path)
            mending.gone(found, path, name)

    def names(self, settings_: Mapping[str, str]) -> frozenset[str]:
        on = settings.from_mapping(settings_)
        spaces = {item["metadata"]["name"] for item in cluster.ours(cluster.connect(on), on.server)}
        here = {path.name for path in testing.folders(on)}
        return frozenset(spaces | here | {route.environment for route in doors.every(on.routes)})

    def standing(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return standing.every(settings.from_mapping(settings_))

    def holdings(self, settings_: Mapping[str, str]) -> list[Holding]:
        on = settings.from_mapping(settings_)
        return holdings.every(cluster.connect(on), on)

    def discard(self, holding: Holding, settings_: Mapping[str, str]) -> bool:
        on = settings.from_mapping(settings_)
        return holdings.discard(cluster.connect(on), on, holding)

    def leftovers(self, settings_: Mapping[str, str]) -> list[str]:
        on = settings.from_mapping(settings_)
        found = cluster.connect(on)
        lines = []
        for namespace in cluster.ours(found, on.server):
            name = namespace["metadata"]["name"]
            lines.append(f"namespace {name} ({namespace['status']['phase']})")
            for kind in GROUPS:
                lines += [
                    f"{kind.rpartition('/')[2]} {name}/{item['metadata']['name']}"
                    for item in found.namespaced(name, kind)
                ]
        lines += [f"folder {path}" for path in testing.folders(on)]
        lines += [f"{item.kind.lower()} {item.name}" for item in shared.every(on)]
        return lines + [f"door {route.host}" for route in doors.every(on.routes)]

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        on = settings.from_mapping(settings_)
        sleeping.sleep(cluster.connect(on), on, names.namespace(name), name)

    def wake(self, name: str, settings_: Mapping[str, str], patient: bool = True) -> None:
        on = settings.from_mapping(settings_)
        sleeping.wake(cluster.connect(on), on, names.namespace(name), name, patient)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Nothing of ours runs beside the environments."""

    def logs(self, name: str, settings_: Mapping[str, str], asked: Reading) -> Told:
        on = settings.from_mapping(settings_)
        return inside.printed(cluster.connect(on), names.namespace(name), asked)

    def inside(self, name: str, settings_: Mapping[str, str]) -> Inside:
        on = settings.from_mapping(settings_)
        return inside.look(cluster.connect(on), names.namespace(name))

    def suite(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        return testing.prepare(settings.from_mapping(spec.settings), spec, suite, env)

    def report(self, spec: EnvironmentSpec, suite: SuiteSpec, most: int) -> bytes | None:
        return testing.report(settings.from_mapping(spec.settings), spec, suite, most)

    def dated(self, name: str, settings_: Mapping[str, str], until: datetime | None) -> None:
        """On the namespace, which everything of the environment lies in."""
        on = settings.from_mapping(settings_)
        told = until.astimezone(UTC).isoformat(timespec="seconds") if until else "never"
        note = {"metadata": {"annotations": {names.EXPIRES: told}}}
        with contextlib.suppress(Missing):
            cluster.connect(on).patch(f"/api/v1/namespaces/{names.namespace(name)}", note)


def _prepare(spec: EnvironmentSpec, on: Settings) -> Prepared:
    from programs.kubernetes.environment import Prepared
    from programs.kubernetes.manifests import bring

    scripts = {path for item in spec.databases for path in item.scripts}
    tree = sources.tree(on, spec.source) if scripts or spec.manifests else sources.Texts({})
    images = {name: _pinned(name, text, on) for name, text in spec.images.items()}
    brought = bring(tree, spec, on, images)
    return Prepared(
        images=images,
        scripts={path: tree.read(path) for path in scripts},
        objects=brought.objects,
        front=brought.front,
        front_ports=brought.ports,
        certificate=_way_in(on),
        server=_server(spec, on),
    )


def _server(spec: EnvironmentSpec, on: Settings) -> tuple[list[objects.Data], int] | None:
    if not any(shared.wanted(item, on) for item in spec.databases):
        return None
    shared.remember(on)
    return shared.peers(on), shared.address(on)[1]


def _way_in(on: Settings) -> Mapping[str, str]:
    """The certificate to copy, when there is one; raises when the cluster lacks what the settings count on."""
    if on.gateway:
        try:
            kinds = {item["kind"] for item in cluster.connect(on).get(f"/apis/{objects.GATEWAY_API}")["resources"]}
        except Missing:
            kinds = set()
        if "HTTPRoute" not in kinds:
            raise KubernetesError(
                f"setting 'gateway' is {on.gateway!r}, and the cluster knows no HTTPRoute of {objects.GATEWAY_API}; an "
                "operator installs the Gateway API and a controller for it, or takes the setting out"
            )
    if not on.certificate:
        return {}
    namespace, name = on.certificate
    try:
        data = cluster.connect(on).one(namespace, "v1/secrets", name).get("data") or {}
    except Missing:
        raise KubernetesError(f"setting 'tls_secret': there is no Secret {name} in the namespace {namespace}") from None
    if not {"tls.crt", "tls.key"} <= data.keys():
        raise KubernetesError(f"setting 'tls_secret': the Secret {on.tls_secret} has no tls.crt and tls.key")
    return {key: data[key] for key in ("tls.crt", "tls.key")}


def _pinned(name: str, text: str, on: Settings) -> str:
    """What runs is what was found, by its digest, whoever moves its tag meanwhile."""
    try:
        reference = images.parse(text)
    except NoReference as error:
        raise KubernetesError(str(error)) from error
    if not reference.digest:
        raise KubernetesError(f"image {name} is {text}, which is not pinned to a digest")
    if not images.allowed(words(on.registries), reference):
        raise KubernetesError(f"image {text}: this server takes images from {on.registries} only")
    return str(reference)


def _owned(found: Cluster, path: str, on: Settings) -> bool:
    try:
        labels = found.get(path)["metadata"].get("labels", {})
    except Missing:
        return False
    return bool(labels.get(names.MANAGED) == "eph" and labels.get(names.SERVER) == names.value(on.server))


def _remove_doors(on: Settings, name: str) -> None:
    if on.routes:
        for route in doors.of(on.routes, name):
            doors.remove(doors.folder(on.routes), route.host, name, route.service)


def granted(spec: EnvironmentSpec, on: Settings) -> None:
    """Over the server's bound is a mistake that names the bound, never a cut (Y4)."""
    for what, asked in spec.resources.items():
        most = getattr(on, what)
        if quantities.number(asked) > quantities.number(most):
            raise KubernetesError(
                f"environment.resources.{what} asks for {asked}; this server grants an environment at most {most}"
            )
    for item in spec.services:
        _within(item, spec, on)
    sizes = (quantities.number(size) for item in spec.services for size in item.volumes.values())
    volumes = sum(sizes, Decimal(0))
    disk = spec.resources.get("disk", on.disk)
    if volumes > quantities.number(disk):
        raise KubernetesError(
            f"the volumes of the services hold {quantities.text(volumes)} in all; this environment may have {disk}"
        )


def _within(service: ServiceSpec, spec: EnvironmentSpec, on: Settings) -> None:
    for what, asked in service.resources.items():
        most = spec.resources.get(what, getattr(on, what))
        if quantities.number(asked) > quantities.number(most):
            raise KubernetesError(
                f"service {service.name!r} asks for {what} {asked}; the whole environment may have {most}"
            )


def check(spec: EnvironmentSpec) -> None:
    """What the cluster would refuse later, or what would clash, said at once."""
    try:
        identifiers.commit(spec.source.commit)
        for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
            identifiers.word(name, "variable")
    except LocalError as error:
        raise KubernetesError(error.sentence) from error
    names.namespace(spec.name)
    if not spec.services and not spec.manifests:
        raise KubernetesError("the environment has neither services nor manifests; name at least one of them")
    _check_services(spec)
    _check_databases(spec)


def _check_services(spec: EnvironmentSpec) -> None:
    listed = [names.service(item.name) for item in spec.services]
    for name in listed:
        if listed.count(name) > 1:
            raise KubernetesError(f"service {name!r} is named twice; each needs a name of its own")
    for item in spec.services:
        if item.image not in spec.images:
            known = ", ".join(sorted(spec.images)) or "there is none"
            raise KubernetesError(
                f"service {item.name!r}: the environment has no image {item.image!r}; it has: {known}"
            )
        unknown = [name for name in item.after if name not in listed]
        if unknown:
            raise KubernetesError(f"service {item.name!r} is to start after {unknown[0]!r}, which is no service")
        if item.public and item.schedule:
            raise KubernetesError(f"service {item.name!r} has a schedule, so nobody can reach it: write public: false")
    waiting_for_each_other = ordering.circle({item.name: item.after for item in spec.services})
    if waiting_for_each_other:
        raise KubernetesError(f"services {', '.join(waiting_for_each_other)} wait for each other; none could start")


def _check_sources(spec: EnvironmentSpec, on: Settings) -> None:
    for item in spec.databases:
        if item.strategy == "template" and item.source not in on.prepared:
            known = ", ".join(sorted(on.prepared)) or "there is none"
            raise KubernetesError(
                f"database {item.name!r}: no prepared database is called {item.source!r}; known: {known}"
            )


def _check_databases(spec: EnvironmentSpec) -> None:
    for item in spec.databases:
        names.service(item.name)
        if item.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise KubernetesError(f"database {item.name!r}: the strategy {item.strategy!r} is not there, only {known}")
        runs = item.migrate or item.seed
        if runs and not any(one.image for one in spec.services):
            raise KubernetesError(f"database {item.name!r} has a command, and no service has an image to run it in")
    for what in ("name", "variable"):
        listed = [getattr(item, what) for item in spec.databases]
        twice = [text for text in listed if listed.count(text) > 1]
        if twice:
            raise KubernetesError(f"two databases have the {what} {twice[0]!r}; each needs one of its own")
    if (spec.hooks.pre_create or spec.hooks.post_create or spec.hooks.pre_destroy) and not any(
        item.image for item in spec.services
    ):
        raise KubernetesError("hooks are run in the image of the first service, and there is none")


TARGET = Kubernetes()
