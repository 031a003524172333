"""Finds the cluster, registry and ingress controller that the demo uses, and checks them before it creates anything.

`make cluster-up` prints variables for all three; for another cluster, people set the options. Every problem is reported
at once, with what to do about it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from orchestrator.demo import leftover_wording
from orchestrator.demo.cluster import oci, wording
from orchestrator.demo.cluster.registry_push import DemoRegistry, PushFailed, RegistryUnreachable, is_private
from programs import registry as targets
from programs.targets.kubernetes import settings as kubernetes_settings
from programs.targets.kubernetes.api import cluster, object_names
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound
from programs.targets.kubernetes.errors import KubernetesError

TARGET = "kubernetes"
REPOSITORY_PREFIX = "eph-demo"
"""The demo pushes to repositories with this prefix."""
MIN_VERSION = (1, 30)
HTTP_TIMEOUT = 10.0
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_INGRESS_NAMESPACES = ("ingress", "ingress-nginx", "traefik")
OPTIONS: Mapping[str, tuple[str, str]] = {
    "kubeconfig": ("FILE", "KUBECONFIG"),
    "registry": ("HOST[:PORT]", "EPH_TEST_REGISTRY"),
    "registry-auth": ("FILE", "EPH_TEST_REGISTRY_AUTH"),
    "ingress": ("URL", "EPH_TEST_INGRESS"),
    "ingress-class": ("NAME", "EPH_TEST_INGRESS_CLASS"),
    "ingress-namespace": ("NAME", "EPH_TEST_INGRESS_NAMESPACE"),
    "postgres-image": ("IMAGE", "EPH_TEST_POSTGRES_IMAGE"),
}
"""The value and the environment variable of each option."""


class ClusterUnavailable(Exception):
    """The demo can't use the cluster. ``problems`` says everything that is wrong, and what to do."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(wording.cluster_unavailable(self.problems))


@dataclass(frozen=True, slots=True)
class DemoCluster:
    """If ``postgres_image`` is empty, the demo builds one."""

    kubeconfig: Path
    registry: DemoRegistry
    ingress: str
    ingress_class: str
    ingress_namespace: str
    postgres_image: str = ""
    description: str = field(default="", compare=False)

    def settings(self, home: Path, postgres_image: str) -> dict[str, Any]:
        """The table [kubernetes] of a server that uses this cluster."""
        host = self.registry.host
        return {
            "kubeconfig": self.kubeconfig,
            "ingress_class": self.ingress_class,
            "ingress_namespace": self.ingress_namespace,
            "ingress_url": self.ingress,
            "postgres_image": postgres_image,
            "registries": (f"{host}/{REPOSITORY_PREFIX}",),
            "plain_http": (host,) if self.registry.plain_http else (),
            "pull_secret_file": self._pull_secret(home),
        }

    def _pull_secret(self, home: Path) -> Path | None:
        if not self.registry.user:
            return None
        path = home / "docker.json"
        entry = {"username": self.registry.user, "password": self.registry.password}
        path.touch(mode=0o600)
        path.write_text(json.dumps({"auths": {self.registry.host: entry}}))
        return path


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(wording.CLUSTER_OPTIONS, wording.CLUSTER_OPTIONS_HELP)
    for name, (value, variable) in OPTIONS.items():
        group.add_argument(f"--{name}", metavar=value, default="", help=f"{wording.OPTION_HELP[name]} ({variable})")


def discover(options: argparse.Namespace, env: Mapping[str, str]) -> DemoCluster:
    """Find and check the cluster. Raises ``ClusterUnavailable``."""
    values = {
        name: str(getattr(options, name.replace("-", "_")) or env.get(variable, ""))
        for name, (_, variable) in OPTIONS.items()
    }
    home = Path(env.get("HOME", "/nonexistent"))
    kubeconfig = Path(values["kubeconfig"] or home / ".kube" / "config").absolute()
    missing = list(_missing_options(values, kubeconfig))
    if missing:
        raise ClusterUnavailable(missing)
    check = _ClusterCheck(values, kubeconfig)
    found = check.run()
    if check.problems:
        raise ClusterUnavailable(check.problems)
    return found


def _missing_options(values: Mapping[str, str], kubeconfig: Path) -> Iterator[str]:
    if not kubeconfig.is_file():
        yield wording.no_kubeconfig(kubeconfig, named=bool(values["kubeconfig"]))
    if not values["registry"]:
        yield wording.NO_REGISTRY
    if not values["ingress"]:
        yield wording.NO_INGRESS
    if values["registry-auth"] and not Path(values["registry-auth"]).is_file():
        yield wording.no_credentials_file(values["registry-auth"])


