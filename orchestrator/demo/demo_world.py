"""The demo's world: a Git host with a repository and its pull requests, and the settings of an Eph that watches it.

Everything is in one folder and listens on loopback. The folder is deleted when the demo ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestrator.config import server_keys
from orchestrator.config.settings import loading
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.demo import git_hosts, leak_check, own_repository, wording
from orchestrator.demo.airflow import pipeline_repository
from orchestrator.demo.airflow.pipeline_repository import DemoPipelines
from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from orchestrator.demo.cluster import ci, demo_cluster, oci
from orchestrator.demo.cluster.ci import DemoCI, ImagePublisher
from orchestrator.demo.cluster.demo_cluster import DemoCluster
from orchestrator.demo.containers import demo_engine
from orchestrator.demo.containers.demo_engine import DemoEngine
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.git_hosts import SANDBOX, DemoGitHubHost, GitHost
from orchestrator.demo.github.demo_github import WebhookConfig
from orchestrator.demo.ministack import demo_account
from orchestrator.demo.ministack.demo_account import DemoAwsAccount
from orchestrator.demo.own_repository import OwnRepository

REPOSITORY = "acme/shop"
APP_ROUTE = "shop.localhost"
"""Of the shop, for label deploys."""
SHOP = Path(__file__).parent / "shop"
KUBERNETES_EPH_YAML, AWS_EPH_YAML = "eph.kubernetes.yaml", "eph.aws.yaml"
"""The shop's eph.yaml for the targets `kubernetes` and `aws`, which run an image instead of a build."""
IMAGE_PLACEHOLDER = "registry.example.com/shop"
"""The image in these files, replaced once the registry is known."""
LOCAL = "local"
LABEL = "preview"
CYCLE_INTERVAL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class DemoPorts:
    """Only ``gateway`` is chosen by people; the others are any free ports."""

    gateway: int
    api: int
    forge: int


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """``own``: a person's repository in place of the shop. ``cluster`` or ``engine``: runs previews in place of this
    machine's processes. ``cloud``: previews are Pulumi projects in a small cloud. ``airflow``: previews are DAGs in an
    Airflow that this interpreter has. ``ministack``: previews are in an AWS account that this interpreter plays."""

    forge: str = SANDBOX
    cluster: DemoCluster | None = None
    engine: DemoEngine | None = None
    own: OwnRepository | None = None
    cloud: bool = False
    airflow: str = ""
    ministack: str = ""


@dataclass(slots=True)
class DemoWorld:
    home: Path
    ports: DemoPorts
    forge: GitHost
    settings: ServerSettings
    pulls: dict[str, int]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """The settings that the demo sets itself."""
    pulumi_environment: dict[str, str] = field(default_factory=dict)
    token_file: Path = Path()
    """Eph's API token; exists once Eph is running."""
    cluster: DemoCluster | None = None
    own: OwnRepository | None = None
    engine: DemoEngine | None = None
    cloud: DemoCloud | None = None
    pipelines: DemoPipelines | None = None
    aws: DemoAwsAccount | None = None

    @property
    def repository(self) -> str:
        return self.own.name if self.own else REPOSITORY

    @property
    def target(self) -> str:
        if self.engine:
            return demo_engine.TARGET
        if self.cloud:
            return cloud_repository.TARGET
        if self.pipelines:
            return pipeline_repository.TARGET
        if self.aws:
            return demo_account.TARGET
        return demo_cluster.TARGET if self.cluster else LOCAL

    @property
    def target_settings(self) -> dict[str, str]:
        if self.target == LOCAL:
            return self.settings.target_mapping(LOCAL)
        return self.settings.target_mapping(self.target, server_keys.server_id(self.settings.keys_dir))

    @property
    def timeout_factor(self) -> float:
        """Containers are slower: images are pulled or built, and what runs is terminated gracefully. On AWS, each
        environment has a database server."""
        if self.aws:
            return 8.0
        return 1.0 if self.target == LOCAL else 2.0


def _ignore(_: str) -> None:
    """Discard messages."""


