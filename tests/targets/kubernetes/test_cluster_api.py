"""How the Kubernetes target interprets the API's responses: no response, denied and missing differ (L7, L9, T2).

A small HTTP server stands in for the API server; no cluster is needed.
"""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.kubernetes import settings, wording
from programs.targets.kubernetes.api import api_server, cluster, namespace_access
from programs.targets.kubernetes.api import wording as cluster_wording
from programs.targets.kubernetes.api.cluster import ObjectNotFound
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.rendering import namespace_objects
from programs.targets.kubernetes.settings import KubernetesSettings
from programs.targets.kubernetes.target import TARGET
from tests.targets.kubernetes.recorded_program import record

OURS = {"app.kubernetes.io/managed-by": "eph", "eph.dev/server": "eph-1"}


class _ScriptedApiServer(http.server.ThreadingHTTPServer):
    """``answers`` by path; deleted objects are gone. ``requests``: every request with its token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.requests: list[str] = []
        self.access_answers: list[bool] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _ScriptedApiServer

    def do_GET(self) -> None:
        self.server.requests.append(f"GET {self.path} {self.headers.get('Authorization')}")
        self._respond(*self.server.answers.get(self.path.partition("?")[0], (404, {"message": "not found"})))

    def do_POST(self) -> None:
        """Created objects exist from then on. ``may`` answers access reviews, one by one."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(f"POST {self.path}")
        if said["kind"] == "SelfSubjectAccessReview":
            self._respond(
                201, {"status": {"allowed": self.server.access_answers.pop(0) if self.server.access_answers else True}}
            )
            return
        path = f"{self.path}/{said['metadata']['name']}"
        taken = path in self.server.answers
        self.server.answers.setdefault(path, (200, said))
        self._respond(409 if taken else 201, said)

    def do_DELETE(self) -> None:
        self.server.requests.append(f"DELETE {self.path}")
        self.server.answers.pop(self.path.partition("?")[0])
        self._respond(200, {})

    def _respond(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def api() -> Iterator[_ScriptedApiServer]:
    server = _ScriptedApiServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def kubeconfig(folder: Path, port: int, bearer: str = "first") -> Path:
    path = folder / "kubeconfig"
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": bearer}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def raw_settings(api: _ScriptedApiServer, tmp_path: Path) -> dict[str, str]:
    file = kubeconfig(tmp_path, api.server_address[1])
    return {"root": str(tmp_path), "server": "eph-1", "kubeconfig": str(file), "routes": str(tmp_path / "routes")}


def settings_from(raw_settings: dict[str, str]) -> KubernetesSettings:
    return settings.from_mapping(raw_settings)


def test_lists_only_our_own_namespaces(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    api.answers["/api/v1/namespaces"] = (200, {"items": [{"metadata": {"name": "shop-a-1"}}]})
    assert TARGET.list_environments(raw_settings) == {"shop-a-1"}
    assert "app.kubernetes.io%2Fmanaged-by%3Deph%2Ceph.dev%2Fserver%3Deph-1" in api.requests[0]


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_forbidden_is_not_an_empty_cluster(api: _ScriptedApiServer, raw_settings: dict[str, str], status: int) -> None:
    api.answers["/api/v1/namespaces"] = (status, {"message": "no luck"})
    with pytest.raises(ClusterUnreachable, match="no luck"):
        TARGET.list_environments(raw_settings)


def test_no_response_is_not_an_empty_cluster(raw_settings: dict[str, str], tmp_path: Path) -> None:
    silent = {**raw_settings, "kubeconfig": str(kubeconfig(tmp_path, 1))}
    with pytest.raises(ClusterUnreachable, match="doesn't respond"):
        TARGET.list_environments(silent)


def test_a_renewed_kubeconfig_is_read_again(
    api: _ScriptedApiServer, raw_settings: dict[str, str], tmp_path: Path
) -> None:
    api.answers["/api/v1/namespaces"] = (200, {"items": []})
    TARGET.list_environments(raw_settings)
    kubeconfig(tmp_path, api.server_address[1], bearer="second")
    TARGET.list_environments(raw_settings)
    assert [line.rpartition(" ")[2] for line in api.requests] == ["first", "second"]


def test_invalid_kubeconfig_is_reported_by_name(raw_settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    with pytest.raises(KubernetesError, match="kubeconfig"):
        cluster.connect(settings_from(raw_settings))


def test_purge_removes_only_what_is_ours(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    """A namespace that only has an environment's name belongs to someone else and stays."""
    place = "/api/v1/namespaces/shop-a-1"
    api.answers[place] = (200, {"metadata": {"labels": {**OURS, "eph.dev/server": "eph-2"}}})
    TARGET.purge("shop-a-1", raw_settings)
    assert place in api.answers
    api.answers[place] = (200, {"metadata": {"labels": OURS}})
    TARGET.purge("shop-a-1", raw_settings)
    assert place not in api.answers
    TARGET.purge("shop-a-1", raw_settings)
    with pytest.raises(KubernetesError, match=cluster_wording.invalid_namespace("kube-system")):
        TARGET.purge("kube-system", raw_settings)


ROUTES = "/apis/gateway.networking.k8s.io/v1"
NO_HTTP_ROUTES = re.escape(wording.no_http_routes("infra/edge", namespace_objects.GATEWAY_API))
WILDCARD = "/api/v1/namespaces/infra/secrets/wildcard"


def environment_spec(raw_settings: dict[str, str], **more: str) -> EnvironmentSpec:
    """Its image has a digest already, so no registry is contacted."""
    return EnvironmentSpec(
        name="shop-a-1",
        host="shop-a-1.preview.test",
        target="kubernetes",
        project="shop",
        source=GitSource("/origin.git", "a" * 40, "feature"),
        services=(ServiceSpec("web", "", image="shop"),),
        images={"shop": f"registry.test/acme/shop@sha256:{'c' * 64}"},
        settings={**raw_settings, **more},
    )


def test_missing_gateway_api_is_reported_before_anything_is_applied(
    api: _ScriptedApiServer, raw_settings: dict[str, str]
) -> None:
    spec = environment_spec(raw_settings, gateway="infra/edge")
    with pytest.raises(KubernetesError, match=NO_HTTP_ROUTES):
        TARGET.program(spec)
    api.answers[ROUTES] = (200, {"resources": [{"kind": "Gateway"}]})
    with pytest.raises(KubernetesError, match=NO_HTTP_ROUTES):
        TARGET.program(spec)
    api.answers[ROUTES] = (200, {"resources": [{"kind": "HTTPRoute"}]})
    TARGET.program(spec)


def test_certificate_to_copy_must_exist_and_be_complete(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    spec = environment_spec(raw_settings, tls_secret="infra/wildcard")
    with pytest.raises(KubernetesError, match=wording.no_tls_secret("wildcard", "infra")):
        TARGET.program(spec)
    api.answers[WILDCARD] = (200, {"data": {"tls.crt": "Yw=="}})
    with pytest.raises(KubernetesError, match=wording.incomplete_tls_secret("infra/wildcard")):
        TARGET.program(spec)
    api.answers[WILDCARD] = (200, {"data": {"tls.crt": "Yw==", "tls.key": "aw=="}})
    TARGET.program(spec)


def test_missing_objects_are_distinguished(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    with pytest.raises(ObjectNotFound):
        cluster.connect(settings_from(raw_settings)).get_namespaced("a", "apps/v1/deployments", "web")
    assert "/apis/apps/v1/namespaces/a/deployments/web" in api.requests[0]


NAMESPACE, BINDING = (
    "/api/v1/namespaces/shop-1",
    f"/apis/{namespace_access.RBAC}/v1/namespaces/shop-1/rolebindings/eph-server",
)


def scoped_settings(raw_settings: dict[str, str]) -> KubernetesSettings:
    return settings_from({**raw_settings, "role": "eph-environment", "account": "tools/eph"})


def test_role_binding_comes_before_anything_else_in_a_namespace(
    api: _ScriptedApiServer, raw_settings: dict[str, str]
) -> None:
    """O4, S3: a server in a cluster binds a role to itself in its environment's namespace, and has none elsewhere."""
    api.access_answers = [False, True, False, True, True, True]
    namespace_access.ensure_access("shop-1", scoped_settings(raw_settings))
    assert api.answers[NAMESPACE][1]["metadata"]["labels"] == OURS
    bound = api.answers[BINDING][1]
    assert (bound["roleRef"]["name"], bound["subjects"]) == (
        "eph-environment",
        [{"kind": "ServiceAccount", "name": "eph", "namespace": "tools"}],
    )
    assert api.access_answers == [], "an API server that has not heard of it yet is asked again"
    api.requests.clear()
    namespace_access.ensure_access("shop-1", scoped_settings(raw_settings))
    assert [line for line in api.requests if line.startswith("POST") and "reviews" not in line] == [], "the second time"
    api.requests.clear()
    namespace_access.ensure_access("shop-1", settings_from(raw_settings))
    assert api.requests == [], "nothing to do where the account may anyway"


def test_foreign_namespace_is_not_used(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    api.answers[NAMESPACE] = (200, {"metadata": {"labels": {**OURS, "eph.dev/server": "eph-2"}}})
    with pytest.raises(KubernetesError, match=cluster_wording.namespace_is_not_ours("shop-1")):
        namespace_access.ensure_access("shop-1", scoped_settings(raw_settings))
    assert BINDING not in api.answers


def test_binding_without_effect_is_reported(api: _ScriptedApiServer, raw_settings: dict[str, str]) -> None:
    api.access_answers = [False] * 9
    with pytest.raises(KubernetesError, match="account tools/eph has no access to namespace shop-1"):
        namespace_access.ensure_access("shop-1", scoped_settings(raw_settings), timeout=0.0)


def test_role_without_an_account_is_rejected(raw_settings: dict[str, str]) -> None:
    with pytest.raises(KubernetesError, match=wording.invalid_account("eph")):
        settings_from({**raw_settings, "role": "eph-environment", "account": "eph"})


def test_addresses_of_the_api_server_come_from_the_kubeconfig_and_its_endpoints(
    api: _ScriptedApiServer, raw_settings: dict[str, str]
) -> None:
    """S3: the namespace's network policies close them."""
    named = settings_from(raw_settings)
    assert api_server.networks(named) == ("127.0.0.1/32",), "without the endpoints, the kubeconfig's host is closed"
    slices = [
        {"addressType": "IPv4", "endpoints": [{"addresses": ["203.0.113.7", "203.0.113.8"]}]},
        {"addressType": "IPv6", "endpoints": [{"addresses": ["2001:db8::7"]}]},
        {"addressType": "FQDN", "endpoints": [{"addresses": ["api.example.com"]}]},
        {"addressType": "IPv4", "endpoints": None},
    ]
    api.answers[api_server.ENDPOINTS] = (200, {"items": slices})
    assert set(api_server.networks(named)) == {
        "127.0.0.1/32", "203.0.113.7/32", "203.0.113.8/32", "2001:db8::7/128",
    }  # fmt: skip
    api.answers[api_server.ENDPOINTS] = (403, {"message": "not yours"})
    assert api_server.networks(named) == ("127.0.0.1/32",)
    api.answers[api_server.ENDPOINTS] = (503, {"message": "later"})
    with pytest.raises(ClusterUnreachable, match="later"):
        api_server.networks(named)


def test_environment_has_the_registry_credentials_of_its_repository_only(
    api: _ScriptedApiServer, raw_settings: dict[str, str], tmp_path: Path
) -> None:
    """S3 S4: another team's credentials aren't in its namespace, and no image from a node's cache runs unchecked."""
    files = {name: tmp_path / f"{name}.json" for name in ("acme", "all")}
    for name, file in files.items():
        file.write_text(json.dumps({"auths": {f"{name}.example.com": {"auth": "eDp5"}}}))
    api.answers["/api/v1/namespaces/default/endpoints/kubernetes"] = (200, {"subsets": []})
    more = {"pull_secret_file": str(files["all"]), "pull_secrets": f"Acme/*={files['acme']}"}
    for repository, expected in {"acme/shop": "acme", "other/shop": "all", "acme-evil/shop": "all", "": "all"}.items():
        spec = replace(environment_spec(raw_settings, **more), marks={"Repository": repository})
        made = record(TARGET.program(spec)).resources
        secret = base64.b64decode(made["secret-eph-pull"]["data"][".dockerconfigjson"])
        assert list(json.loads(secret)["auths"]) == [f"{expected}.example.com"], repository
        pod = made["deployment-web"]["spec"]["template"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "eph-pull"}]
        assert [item["imagePullPolicy"] for item in pod["containers"]] == ["Always"]


@pytest.mark.parametrize("entry", ["acme/*", "=/etc/a.json", "acme/*=", "acme/*=/nowhere/a.json"])
def test_invalid_pull_secret_is_reported(raw_settings: dict[str, str], entry: str) -> None:
    with pytest.raises(KubernetesError, match="setting 'pull_secrets': "):
        settings.from_mapping({**raw_settings, "pull_secrets": entry})