class _ClusterCheck:
    """Collects ``problems``. What couldn't be found is empty in the result of ``run``."""

    def __init__(self, values: Mapping[str, str], kubeconfig: Path) -> None:
        self._options, self._kubeconfig = values, kubeconfig
        self.problems: list[str] = []

    def run(self) -> DemoCluster:
        settings = kubernetes_settings.KubernetesSettings(
            Path("/nonexistent"), REPOSITORY_PREFIX, str(self._kubeconfig)
        )
        ingress_class = namespace = version = ""
        try:
            found = cluster.connect(settings)
            version = str(found.get("/version")["gitVersion"])
            self._check_version(version)
            self._check_architecture(found)
            ingress_class, namespace = self._ingress_class(found), self._ingress_namespace(found)
        except KubernetesError as error:
            self.problems.append(wording.cluster_unreachable(self._kubeconfig, error.sentence))
        registry = self._registry()
        self._check_ingress()
        ingress = self._options["ingress"]
        description = wording.cluster_description(version, registry.host, ingress_class, ingress)
        return DemoCluster(
            self._kubeconfig, registry, ingress.rstrip("/"), ingress_class, namespace,
            self._options["postgres-image"], description,
        )  # fmt: skip

    def _check_version(self, version: str) -> None:
        numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2]]
        if tuple(numbers) < MIN_VERSION:
            self.problems.append(wording.cluster_too_old(version, ".".join(map(str, MIN_VERSION))))

    def _check_architecture(self, found: ClusterClient) -> None:
        """Images contain this machine's programs, so the nodes must have its architecture."""
        kinds = {item["status"]["nodeInfo"]["architecture"] for item in found.list_items("/api/v1/nodes")}
        if not kinds:
            self.problems.append(wording.NO_NODES)
        if kinds - {oci.architecture()}:
            self.problems.append(wording.wrong_architecture(kinds, oci.architecture()))

    def _ingress_class(self, found: ClusterClient) -> str:
        listed = found.list_items("/apis/networking.k8s.io/v1/ingressclasses")
        known = [str(item["metadata"]["name"]) for item in listed]
        marked = [
            str(item["metadata"]["name"])
            for item in listed
            if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
        ]
        wanted = self._options["ingress-class"]
        if wanted in known:
            return wanted
        chosen = (marked or known) if not wanted else []
        if len(chosen) == 1:
            return chosen[0]
        self.problems.append(wording.no_ingress_class(wanted, known))
        return ""

    def _ingress_namespace(self, found: ClusterClient) -> str:
        spaces = {str(item["metadata"]["name"]) for item in found.list_items("/api/v1/namespaces")}
        wanted = self._options["ingress-namespace"]
        known = [wanted] if wanted else [name for name in _INGRESS_NAMESPACES if name in spaces]
        if len(known) == 1 and known[0] in spaces:
            return known[0]
        self.problems.append(wording.no_ingress_namespace(wanted, known))
        return ""

    def _registry(self) -> DemoRegistry:
        address, auth = self._options["registry"].rstrip("/"), self._options["registry-auth"]
        user, _, password = Path(auth).read_text().strip().partition(":") if auth else ("", "", "")
        plain = [f"http://{address}"] if is_private(address) else []
        urls = [address] if "://" in address else [f"https://{address}", *plain]
        problem = ""
        for url in urls:
            registry = DemoRegistry(url, user, password)
            try:
                registry.check()
            except RegistryUnreachable as error:
                problem = str(error)
            except PushFailed as error:
                problem = f"{error}. {wording.CREDENTIALS_HINT}"
                break
            else:
                return registry
        self.problems.append(wording.registry_unusable(problem))
        return DemoRegistry(urls[-1])

    def _check_ingress(self) -> None:
        url = self._options["ingress"]
        try:
            httpx.get(url, timeout=HTTP_TIMEOUT, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.problems.append(wording.ingress_unreachable(url, error))


def remove_environments(settings: Mapping[str, str], say: Callable[[str], object]) -> list[str]:
    """Remove every environment of this server and return what couldn't be removed."""
    target = targets.get(TARGET)

    def end(name: str) -> str:
        try:
            target.purge(name, settings)
        except KubernetesError as error:
            return leftover_wording.namespace_left(name, error.sentence)
        return ""

    try:
        found = sorted(target.list_environments(settings))
        if found:
            say(wording.removing_from_cluster(found))
        with ThreadPoolExecutor(8) as pool:
            return [line for line in pool.map(end, found) if line]
    except KubernetesError as error:
        selector = cluster.server_selector(settings["server"])
        command = f"kubectl --kubeconfig {settings['kubeconfig']} delete namespace -l {selector}"
        return [wording.environments_left(error.sentence, command)]


def find_leftovers(environments: Iterable[str], settings: Mapping[str, str]) -> list[str]:
    """What remains of these environments, by label and by name."""
    connection = kubernetes_settings.from_mapping(settings)
    lines = targets.get(TARGET).list_remaining(settings)
    for name in environments:
        try:
            cluster.connect(connection).get(f"/api/v1/namespaces/{object_names.namespace(name)}")
        except ObjectNotFound:
            continue
        lines.append(leftover_wording.unlabelled_namespace(name))
    return lines