@contextlib.contextmanager
def open_world(
    port: int | None,
    options: DemoOptions = DemoOptions(),
    say: Callable[[str], None] = _ignore,
) -> Iterator[DemoWorld]:
    """Create everything except Eph: a home folder, a Git host with a repository, and settings that point at it.

    With a cluster, also a CI that builds the shop's images.
    """
    home = Path(tempfile.mkdtemp(prefix="eph-demo-"))
    home.chmod(0o755)
    _use_temp_dir(home)
    ports = DemoPorts(port or free_port(), free_port(), free_port())
    secret = home / "webhook.secret"
    secret.write_text(secrets.token_hex(20))
    secret.chmod(0o600)
    hook = WebhookConfig(f"http://127.0.0.1:{ports.api}/api/v1/webhooks/github", secret)
    with contextlib.ExitStack() as ends:
        ends.callback(shutil.rmtree, home, ignore_errors=True)
        forge = git_hosts.create_host(options.forge, home / "forge", hook)
        ends.callback(forge.close)
        forge.start(ports.forge)
        cloud = ends.enter_context(DemoCloud()) if options.cloud else None
        python = options.ministack
        aws = ends.enter_context(demo_account.running(python, home, say)) if python else None
        pulls = _create_pulls(forge, options, cloud, aws)
        say(wording.git_host(forge.url, options.own.name if options.own else REPOSITORY, len(pulls)))
        sections = _local_settings()
        if options.cluster:
            sections |= _start_ci(options.cluster, home, forge, say, ends)
        if aws:
            sections |= _start_ci_for(aws, forge, say, ends)
        if options.engine:
            sections |= _start_engine(options.engine, home, ends)
        if cloud:
            sections |= cloud_repository.settings(cloud, home, REPOSITORY)
        pipelines = (
            ends.enter_context(pipeline_repository.running(options.airflow, home, say)) if options.airflow else None
        )
        if pipelines:
            sections |= pipelines.settings()
        chosen = {**_overrides(home, ports, forge, secret), **sections}
        settings = loading.load(**chosen)
        world = DemoWorld(home, ports, forge, settings, pulls, chosen, cluster=options.cluster, own=options.own)
        world.engine, world.cloud, world.pipelines, world.aws = options.engine, cloud, pipelines, aws
        yield world


def settings_chosen_by_demo(environ: Mapping[str, str]) -> list[str]:
    """Variables that would have no effect. All others of a server take effect."""
    chosen = {"home", "interval", "listen", "gateway_listen", "workers", "forge"}
    fixed = {
        *(path for path in loading.setting_paths() if path[0] in chosen),
        ("local", "toolbox"),
        ("local", "path"),
        ("deploys", "routes"),
    }
    return sorted(name for name in map(loading.env_variable, fixed) if name in environ)


def _create_pulls(
    forge: GitHost, options: DemoOptions, cloud: DemoCloud | None, aws: DemoAwsAccount | None
) -> dict[str, int]:
    if cloud:
        forge.create_repository(REPOSITORY, cloud_repository.files(cloud))
        return _open_pulls(forge, cloud_repository.pull_files())
    if options.airflow:
        forge.create_repository(REPOSITORY, pipeline_repository.shop_files())
        return _open_pulls(forge, pipeline_repository.pull_files())
    if options.own and isinstance(forge, DemoGitHubHost):
        return own_repository.add_to(forge, options.own)
    return _create_repository(forge, shop_files(options.cluster, options.engine, aws))


def _start_ci(
    cluster: DemoCluster, home: Path, forge: GitHost, say: Callable[[str], None], exit_stack: contextlib.ExitStack
) -> dict[str, Any]:
    """Start CI and return the settings for the cluster."""
    say(cluster.description)
    publisher = ImagePublisher.create(cluster.registry, demo_cluster.REPOSITORY_PREFIX)
    databases = cluster.postgres_image or publisher.postgres_image(say)
    _run_ci(publisher, forge, say, exit_stack)
    return {
        "targets": {"allowed": (demo_cluster.TARGET,), "default": demo_cluster.TARGET},
        "kubernetes": cluster.settings(home, databases),
        "images": {"architectures": (oci.architecture(),)},
    }


def _start_ci_for(
    aws: DemoAwsAccount, forge: GitHost, say: Callable[[str], None], exit_stack: contextlib.ExitStack
) -> dict[str, Any]:
    """Start CI and return the settings for the account."""
    _run_ci(ImagePublisher.create(aws.registry, demo_account.REPOSITORY_PREFIX), forge, say, exit_stack)
    return aws.settings()


def _run_ci(
    publisher: ImagePublisher, forge: GitHost, say: Callable[[str], None], exit_stack: contextlib.ExitStack
) -> None:
    if not isinstance(forge, DemoGitHubHost):
        raise TypeError("CI on this machine can only read repositories of the sandbox")

    def report(commit: str, conclusion: str | None) -> None:
        forge.set_check(REPOSITORY, commit, ci.IMAGE_CHECK, conclusion)

    exit_stack.enter_context(DemoCI(forge.git_dir(REPOSITORY), publisher, report, say).running())


