"""An environment as a project of Docker Compose: creates it, updates it in place, removes it.

Everything that can be wrong with a commit is found before the first container changes: its files, its images, its
builds. If its services then don't become healthy, the previous commit's services are started again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from programs.kit import files, identifiers, routes
from programs.kit.errors import Cancelled, CommitFailed, TargetError
from programs.kit.git import checkouts
from programs.kit.routes import RouteRecord
from programs.redaction import Redactor
from programs.targets.compose import databases, labels, readiness, releases, resource_limits, subnets, wording
from programs.targets.compose.databases import ReplacementSeed
from programs.targets.compose.engine import clients, engine_client, images
from programs.targets.compose.engine.clients import ClientRun
from programs.targets.compose.engine.engine_client import EngineClient
from programs.targets.compose.engine.images import ImageInput
from programs.targets.compose.files import config_command, project_checks, rendering, repository_files, source_files
from programs.targets.compose.files.rendering import RenderInput, ServiceContents, ServiceImage
from programs.targets.compose.publication import Publication
from programs.targets.compose.releases import ReleasePlan
from programs.targets.compose.settings import ComposeHost

TARGET_NAME = "compose"
MAX_SHOWN_FINDINGS = 10
CREATE_SECONDS = 120.0
REMOVALS = 8


def publish(host: ComposeHost, wanted: Publication) -> None:
    """Idempotent: what exists and is unchanged stays."""
    checkout = host.env(wanted.name) / "src" / wanted.generation
    files.make_folder(host.env(wanted.name))
    try:
        checkouts.create(host, (wanted.clone_url, wanted.commit), checkout)
        wanted = databases.ensure(host, wanted)
        with engine_client.connect(host) as client:
            replaced = _prepare(host, client, wanted, checkout)

            def seed() -> None:
                network = _first_network(host, wanted)
                databases.seed(host, ReplacementSeed(client, wanted, checkout, replaced, network))

            _switch(host, client, wanted, seed)
            _write_routes(host, wanted)
            releases.set_live(host, wanted.name, wanted.generation)
            _remove_unused(host, client, wanted)
    except TargetError as error:
        redactor = Redactor(wanted.secret_values)
        raise type(error)(redactor(error.sentence), map(redactor, error.tail)) from error
    finally:
        files.remove(host.env(wanted.name) / "src")


def read_project(host: ComposeHost, checkout: Path, wanted: Publication) -> dict[str, Any]:
    """The repository's project, judged. Raises an error that lists its problems with file and line."""
    sources = source_files.read(checkout, wanted.files)
    if sources.findings:
        raise _refusal([str(item) for item in sources.findings])
    project = config_command.normalize(host, checkout, sources.roots, wanted.profiles, wanted.variables)
    found = project_checks.find_problems(project, wanted.ports)
    placed = [str(sources.place(path, message)) for path, message in found]
    if placed:
        raise _refusal(placed)
    if len(project["services"]) > host.services:
        raise TargetError(wording.too_many_services(len(project["services"]), host.services))
    project.setdefault("networks", {})
    return project


def remove(host: ComposeHost, name: str) -> None:
    """Everything with the environment's label, running or not. The folder goes last, so that an interrupted removal is
    found again."""
    identifiers.check_label(name, "environment")
    routes.delete_of(host.routes, name, TARGET_NAME)
    with engine_client.connect(host) as client, ThreadPoolExecutor(REMOVALS) as pool:
        list(pool.map(client.remove_container, [item["Id"] for item in client.containers(host, name)]))
        list(pool.map(client.remove_network, [item["Id"] for item in client.networks(host, name)]))
        list(pool.map(client.remove_volume, [item["Name"] for item in client.volumes(host, name)]))
        for image in client.images(host, name):
            client.remove_image(image["Id"])
    databases.drop_all(host, name)
    subnets.release(host, name)
    files.remove(host.env(name))


def _refusal(problems: list[str]) -> TargetError:
    shown = problems[:MAX_SHOWN_FINDINGS]
    more = [wording.more_problems(len(problems) - len(shown))] if len(problems) > len(shown) else []
    return CommitFailed(shown[0], [*shown[1:], *more])


def _prepare(host: ComposeHost, client: EngineClient, wanted: Publication, checkout: Path) -> dict[str, str]:
    """Writes the release and fills its volumes. Nothing that runs changes. Returns the images of replaced services."""
    whole = read_project(host, checkout, wanted)
    project = databases.without_replaced(host, whole, wanted.databases)
    limits = resource_limits.divide(project["services"], host, wanted.resources, client.cpu_count())
    contents = rendering.contents_of(project, checkout, wanted.variables)
    given = ImageInput(
        wanted.name, wanted.generation, checkout, wanted.images, wanted.replaced, wanted.variables, wanted.secret_values
    )
    is_seeded = any(item.scripts for item in wanted.databases)
    found = images.resolve(host, client, whole if is_seeded else project, given)
    networks = subnets.reserve(host, client, wanted.name, rendering.networks_of(project))
    inputs = RenderInput(
        name=wanted.name,
        own_labels=labels.labels(host, wanted.name),
        images=found,
        contents=contents,
        limits=limits,
        subnets=networks,
        public=wanted.ports,
        variables=wanted.variables,
    )
    rendered = rendering.render(project, inputs)
    addresses = rendering.addresses(networks, project, wanted.ports)
    upstreams = {name: f"http://{address}:{wanted.ports[name]}" for name, (_, address) in addresses.items()}
    plan = ReleasePlan(releases.plan_services(project), wanted.public, upstreams)
    archives = {
        name: repository_files.pack_files(list(item.files), repository_files.owner(found[name].user))
        for name, item in contents.items()
        if item.files
    }
    releases.save(releases.folder(host, wanted.name, wanted.generation), rendered, plan, archives)
    _fill_volumes(host, client, wanted.name, rendered, contents, found)
    return {item.service: found[item.service].reference for item in wanted.databases if item.scripts}


