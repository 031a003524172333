"""The demo on a cluster: CI's images in a real registry, and the checks before it starts (T2, I1)."""

from __future__ import annotations

import argparse
import http.server
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.demo import demo_world
from orchestrator.demo.cluster import demo_cluster, oci, wording
from orchestrator.demo.cluster.ci import TAG_LENGTH, DemoCI, ImagePublisher
from orchestrator.demo.cluster.demo_cluster import ClusterUnavailable, DemoCluster
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.demo.cluster.registry_push import DemoRegistry, PushFailed
from orchestrator.demo.emulate.git_mirror import GitMirror, GitPerson, MirrorCommit
from orchestrator.demo.github.demo_github import DemoGitHubError
from stacks import keys
from tests.images import registry_server as real

BASE = OciImage((ImageLayer({"usr/bin/sh": b"a shell"}),), ("sh",), env={"PATH": "/usr/bin"})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRegistry]:
    program = real.registry_program()
    if program is None:
        pytest.skip("docker-registry is not on this machine and could not be installed")
    with real.password_registry(program, tmp_path_factory.mktemp("registry")) as made:
        yield DemoRegistry(f"http://{made.host}", real.USER, real.PASSWORD)


class Shop:
    """A repository, a CI that looks at it, and what it said."""

    def __init__(self, folder: Path, registry: DemoRegistry) -> None:
        self.mirror, self.registry = GitMirror(folder / "shop.git"), registry
        self.checks: list[tuple[str, str | None]] = []
        self.messages: list[str] = []
        self.reject_checks = False
        self.ci = DemoCI(self.mirror.folder, ImagePublisher(registry, "demo", BASE), self._report, self.messages.append)

    def _report(self, commit: str, conclusion: str | None) -> None:
        if self.reject_checks:
            raise DemoGitHubError("no")
        self.checks.append((commit, conclusion))

    def push(self, branch: str, **files: str) -> str:
        head = self.mirror.head(branch)
        tree = self.mirror.tree(head, {name.replace("_", "."): text for name, text in files.items()})
        by, at = GitPerson("Ada", "ada@example.com"), datetime(2026, 3, 1, tzinfo=UTC)
        sha = self.mirror.commit(MirrorCommit(tree, (head,) if head else (), "A change", by, at))
        self.mirror.set_branch(branch, sha)
        return sha

    def fetch(self, path: str) -> httpx.Response:
        auth = (self.registry.user, self.registry.password)
        return httpx.get(f"{self.registry.url}/v2/demo/shop/{path}", auth=auth, trust_env=False, headers=_ACCEPT)

    def layers(self, commit: str) -> list[str]:
        manifest = self.fetch(f"manifests/{commit[:TAG_LENGTH]}").raise_for_status().json()
        return [layer["digest"] for layer in manifest["layers"]]


_ACCEPT = {"Accept": oci.MEDIA_TYPES["manifest"]}


@pytest.mark.real
def test_every_commit_gets_an_image_of_its_files_and_a_green_check(tmp_path: Path, registry: DemoRegistry) -> None:
    """I1: found by the tag that the shop's eph.yaml names; what images share is in the registry once."""
    shop = Shop(tmp_path, registry)
    one = shop.push("main", web_py="print(1)", eph_yaml="x")
    shop.ci.build_new_commits()
    two = shop.push("feature", web_py="print(2)")
    shop.ci.build_new_commits()
    shop.ci.build_new_commits()
    assert shop.checks == [(one, None), (one, "success"), (two, None), (two, "success")]
    assert shop.messages == []
    base, own = shop.layers(one)
    assert shop.layers(two)[0] == base
    with tarfile.open(fileobj=io.BytesIO(shop.fetch(f"blobs/{own}").content)) as tar:
        assert sorted(tar.getnames()) == ["app/dist", "app/eph.yaml", "app/web.py"]
        assert tar.getmember("app/dist").mode & 0o777 == 0o777, "what it builds at its start goes there"
    config = shop.fetch(f"blobs/{_config(shop, one)}").json()
    assert config["config"]["WorkingDir"] == "/app"
    assert config["config"]["User"] == oci.UNPRIVILEGED_USER
    assert config["config"]["Labels"] == {"org.opencontainers.image.revision": one}
    assert config["architecture"] == oci.architecture()