def _start_engine(engine: DemoEngine, home: Path, exit_stack: contextlib.ExitStack) -> dict[str, Any]:
    """Start a container engine if there is none and return the settings for it."""
    socket = exit_stack.enter_context(demo_engine.running(engine, home))
    return {
        "targets": {"allowed": (demo_engine.TARGET,), "default": demo_engine.TARGET},
        demo_engine.TARGET: engine.settings(socket),
    }


def _use_temp_dir(home: Path) -> None:
    """Set TMPDIR for this process and its children."""
    own = leak_check.temp_dir(home)
    own.mkdir(mode=0o1777)
    os.environ["TMPDIR"] = str(own)
    tempfile.tempdir = str(own)


def _create_repository(forge: GitHost, shop: dict[str, str]) -> dict[str, int]:
    """Create the shop on main, and three pull requests that each change something visible."""
    forge.create_repository(REPOSITORY, _with_branch_trigger(shop, forge.branch_glob))
    changes = (
        ("warmer-colour", "A warmer colour", {"colour.txt": "#ea580c\n"}),
        ("sell-tea", "Sell tea", {"db/rows.sql": (SHOP / "db/rows.sql").read_text().replace("Coffee", "Tea")}),
        ("new-headline", "A new headline", {"page.html": (SHOP / "page.html").read_text().replace("corner", "new")}),
    )
    return _open_pulls(forge, changes)


def _open_pulls(forge: GitHost, changes: Iterable[tuple[str, str, dict[str, str]]]) -> dict[str, int]:
    pulls = {}
    for branch, title, changed in changes:
        forge.push(REPOSITORY, branch, changed, title)
        pulls[branch] = forge.open_pull(REPOSITORY, branch, title)
    return pulls


def _with_branch_trigger(shop: dict[str, str], glob: str) -> dict[str, str]:
    """Add a branch trigger to the shop's eph.yaml."""
    if not glob:
        return shop
    trigger = f'triggers:\n  - type: branch\n    branches: ["{glob}"]\n'
    return {**shop, "eph.yaml": shop["eph.yaml"].replace("triggers:\n", trigger)}


def shop_files(
    cluster: DemoCluster | None = None, engine: DemoEngine | None = None, aws: DemoAwsAccount | None = None
) -> dict[str, str]:
    found = {str(path.relative_to(SHOP)): path.read_text() for path in sorted(SHOP.rglob("*")) if path.is_file()}
    on_kubernetes, on_aws = found.pop(KUBERNETES_EPH_YAML), found.pop(AWS_EPH_YAML)
    if cluster:
        image = f"{cluster.registry.host}/{demo_cluster.REPOSITORY_PREFIX}/{ci.SHOP}"
        found["eph.yaml"] = on_kubernetes.replace(IMAGE_PLACEHOLDER, image)
    if aws:
        found["eph.yaml"] = on_aws.replace(IMAGE_PLACEHOLDER, aws.shop_image)
    return {**found, **demo_engine.shop_files()} if engine else found


def _local_settings() -> dict[str, Any]:
    """What builds, services and suites run with. On a cluster, only suites use it."""
    return {"local": {"toolbox": tuple(python_prefixes()), "path": search_path()}}


def _overrides(home: Path, ports: DemoPorts, forge: GitHost, secret: Path) -> dict[str, Any]:
    """The settings that the demo chooses, of the highest priority."""
    everything = f"{own_repository.OWNER}/*"
    return {
        "home": home / "eph",
        "interval": CYCLE_INTERVAL,
        "listen": f"127.0.0.1:{ports.api}",
        "gateway_listen": f"127.0.0.1:{ports.gateway}",
        "workers": 2,
        "deploys": {"routes": {APP_ROUTE: REPOSITORY}},
        "forge": {
            **forge.forge_settings(),
            "webhook_secret_file": secret,
            "repositories": [everything] if isinstance(forge, DemoGitHubHost) else [REPOSITORY],
        },
    }


_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def search_path() -> str:
    """PATH of previews: this interpreter comes first, so that the shop finds its psycopg."""
    return os.pathsep.join([f"{sys.prefix}/bin", *_SYSTEM_PATH])


def python_prefixes() -> list[str]:
    """The prefixes of this interpreter, which has the shop's psycopg."""
    return sorted({sys.prefix, sys.base_prefix} - {"/usr", "/usr/local"})