def _fill_volumes(
    host: ComposeHost,
    client: EngineClient,
    name: str,
    rendered: Mapping[str, Any],
    contents: Mapping[str, ServiceContents],
    found: Mapping[str, ServiceImage],
) -> None:
    """The name of a volume contains the digest of its content, so a full one is never filled again."""
    filled = files.make_folder(host.env(name) / "filled")
    for service, item in contents.items():
        mounts = {mount["target"]: mount for mount in rendered["services"][service]["volumes"]}
        for folder in item.folders:
            volume = mounts[folder.target]["source"]
            if (filled / volume).exists() and client.has_volume(volume):
                continue
            archive = repository_files.pack_folder(folder, repository_files.owner(found[service].user))
            client.create_volume(volume, labels.labels(host, name))
            client.fill_volume(volume, found[service].reference, archive, labels.labels(host, name))
            (filled / volume).touch()


def _first_network(host: ComposeHost, wanted: Publication) -> str:
    """On the engine. A project without one has the engine's own."""
    rendered = releases.read_project(releases.folder(host, wanted.name, wanted.generation))
    return next((str(item["name"]) for item in rendered["networks"].values()), "bridge")


def _switch(host: ComposeHost, client: EngineClient, wanted: Publication, before_start: Callable[[], None]) -> None:
    previous = releases.live_generation(host, wanted.name)
    try:
        _run(host, client, wanted.name, wanted.generation, asleep=wanted.asleep, before_start=before_start)
    except Cancelled:
        raise
    except TargetError as error:
        if not previous or previous == wanted.generation:
            raise
        raise _rolled_back(host, client, wanted.name, previous, error) from error


def _rolled_back(host: ComposeHost, client: EngineClient, name: str, previous: str, error: TargetError) -> TargetError:
    """Starts the previous generation again. Its volumes still exist; its data is what the failed one left."""
    try:
        _run(host, client, name, previous, asleep=False)
    except TargetError as second:
        return type(error)(wording.rollback_failed(error.sentence, second.sentence), error.tail)
    return error


def _run(
    host: ComposeHost,
    client: EngineClient,
    name: str,
    generation: str,
    *,
    asleep: bool,
    before_start: Callable[[], None] = lambda: None,
) -> None:
    """Creates the containers, copies files into the new ones, then starts them and waits until they are healthy."""
    place = releases.folder(host, name, generation)
    plan = releases.read_plan(place)
    if plan is None:
        raise TargetError(wording.release_incomplete(generation))
    common = clients.compose_argv(host, name, place / "project.json")
    up = [*common, "up", "--no-build", "--remove-orphans"]
    clients.run(host, ClientRun(wording.CREATING, [*up, "--no-start"], CREATE_SECONDS))
    for container in client.containers(host, name):
        archive = place / "files" / f"{container['Labels'].get(labels.SERVICE)}.tar"
        if container["State"] == "created" and archive.exists():
            client.put_archive(container["Id"], "/", archive.read_bytes())
    before_start()
    if asleep:
        for container in client.containers(host, name):
            client.stop(container["Id"])
        return
    wait = ["--detach", "--wait", "--wait-timeout", str(host.start_seconds)]
    try:
        clients.run(host, ClientRun(wording.STARTING, [*up, *wait], host.start_seconds + CREATE_SECONDS))
    except clients.ClientFailed as error:
        raise readiness.explain(client, client.containers(host, name), error) from error
    readiness.wait_for_routes(client, client.containers(host, name), plan)


def _write_routes(host: ComposeHost, wanted: Publication) -> None:
    plan = releases.read_plan(releases.folder(host, wanted.name, wanted.generation))
    routes.delete_of(host.routes, wanted.name, TARGET_NAME, keep=frozenset(item.host for item in wanted.public))
    for item in wanted.public:
        record = RouteRecord(
            item.host,
            plan.upstreams[item.service] if plan else "",
            wanted.name,
            item.service,
            wanted.commit,
            sign_in=wanted.sign_in,
            asleep=wanted.asleep,
            health=item.path,
            target=TARGET_NAME,
            allow=wanted.allow,
        )
        routes.write(host.routes, record)


def _remove_unused(host: ComposeHost, client: EngineClient, wanted: Publication) -> None:
    """What earlier generations left: networks, volumes with files of the repository, images. Data stays."""
    rendered = releases.read_project(releases.folder(host, wanted.name, wanted.generation))
    kept_networks = {item["name"] for item in rendered["networks"].values()}
    for network in client.networks(host, wanted.name):
        if network["Name"] not in kept_networks:
            client.remove_network(network["Id"])
    subnets.release(host, wanted.name, keep=rendered["networks"])
    for volume in client.volumes(host, wanted.name):
        is_data = volume["Name"].startswith(labels.volume_prefix(wanted.name, "named"))
        if volume["Name"] not in rendered["volumes"] and not is_data:
            client.remove_volume(volume["Name"])
            (host.env(wanted.name) / "filled" / volume["Name"]).unlink(missing_ok=True)
    databases.drop_unused(host, wanted)
    for image in client.images(host, wanted.name):
        for tag in image.get("RepoTags") or ():
            if not tag.endswith(f":{wanted.generation}"):
                client.remove_image(tag)
