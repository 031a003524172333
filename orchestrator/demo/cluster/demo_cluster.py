"""The Kubernetes that a demo makes previews on: a cluster, a registry and the way in, all of them looked at first.

What `make cluster-up` prints says all three; of another cluster a person says them. Everything that is missing is told
at once, each with what to do, and before anything is made.
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

from orchestrator.demo.cluster import oci
from orchestrator.demo.cluster.registry_push import DemoRegistry, PushFailed, RegistryUnreachable, is_private
from programs import registry as targets
from programs.targets.kubernetes import settings as kubernetes_settings
from programs.targets.kubernetes.api import cluster, object_names
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound
from programs.targets.kubernetes.errors import KubernetesError

TARGET = "kubernetes"
REPOSITORY_PREFIX = "eph-demo"
"""Of the repositories that the demo pushes to."""
MIN_VERSION = (1, 30)
HTTP_TIMEOUT = 10.0
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_INGRESS_NAMESPACES = ("ingress", "ingress-nginx", "traefik")
_REGISTRY_TEXT = "a registry that takes pushes from here and that the cluster's nodes pull from"
_INGRESS_TEXT = "a URL at which the cluster's ingress controller answers, seen from here"
OPTIONS: Mapping[str, tuple[str, str, str]] = {
    "kubeconfig": ("FILE", "KUBECONFIG", "the cluster; else ~/.kube/config"),
    "registry": ("HOST[:PORT]", "EPH_TEST_REGISTRY", f"{_REGISTRY_TEXT}; http:// before it: without TLS"),
    "registry-auth": ("FILE", "EPH_TEST_REGISTRY_AUTH", "a file with user:password, if the registry asks for it"),
    "ingress": ("URL", "EPH_TEST_INGRESS", _INGRESS_TEXT),
    "ingress-class": ("NAME", "EPH_TEST_INGRESS_CLASS", "its class; else the cluster's default, or its only one"),
    "ingress-namespace": ("NAME", "EPH_TEST_INGRESS_NAMESPACE", "where its pods run; else a well-known one"),
    "postgres-image": ("IMAGE", "EPH_TEST_POSTGRES_IMAGE", "of databases; else one made of this machine's PostgreSQL"),
}
"""By option: what it takes, the variable that counts without it, and what it says."""
SETUP_HINT = """\
On a Linux machine, as root, `eval "$(make -s cluster-up)"` starts a cluster with all of it, and says so to the shell.
For another cluster: docs/how-to/kubernetes.md, "Try it"."""


class ClusterUnavailable(Exception):
    """There is none that the demo could use; the message says all that is missing, and what to do."""

    def __init__(self, missing: Iterable[str]) -> None:
        listed = "".join(f"\n  - {line}" for line in missing)
        super().__init__(f"the target kubernetes cannot be used; missing:{listed}\n{SETUP_HINT}")


@dataclass(frozen=True, slots=True)
class DemoCluster:
    """``postgres_image`` empty: the demo makes one."""

    kubeconfig: Path
    registry: DemoRegistry
    ingress: str
    ingress_class: str
    ingress_namespace: str
    postgres_image: str = ""
    description: str = field(default="", compare=False)

    def settings(self, home: Path, postgres_image: str) -> dict[str, Any]:
        """The section [kubernetes] of a server that uses it."""
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
    group = parser.add_argument_group("with --target kubernetes", "each has a variable that counts without it")
    for name, (value, variable, text) in OPTIONS.items():
        group.add_argument(f"--{name}", metavar=value, default="", help=f"{text} ({variable})")


def discover(options: argparse.Namespace, env: Mapping[str, str]) -> DemoCluster:
    """Raises ``NoCluster``."""
    said = {
        name: str(getattr(options, name.replace("-", "_")) or env.get(variable, ""))
        for name, (_, variable, _) in OPTIONS.items()
    }
    home = Path(env.get("HOME", "/nonexistent"))
    kubeconfig = Path(said["kubeconfig"] or home / ".kube" / "config").absolute()
    missing = list(_missing_options(said, kubeconfig))
    if missing:
        raise ClusterUnavailable(missing)
    found = _ClusterCheck(said, kubeconfig)
    site = found.check()
    if found.missing:
        raise ClusterUnavailable(found.missing)
    return site


def _missing_options(values: Mapping[str, str], kubeconfig: Path) -> Iterator[str]:
    if not kubeconfig.is_file():
        named = values["kubeconfig"] and f"{kubeconfig} is no file"
        yield f"a cluster: {named or f'neither --kubeconfig nor KUBECONFIG names one, and {kubeconfig} is no file'}"
    if not values["registry"]:
        yield f"{_REGISTRY_TEXT}: name it with --registry"
    if not values["ingress"]:
        yield f"{_INGRESS_TEXT}: name it with --ingress, such as http://localhost"
    if values["registry-auth"] and not Path(values["registry-auth"]).is_file():
        yield f"the registry's credentials: --registry-auth, {values['registry-auth']} is no file"


class _ClusterCheck:
    """``missing`` grows while it looks; a part that is missing is empty in the ``check``."""

    def __init__(self, values: Mapping[str, str], kubeconfig: Path) -> None:
        self._options, self._kubeconfig = values, kubeconfig
        self.missing: list[str] = []

    def check(self) -> DemoCluster:
        on = kubernetes_settings.KubernetesSettings(Path("/nonexistent"), REPOSITORY_PREFIX, str(self._kubeconfig))
        chosen = space = version = ""
        try:
            found = cluster.connect(on)
            version = str(found.get("/version")["gitVersion"])
            self._check_version(version)
            self._check_architecture(found)
            chosen, space = self._ingress_class(found), self._ingress_namespace(found)
        except KubernetesError as error:
            self.missing.append(f"a cluster that answers, by {self._kubeconfig}: {error.sentence}")
        pushed = self._registry()
        self._check_ingress()
        where = f"Kubernetes {version}, images at {pushed.host}, ingress class {chosen} at {self._options['ingress']}"
        return DemoCluster(
            self._kubeconfig, pushed, self._options["ingress"].rstrip("/"), chosen, space,
            self._options["postgres-image"], where,
        )  # fmt: skip

    def _check_version(self, version: str) -> None:
        numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2]]
        if tuple(numbers) < MIN_VERSION:
            self.missing.append(
                f"a newer cluster: this one is {version}, and Eph needs {'.'.join(map(str, MIN_VERSION))}"
            )

    def _check_architecture(self, found: ClusterClient) -> None:
        """Images are made of this machine's programs."""
        kinds = {item["status"]["nodeInfo"]["architecture"] for item in found.list_items("/api/v1/nodes")}
        if not kinds:
            self.missing.append("a node: the cluster has none")
        if kinds - {oci.architecture()}:
            self.missing.append(
                f"nodes that run what is made here: they are {', '.join(sorted(kinds))}, this machine is "
                f"{oci.architecture()}; start the demo on a machine like them"
            )

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
        has = f"it has {', '.join(known)}; choose one with --ingress-class" if known else "install a controller"
        self.missing.append(f"an ingress class{f' {wanted}' if wanted else ''} of the cluster: {has}")
        return ""

    def _ingress_namespace(self, found: ClusterClient) -> str:
        spaces = {str(item["metadata"]["name"]) for item in found.list_items("/api/v1/namespaces")}
        wanted = self._options["ingress-namespace"]
        known = [wanted] if wanted else [name for name in _INGRESS_NAMESPACES if name in spaces]
        if len(known) == 1 and known[0] in spaces:
            return known[0]
        why = f"there is no {wanted}" if wanted else f"it may be any of {', '.join(known) or 'many'}"
        self.missing.append(
            f"the namespace where the pods of the ingress controller run: {why}; name it with --ingress-namespace "
            "(nothing else is let in to previews)"
        )
        return ""

    def _registry(self) -> DemoRegistry:
        said, auth = self._options["registry"].rstrip("/"), self._options["registry-auth"]
        user, _, password = Path(auth).read_text().strip().partition(":") if auth else ("", "", "")
        ways = [said] if "://" in said else [f"https://{said}", *([f"http://{said}"] if is_private(said) else [])]
        why = ""
        for way in ways:
            tried = DemoRegistry(way, user, password)
            try:
                tried.check()
            except RegistryUnreachable as error:
                why = str(error)
            except PushFailed as error:
                why = f"{error}; its user and password go into a file, --registry-auth"
                break
            else:
                return tried
        self.missing.append(f"{_REGISTRY_TEXT}: {why}")
        return DemoRegistry(ways[-1])

    def _check_ingress(self) -> None:
        url = self._options["ingress"]
        try:
            httpx.get(url, timeout=HTTP_TIMEOUT, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.missing.append(f"{_INGRESS_TEXT}: {url} does not answer: {type(error).__name__}: {error}")


def remove_environments(settings: Mapping[str, str], say: Callable[[str], object]) -> list[str]:
    """Takes away every environment of this server; gives what could not be."""
    target = targets.get(TARGET)

    def end(name: str) -> str:
        try:
            target.purge(name, settings)
        except KubernetesError as error:
            return f"namespace {name}: {error.sentence}"
        return ""

    try:
        found = sorted(target.list_environments(settings))
        if found:
            say(f"taking {', '.join(found)} away from the cluster")
        with ThreadPoolExecutor(8) as pool:
            return [line for line in pool.map(end, found) if line]
    except KubernetesError as error:
        what = f"delete namespace -l {cluster.server_selector(settings['server'])}"
        command = f"kubectl --kubeconfig {settings['kubeconfig']} {what}"
        return [f"what it made on the cluster: {error.sentence}. Once it answers: {command}"]


def find_leftovers(environments: Iterable[str], settings: Mapping[str, str]) -> list[str]:
    """By label, and by name whatever its labels."""
    on = kubernetes_settings.from_mapping(settings)
    lines = targets.get(TARGET).list_remaining(settings)
    for name in environments:
        try:
            cluster.connect(on).get(f"/api/v1/namespaces/{object_names.namespace(name)}")
        except ObjectNotFound:
            continue
        lines.append(f"namespace {name}, by its name")
    return lines
