"""Eph installed by its chart on a real cluster: ephd in a pod creates an environment, is killed, and leaves nothing
(O4).

Traffic takes the chart's default path: ingress controller, Eph's gateway, the environment's service. So it sleeps when
idle, and a visit wakes it (L5, C1).

One module, because an installation takes half a minute: the tests depend on each other in this order.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.cluster import published_routes
from tests.cluster.cluster_access import Cluster, wait_for
from tests.cluster.environments import Page, PageMonitor
from tests.cluster.ephd.chart_release import (
    DOMAIN,
    NAMESPACE,
    PASSPHRASE,
    RELEASE,
    REPOSITORY,
    SERVICE_ACCOUNT,
    ChartRelease,
    build_image,
)

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]

EPH_YAML_TEMPLATE = """
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - {{name: shop, repository: {registry}/acme/shop, tag_template: "{tag}"}}
{more}
services:
  - {{name: web, image: shop, port: 8080, health: {{deadline: 90s}}}}
"""
ROUTES_YAML_TEMPLATE = """
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - {{name: shop, repository: {registry}/acme/shop, tag_template: "v1"}}
kubernetes: {{manifests: [k8s]}}
"""
RENDER = """
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.manifests.helm import render
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease
config = 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: x}\\ndata: {text: hello from {{ .Release.Name }}}\\n'
chart = {'deploy/Chart.yaml': 'apiVersion: v2\\nname: x\\nversion: 0.1.0\\n', 'deploy/templates/config.yaml': config}
print(render(InMemoryFiles(chart), 'deploy', ChartRelease('shop-a-1', {}, (), ''))[0].data['data']['text'])
"""
ROLE = f"{NAMESPACE}-{RELEASE}-environment"


@pytest.fixture(scope="module")
def eph(site: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartRelease]:
    made = ChartRelease(site, tmp_path_factory.mktemp("install"), build_image(site))
    try:
        made.prepare()
        made.install()
        yield made
    finally:
        made.clear()


@pytest.fixture(scope="module")
def preview(eph: ChartRelease) -> tuple[int, str]:
    """A pull request with its environment, and the host."""
    files = {"eph.yaml": eph_yaml(eph, "v1")}
    eph.forge.create_repository(REPOSITORY, {"README.md": "shop"})
    sha = eph.forge.push(REPOSITORY, "feature", files)
    number = eph.forge.open_pull(REPOSITORY, "feature")
    eph.forge.label(REPOSITORY, number, "preview")
    body = eph.wait_for_comment(number, "Ready", 240)
    assert sha[:7] in body
    found = re.search(rf"http://([a-z0-9-]+\.{re.escape(DOMAIN)})", body)
    assert found, body
    return number, found[1]


def eph_yaml(eph: ChartRelease, tag: str, more: str = "") -> str:
    return EPH_YAML_TEMPLATE.format(registry=eph.site.registry, tag=tag, more=more)


def environment(preview: tuple[int, str]) -> str:
    return preview[1].partition(".")[0]


def test_labelled_pull_request_responds_through_the_ingress(eph: ChartRelease, preview: tuple[int, str]) -> None:
    assert "commit" in Page(eph.site, preview[1]).wait_for_text()
    assert Page(eph.site, f"eph.{DOMAIN}").wait_for_text("/healthz"), "the API has its own host"
    status, page = Page(eph.site, f"nobody.{DOMAIN}").request()
    assert (status, "Preview not found" in page) == (404, True), "the gateway answers for every other name"
    assert environment(preview) in eph.run_in_pod("eph", "list")
    assert "warning" not in eph.run_in_pod("sh", "-c", "eph list 2>&1"), "the token stays in the pod"


def test_gateway_is_the_only_entry(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """S3, C1: no Ingress of its own; its pods admit only the gateway's, although they respond to the node's own
    probes."""
    name = environment(preview)
    assert eph.site.get("ingresses", "-n", name)["items"] == []
    address = eph.site.get("pods", "-n", name, "-l", "eph.dev/public=true")["items"][0]["status"]["podIP"]
    stranger = eph.site.namespace(f"{NAMESPACE}-near")
    eph.site.create_pods(stranger, "near")
    assert not eph.site.can_connect(stranger, "near", f"{address}:8080")
    assert not eph.site.can_connect(stranger, "near", f"web.{name}.svc:80")
    page = Page(eph.site, preview[1])
    assert page.wait_for_text("/header", name="X-Forwarded-Host") == preview[1]
    seen = page.wait_for_text("/header", name="X-Forwarded-For")
    assert seen
    assert seen not in addresses(eph.site.get("pods", "-A")), "the visitor's own, not the ingress controller's"


def addresses(pods: Any) -> set[str]:
    return {pod["status"].get("podIP", "") for pod in pods["items"]}


async def test_web_sockets_pass(eph: ChartRelease, preview: tuple[int, str]) -> None:
    async with (
        ClientSession() as client,
        client.ws_connect(f"{eph.site.ingress}/socket", headers={"Host": preview[1]}) as socket,
    ):
        for text in ("one", "two"):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=10) == text


def test_paths_of_published_routes_lead_to_their_services(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """T2: through the ingress controller and Eph's gateway, which routes them itself."""
    assert preview, "the repository exists"
    eph_yaml = ROUTES_YAML_TEMPLATE.format(registry=eph.site.registry)
    eph.forge.push(REPOSITORY, "routes", {"eph.yaml": eph_yaml, "k8s/all.yaml": published_routes.manifests()})
    number = eph.forge.open_pull(REPOSITORY, "routes")
    eph.forge.label(REPOSITORY, number, "preview")
    found = re.search(
        rf"http://(?!docs--)([a-z0-9-]+\.{re.escape(DOMAIN)})", eph.wait_for_comment(number, "Ready", 240)
    )
    assert found
    for host, answers in ((found[1], "web"), (f"docs--{found[1]}", "docs")):
        page = Page(eph.site, host)
        expected = published_routes.ANSWERS[answers]
        assert {path: published_routes.answering_service(page.wait_for_text(path)) for path in expected} == expected
    eph.forge.close_pull(REPOSITORY, number)
    eph.wait_for_comment(number, "Destroyed")