def _config(shop: Shop, commit: str) -> str:
    return str(shop.fetch(f"manifests/{commit[:TAG_LENGTH]}").json()["config"]["digest"])


@pytest.mark.real
def test_a_registry_that_denies_access_fails_the_check_and_is_reported(tmp_path: Path, registry: DemoRegistry) -> None:
    shop = Shop(tmp_path, replace(registry, password="a guess"))
    commit = shop.push("main", web_py="print(1)")
    shop.ci.build_new_commits()
    assert shop.checks[-1] == (commit, "failure")
    assert commit[:7] in shop.messages[0]
    assert wording.authentication_required("Basic") in shop.messages[0]
    assert "a guess" not in repr(shop.registry), "a password is in no message"


@pytest.mark.real
def test_ci_reports_a_git_host_that_rejects_checks_and_builds_the_next_commit(
    tmp_path: Path, registry: DemoRegistry
) -> None:
    shop = Shop(tmp_path, registry)
    shop.reject_checks = True
    lost = shop.push("main", web_py="print(1)")
    shop.ci.build_new_commits()
    assert shop.messages == [wording.ci_cant_report(lost, "no")]
    shop.reject_checks = False
    heard = shop.push("main", web_py="print(2)")
    shop.ci.build_new_commits()
    assert shop.checks == [(heard, None), (heard, "success")]


def test_an_upload_is_never_sent_to_another_host() -> None:
    """A registry that sends an upload to another host would be given the credentials there."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_POST(self) -> None:
            self.send_response(202)
            self.send_header("Location", "http://elsewhere.test/upload")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with real.serve(Elsewhere) as host, pytest.raises(PushFailed, match=r"elsewhere\.test"):
        DemoRegistry(f"http://{host}").push(BASE, "demo/shop", "one")


class FakeClusterApi:
    """What a cluster's API says of itself; an ingress controller and an open registry besides."""

    def __init__(self) -> None:
        self.version = "v1.34.4"
        self.architectures = [oci.architecture()]
        self.classes = {"nginx": False}
        self.namespaces = ["default", "ingress-nginx"]

    def response(self, path: str) -> object:
        spaces = [{"metadata": {"name": name}} for name in self.namespaces]
        classes = [
            {"metadata": {"name": name, "annotations": {demo_cluster._DEFAULT_CLASS: str(default).lower()}}}
            for name, default in self.classes.items()
        ]
        nodes = [{"status": {"nodeInfo": {"architecture": name}}} for name in self.architectures]
        return {
            "/version": {"gitVersion": self.version},
            "/api/v1/nodes": {"items": nodes},
            "/apis/networking.k8s.io/v1/ingressclasses": {"items": classes},
            "/api/v1/namespaces": {"items": spaces},
            "/v2/": {},
            "/": {},
        }[path]


class ClusterProbe:
    """The demo's checks against a fake cluster."""

    def __init__(self, folder: Path, host: str) -> None:
        self.host, self.folder = host, folder
        self.kubeconfig = folder / "kubeconfig"
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        here = {"name": "c", "cluster": {"server": f"http://{host}"}}
        data = {"apiVersion": "v1", "kind": "Config", "current-context": "x", "contexts": [context]}
        users = [{"name": "u", "user": {"token": "t"}}]
        self.kubeconfig.write_text(json.dumps({**data, "clusters": [here], "users": users}))
        self.env = {"KUBECONFIG": str(self.kubeconfig), "EPH_TEST_REGISTRY": host}
        self.env |= {"EPH_TEST_INGRESS": f"http://{host}/"}

    def inspect(self, *words: str) -> DemoCluster:
        parser = argparse.ArgumentParser()
        demo_cluster.add_options(parser)
        return demo_cluster.discover(parser.parse_args(list(words)), {"HOME": str(self.folder), **self.env})

    def problems(self, *words: str) -> list[str]:
        with pytest.raises(ClusterUnavailable) as raised:
            self.inspect(*words)
        assert "make -s cluster-up" in str(raised.value)
        return list(raised.value.problems)


@pytest.fixture
def cluster() -> FakeClusterApi:
    return FakeClusterApi()


