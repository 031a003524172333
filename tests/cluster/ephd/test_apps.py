"""Applications of common shapes, previewed on the cluster with the eph.yaml of their recipe (issue 14).

Rows: T2, Y2, I1, D2, L5, P1. Charts and overlays are published ones in their shape: nothing in them knows about Eph.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apps.recipe_site import COFFEE, django_migration
from tests.cluster import node_volumes
from tests.cluster.cluster_access import Cluster
from tests.cluster.ephd.app_site import TIMEOUT, AppSite
from tests.e2e.previews import Preview
from tests.e2e.site import REPOSITORY, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
MIGRATION = "posts/migrations/0002_more.py"
REPLACED_IMAGES = ("acme/tickets", "library/postgres")


@contextmanager
def app_site(home: Path, cluster: Cluster, folder: str, recipe: str, storage_class: str = "") -> Iterator[AppSite]:
    made = AppSite(home, cluster, folder, recipe, storage_class)
    try:
        made.open()
        yield made
    finally:
        made.close()


def get(eph: AppSite, host: str, path: str) -> httpx.Response:
    """At the gateway, as a browser would."""
    return eph.http.get(f"http://127.0.0.1:{eph.gateway_port}{path}", headers={"Host": host}).raise_for_status()


def close(eph: AppSite, *previews: Preview) -> None:
    for made in previews:
        eph.forge.close_pull(REPOSITORY, made.number)
    wait_until("the namespaces are gone", lambda: ", ".join(eph.namespaces()), TIMEOUT)


def containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def notices(eph: AppSite, made: Preview) -> str:
    return "\n".join(eph.environment(made)["notices"])


@needs_go
def test_chart(home: Path, site: Cluster) -> None:
    with app_site(home, site, "helm_tickets", "Helm chart") as eph:
        made = eph.preview_built("feature")
        api, web_url = eph.host_of(made, "api"), eph.environment(made)["urls"]["web"]
        assert api == f"api--{made.host}"
        assert eph.page(made.host).data["api"] == eph.environment(made)["urls"]["api"]
        tickets = get(eph, api, "/tickets")
        assert tickets.json() == ["first ticket"]
        assert tickets.headers["access-control-allow-origin"] == web_url
        assert_published_parts_are_left_out(eph, made)

        more = {"migrations/002_more.sql": "INSERT INTO tickets (title) VALUES ('second ticket')"}
        live = eph.push_built(made, more)
        eph.wait_for_commit(made, live, TIMEOUT)
        assert get(eph, api, "/tickets").json() == ["first ticket", "second ticket"], "the database is kept"

        eph.push_built(made, {"migrations/003_broken.sql": "SELECT * FROM nowhere"})
        eph.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=TIMEOUT)
        assert eph.page(made.host).data["commit"] == live, "the last good commit is still live"

        unreplaced = eph.texts["eph.yaml"].replace(",\n       replaces: ghcr.io/acme/tickets", "")
        assert unreplaced != eph.texts["eph.yaml"]
        eph.push_built(made, {"eph.yaml": unreplaced})
        eph.wait_for_comment(
            made.number, "no workload runs app", "the workloads run ghcr.io/acme/tickets", timeout=TIMEOUT
        )
        assert eph.page(made.host).data["commit"] == live, "the release that the chart names doesn't run instead"

        other = eph.preview_built("other")
        assert get(eph, eph.host_of(other, "api"), "/tickets").json() == ["first ticket"], "its own database"
        close(eph, made, other)


def assert_published_parts_are_left_out(eph: AppSite, made: Preview) -> None:
    """Each is a notice on the pull request, and what remains runs the pinned images."""
    for part in (
        "serviceaccount.yaml: ServiceAccount",
        "type LoadBalancer becomes ClusterIP",
        "nodeSelector, tolerations left out",
        "linkerd.io/inject",
        "Use `migrate` of a database or `hooks`",
    ):
        assert part in notices(eph, made)
        assert part in eph.comment(made.number)
    assert {item["spec"]["type"] for item in eph.objects(made, "services")} == {"ClusterIP"}
    assert [item["metadata"]["name"] for item in eph.objects(made, "hpa")] == [f"{made.name}-web"]
    hosts = {rule["host"] for item in eph.objects(made, "ingresses") for rule in item["spec"]["rules"]}
    assert hosts == {made.host, f"api--{made.host}"}
    workloads = [item for item in eph.objects(made, "deployments") if item["metadata"]["name"].startswith(made.name)]
    assert len(workloads) == 2
    pinned = tuple(f"{eph.cluster.registry}/{name}@sha256:" for name in REPLACED_IMAGES)
    for container in (container for item in workloads for container in containers(item)):
        assert container["image"].startswith(pinned), "neither the release nor another registry"
    proxy = eph.cluster.kubectl(
        "exec", "-n", made.name, f"deploy/{made.name}-web", "--", "sh", "-c", "echo $COMPANY_PROXY"
    )
    assert proxy.strip() == "http://proxy.example.com:3128", "the setting kubernetes.env"


@needs_go
def test_kustomization(home: Path, site: Cluster) -> None:
    with app_site(home, site, "kustomize_votes", "Kustomize") as eph:
        made = eph.preview_built("feature")
        page = eph.page(made.host).data
        assert (page["question"], page["results"]) == ("tea or coffee?", "http://preview-results/")
        results = eph.host_of(made, "preview-results")
        assert eph.environment(made)["urls"].keys() == {"preview-web", "preview-results"}
        assert "type NodePort becomes ClusterIP" in notices(eph, made)
        limits = {
            item["metadata"]["name"]: containers(item)[0]["resources"].get("limits", {}).get("memory")
            for item in eph.objects(made, "deployments")
            if item["metadata"]["name"].startswith("preview-")
        }
        assert limits == {"preview-web": "64Mi", "preview-worker": "64Mi", "preview-results": None}
        vote(eph, made)
        wait_until("the component's worker counts it", lambda: "" if counted(eph, results) == 1 else "not yet")

        assert get(eph, made.host, "/results").json()["counted"] == 1, "a path that the HTTPRoute routes elsewhere"

        overlay = "k8s/base/kustomization.yaml"
        live = eph.push_built(made, {overlay: eph.texts[overlay].replace("tea or", "milk or")})
        eph.wait_for_commit(made, live, TIMEOUT)
        assert eph.page(made.host).data["question"] == "milk or coffee?"
        assert counted(eph, results) == 1, "the database is kept"

        eph.push_built(made, {"schema.sql": "ALTER TABLE nowhere ADD COLUMN x text;"})
        eph.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=TIMEOUT)
        assert eph.page(made.host).data["commit"] == live, "the last good commit is still live"

        other = eph.preview_built("other")
        assert counted(eph, eph.host_of(other, "preview-results")) == 0, "its own database"
        close(eph, made, other)


def vote(eph: AppSite, made: Preview) -> None:
    url = f"http://127.0.0.1:{eph.gateway_port}/tea"
    eph.http.post(url, headers={"Host": made.host}).raise_for_status()


def counted(eph: AppSite, host: str) -> int:
    return int(json.loads(get(eph, host, "/").text)["counted"])


@needs_go
def test_services_with_images(home: Path, site: Cluster) -> None:
    with app_site(home, site, "go_orders", "Images on Kubernetes") as eph:
        made = eph.preview_built("feature")
        assert eph.page(made.host).data["orders"] == ["tea"]
        source = eph.texts["main.go"].replace("ORDER BY id", "ORDER BY id DESC")
        live = eph.push_built(made, {"main.go": source, "schema.sql": f"{eph.texts['schema.sql']}{COFFEE}"})
        eph.wait_for_commit(made, live, TIMEOUT)
        assert eph.page(made.host).data["orders"] == ["coffee", "tea"]

        eph.push_built(made, {"schema.sql": "SELECT * FROM nowhere;"})
        eph.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=TIMEOUT)
        assert eph.page(made.host).data["commit"] == live, "the last good commit is still live"

        other = eph.preview_built("other")
        assert eph.page(other.host).data["orders"] == ["tea"], "its own database"
        close(eph, made, other)


def test_django_with_worker_and_uploads(home: Path, site: Cluster) -> None:
    """D2 T2: its settings accept only the preview's host name, and uploads are on a volume."""
    with (
        node_volumes.storage_class(site, home / "volumes", count=4) as storage,
        app_site(home, site, "django_board", "Django on Kubernetes", storage) as eph,
    ):
        made = eph.preview_built("feature")
        wait_until("the worker checks posts", lambda: "" if board(eph, made)["posts"][0]["checked"] else "not yet")
        url = f"http://127.0.0.1:{eph.gateway_port}/upload/cat"
        assert eph.http.post(url, content=b"picture", headers={"Host": made.host}).status_code == 201

        eph.push_built(made, {MIGRATION: django_migration("SELECT * FROM nowhere")})
        eph.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=TIMEOUT)
        assert board(eph, made)["commit"] == made.commit, "the last good commit is still live"

        second = django_migration("INSERT INTO posts_post (text, checked) VALUES ('second', false)")
        eph.wait_for_commit(made, eph.push_built(made, {MIGRATION: second}), TIMEOUT)
        assert board(eph, made)["uploads"] == ["cat"]
        assert [post["text"] for post in board(eph, made)["posts"]] == ["welcome", "second"]

        other = eph.preview_built("other")
        assert (board(eph, other)["uploads"], len(board(eph, other)["posts"])) == ([], 1), "its own data"
        close(eph, made, other)


def board(eph: AppSite, made: Preview) -> dict[str, Any]:
    return dict(get(eph, made.host, "/").json())