def test_repository_chart_is_rendered_in_the_pod(eph: ChartRelease) -> None:
    """T2: the image contains helm, which needs neither a home nor a writable root."""
    assert eph.run_in_pod("python3", "-c", RENDER) == "hello from shop-a-1"


def test_previews_respond_while_ephd_restarts(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """L2: traffic passes only through the gateway, which is a separate container."""

    def ephd() -> Any:
        found = eph.site.get("pod", f"{RELEASE}-0", "-n", NAMESPACE)["status"]["containerStatuses"]
        return next(item for item in found if item["name"] == "ephd")

    before = ephd()["restartCount"]
    with PageMonitor(Page(eph.site, preview[1])) as watch:
        eph.run_in_pod("sh", "-c", "kill 1")
        wait_for(lambda: ephd()["restartCount"] > before and ephd()["ready"], 120)
    assert watch.requests > 5
    assert watch.failures == []


def test_sleeps_when_idle_and_one_visit_wakes_it_once(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """L5, C1: idle is what the gateway sees."""
    number, name = preview[0], environment(preview)
    sha = eph.forge.push(REPOSITORY, "feature", {"eph.yaml": eph_yaml(eph, "v1", "  idle_timeout: 20s")})
    eph.wait_for_comment(number, f"`{sha[:7]}`")
    eph.wait_for_comment(number, "Asleep")
    pods = ("pods", "-n", name, "--field-selector=status.phase=Running")
    wait_for(lambda: eph.site.get(*pods)["items"] == [], 60)
    before = eph.scale_up_count(name, "web")
    person = Page(eph.site, preview[1], accept="text/html")
    status, text = person.request()
    assert (status, "waking up" in text) == (503, True), "a page that opens by itself"
    program = Page(eph.site, preview[1], accept="application/json", timeout=90.0)
    with ThreadPoolExecutor(200) as many:
        found = list(many.map(lambda _: program.request(), range(200)))
    assert {status for status, _ in found} == {200}, "programs are held until it answers"
    assert person.request()[0] == 200
    assert eph.scale_up_count(name, "web") == before + 1
    assert "Ready" in eph.wait_for_comment(number, "Ready")


def test_a_label_deploy_starts_once_for_all_who_request_it_and_stops_when_idle(eph: ChartRelease) -> None:
    """M4, P5: nothing of it runs before, and commands run in it with the permissions of the chart."""
    sha = eph.forge.push(REPOSITORY, "feature", {"eph.yaml": eph_yaml(eph, "v1", "  idle_timeout: 20s")})
    name, host = deploy(eph, "feat-x", "feature")
    assert eph.site.pods_created(name, "web") == 0
    program = Page(eph.site, host, accept="application/json", timeout=90.0)
    with ThreadPoolExecutor(200) as many:
        found = list(many.map(lambda _: program.request(), range(200)))
    assert {status for status, _ in found} == {200}
    assert (eph.scale_up_count(name, "web"), eph.site.pods_created(name, "web")) == (1, 1)
    assert eph.run_in_pod("eph", "exec", f"{REPOSITORY}:feat-x", "--", "sh", "-c", "echo $EPH_COMMIT") == sha
    wait_for(lambda: eph.site.get("pods", "-n", name)["items"] == [], 120)
    eph.run_in_pod("eph", "down", f"{REPOSITORY}:feat-x", "--yes")


def test_a_failed_start_of_a_label_deploy_is_reported_to_all_who_wait(eph: ChartRelease) -> None:
    """M4."""
    broken = eph_yaml(eph, "v1").replace("port: 8080", "port: 8080, command: 'echo no luck; exit 7'")
    eph.forge.push(REPOSITORY, "broken", {"eph.yaml": broken})
    _, host = deploy(eph, "broken", "broken")
    program = Page(eph.site, host, accept="application/json", timeout=120.0)
    with ThreadPoolExecutor(20) as many:
        found = list(many.map(lambda _: program.request(), range(20)))
    assert {status for status, _ in found} <= {502, 503}, found
    assert [text for _, text in found if "exit status 7" not in text] == []
    eph.run_in_pod("eph", "down", f"{REPOSITORY}:broken", "--yes")


def deploy(eph: ChartRelease, label: str, ref: str) -> tuple[str, str]:
    """The name and the host of the environment."""
    said = eph.run_in_pod("eph", "deploy", label, "--ref", ref, "--repository", REPOSITORY)
    found = re.search(rf"http://([a-z0-9.-]+\.{re.escape(DOMAIN)})", said)
    assert found, said
    return found[1].partition(".")[0], found[1]


def test_runs_unprivileged_on_a_read_only_root(eph: ChartRelease) -> None:
    assert eph.run_in_pod("id", "-u") == "10001"
    for folder in ("/opt/eph", "/etc", "/usr/bin"):
        assert "no" in eph.run_in_pod("sh", "-c", f"touch {folder}/x 2>/dev/null || echo no")
    assert eph.run_in_pod("cat", "/etc/eph/passphrase/passphrase") == PASSPHRASE
    assert "passphrase" not in eph.run_in_pod("ls", "/var/lib/eph/keys").split(), "none was made beside the operator's"


def test_its_account_has_no_other_permissions(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """S3: tried as that account, and checked by access review."""
    tries = {
        "secrets of others": ("get", "secrets", "-n", "kube-system"),
        "its own namespace's secrets": ("get", "secrets", "-n", NAMESPACE),
        "nodes": ("get", "nodes"),
        "a pod": ("-n", environment(preview), "run", "x", "--image=x", "--dry-run=server"),
        "a command elsewhere": ("-n", NAMESPACE, "exec", f"{RELEASE}-0", "--", "true"),
        "another way in": (
            "-n",
            environment(preview),
            "create",
            "ingress",
            "x",
            "--rule=x.test/=web:80",
            "--dry-run=server",
        ),
        "a foreign namespace gone": ("delete", "namespace", eph.site.ingress_namespace, "--dry-run=server"),
        "a foreign namespace taken": ("label", "namespace", "default", "eph.dev/server=eph-1", "--dry-run=server"),
        "a namespace without its mark": ("create", "namespace", "eph-test-mine", "--dry-run=server"),
        "rights in a foreign namespace": (
            *("-n", "kube-system", "create", "rolebinding", "x", "--dry-run=server"),
            *(f"--clusterrole={ROLE}", f"--serviceaccount={NAMESPACE}:{RELEASE}"),
        ),
        "rights for somebody else": (
            *("-n", environment(preview), "create", "rolebinding", "x", "--dry-run=server"),
            *(f"--clusterrole={ROLE}", "--serviceaccount=default:default"),
        ),
        "more rights": (
            *("-n", environment(preview), "create", "rolebinding", "x", "--dry-run=server"),
            *("--clusterrole=cluster-admin", f"--serviceaccount={NAMESPACE}:{RELEASE}"),
        ),
        "rights everywhere": ("create", "clusterrolebinding", "x", f"--clusterrole={ROLE}", "--dry-run=server"),
    }
    said = {what: eph.denied(*words) for what, words in tries.items()}
    assert [what for what, why in said.items() if "orbidden" not in why and "denied" not in why] == [], said
    assert eph.denied("get", "secrets", "-n", environment(preview)) == "", "in its own environment it may"
    assert SERVICE_ACCOUNT in said["nodes"]


def test_reaches_neither_the_metadata_service_nor_anything_unnecessary(eph: ChartRelease) -> None:
    ask = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    for address, port in (("169.254.169.254", "80"), (socket.gethostbyname("localhost"), "1")):
        tried = f"python3 -c '{ask}' {address} {port} 2>/dev/null || echo no"
        assert eph.run_in_pod("sh", "-c", tried) == "no"


def test_killed_pods_successor_completes_the_work(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """L2, L8: the volume, the name and the passphrase stay; the running operation is taken over."""
    number = preview[0]
    before = eph.site.get("pod", f"{RELEASE}-0", "-n", NAMESPACE)["metadata"]["uid"]
    sha = eph.forge.push(REPOSITORY, "feature", {"eph.yaml": eph_yaml(eph, "v2")})
    running = "ls /var/lib/eph/operations/*/*/running.*.json 2>/dev/null || true"
    wait_for(lambda: eph.run_in_pod("sh", "-c", running), 60)
    eph.kubectl("delete", "pod", f"{RELEASE}-0", "--grace-period=0", "--force", "--wait=false")
    page = Page(eph.site, preview[1])
    wait_for(lambda: f"commit {sha}" in page.request()[1], 180)
    eph.wait_for_comment(number, sha[:7])
    eph.wait_for_comment(number, "Ready")
    assert page.wait_for_text("/env", name="APP_VERSION") == "v2"
    assert eph.site.get("pod", f"{RELEASE}-0", "-n", NAMESPACE)["metadata"]["uid"] != before


def has_ingresses(eph: ChartRelease, namespace: str, many: int) -> bool:
    return len(eph.site.get("ingresses", "-n", namespace)["items"]) == many


def test_each_preview_can_have_its_own_ingress_instead(eph: ChartRelease, preview: tuple[int, str]) -> None:
    """O4: the operator's choice, there and back; existing environments follow by themselves."""
    name, page = environment(preview), Page(eph.site, preview[1])
    for front, many in (("ingress", 1), ("eph", 0)):
        eph.upgrade(front)
        wait_for(partial(has_ingresses, eph, name, many), 180)
        eph.wait_for_comment(preview[0], "Ready")
        assert page.wait_for_text("/env", name="APP_VERSION") == "v2"
        if front == "ingress":  # M5: nothing would stop serving one when it expires
            refused = ("sh", "-c", f"eph deploy other --ref feature --repository {REPOSITORY} 2>&1 || true")
            assert "kubernetes.front" in eph.run_in_pod(*refused)
        asked = eph.run_in_pod("sh", "-c", "cat /var/lib/eph/gateway/routes/*.json")
        assert (f"http://web.{name}.svc:80" in asked) == (front == "eph")


def test_closed_is_gone_and_uninstall_leaves_nothing(eph: ChartRelease, preview: tuple[int, str]) -> None:
    eph.forge.close_pull(REPOSITORY, preview[0])
    eph.wait_for_comment(preview[0], "Destroyed")
    listed = [item["metadata"]["name"] for item in eph.site.get("namespaces")["items"]]
    assert environment(preview) not in listed
    eph.helm("uninstall", RELEASE, "--wait", "--timeout", "100s")
    wait_for(lambda: eph.remaining() == [], 60)