@pytest.fixture
def probe(cluster: FakeClusterApi, tmp_path: Path) -> Iterator[ClusterProbe]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(cluster.response(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with real.serve(Handler) as host:
        yield ClusterProbe(tmp_path, host)


def test_environment_variables_suffice_and_the_rest_is_discovered(probe: ClusterProbe) -> None:
    """As after ``eval "$(make -s cluster-up)"``: a registry without TLS in a private network, the only class."""
    site = probe.inspect()
    assert site.registry == DemoRegistry(f"http://{probe.host}")
    assert (site.ingress, site.ingress_class, site.ingress_namespace) == (
        f"http://{probe.host}", "nginx", "ingress-nginx",
    )  # fmt: skip
    told = site.settings(probe.folder, "postgres:15")
    assert told["plain_http"] == (probe.host,)
    assert told["registries"] == (f"{probe.host}/eph-demo",)
    assert told["pull_secret_file"] is None


def test_registry_credentials_are_in_a_private_file(probe: ClusterProbe) -> None:
    auth = probe.folder / "auth"
    auth.write_text("eph:word\n")
    path = probe.inspect("--registry-auth", str(auth)).settings(probe.folder, "")["pull_secret_file"]
    assert json.loads(path.read_text()) == {"auths": {probe.host: {"username": "eph", "password": "word"}}}
    assert path.stat().st_mode & 0o077 == 0


def test_all_missing_options_are_reported_at_once(probe: ClusterProbe) -> None:
    probe.env = {}
    kubeconfig = probe.folder / ".kube" / "config"
    assert probe.problems() == [
        wording.no_kubeconfig(kubeconfig, named=False),
        wording.NO_REGISTRY,
        wording.NO_INGRESS,
    ]


def test_all_problems_of_a_cluster_are_reported_at_once(probe: ClusterProbe, cluster: FakeClusterApi) -> None:
    cluster.version, cluster.architectures = "v1.29.1", ["s390x"]
    cluster.classes, cluster.namespaces = {"a": False, "b": False}, ["default"]
    *found, registry, ingress = probe.problems("--registry", "127.0.0.1:1", "--ingress", "http://127.0.0.1:1")
    assert found == [
        wording.cluster_too_old("v1.29.1", "1.30"),
        wording.wrong_architecture({"s390x"}, oci.architecture()),
        wording.no_ingress_class("", ("a", "b")),
        wording.no_ingress_namespace("", ()),
    ]
    assert ("registry" in registry, "http://127.0.0.1:1" in registry) == (True, True)
    assert ("ingress" in ingress, "http://127.0.0.1:1" in ingress) == (True, True)


def test_the_clusters_default_class_is_taken_and_a_wrong_name_is_not(
    probe: ClusterProbe, cluster: FakeClusterApi
) -> None:
    cluster.classes = {"a": False, "b": True}
    assert probe.inspect().ingress_class == "b"
    assert probe.problems("--ingress-class", "c") == [wording.no_ingress_class("c", ("a", "b"))]
    assert probe.problems("--ingress-namespace", "x") == [wording.no_ingress_namespace("x", ())]


def test_an_unreachable_cluster_is_reported_with_its_kubeconfig(probe: ClusterProbe) -> None:
    probe.kubeconfig.write_text(probe.kubeconfig.read_text().replace(probe.host, "127.0.0.1:1"))
    [line] = probe.problems()
    assert line.startswith(wording.cluster_unreachable(probe.kubeconfig, ""))


def test_the_shop_asks_for_the_same_on_both_targets(probe: ClusterProbe) -> None:
    """Y2, and no notice: nothing in either file is passed over. What differs is what is built, and from what."""
    site = probe.inspect()
    there, here = (parse(demo_world.shop_files(each)["eph.yaml"].encode()) for each in (site, None))
    both, own = frozenset({"local", "kubernetes"}), (f"{probe.host}/eph-demo",)
    policy = AdmissionPolicy(installed_targets=both, allowed_targets=both, registries={"kubernetes": own})
    context = RecipeContext(
        keys.pull_request(1, 1), "acme/shop", "0123456789abcdef", "feature", "file:///x", "blue-fish"
    )
    made, known = (build_recipe(each, context, policy) for each in (there, here))
    [image] = made.images
    assert (image.repository, image.tag) == (f"{probe.host}/eph-demo/shop", "0123456789ab")
    assert made.wait_for_checks == ("ci/image",)
    assert (made.spec.databases, made.suites) == (known.spec.databases, known.suites)
    assert (made.ttl, made.labels) == (known.ttl, known.labels)
    assert notices(there, policy) == notices(here, policy) == ()
