"""The cluster's API as the Kubernetes target asks it: what silence, refusal and absence each mean (L7, L9, T2).

A small HTTP server stands for the API server; nothing of a cluster is needed.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.kubernetes import cluster, rights, settings
from programs.kubernetes.cluster import Missing
from programs.kubernetes.errors import KubernetesError, Unreachable
from programs.kubernetes.settings import Settings
from programs.kubernetes.target import TARGET
from programs.spec import EnvironmentSpec, ServiceSpec, Source

OURS = {"app.kubernetes.io/managed-by": "eph", "eph.dev/server": "eph-1"}


class _Api(http.server.ThreadingHTTPServer):
    """``answers`` by path; what is deleted is gone. ``asked``: every request with its token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        self.may: list[bool] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Api

    def do_GET(self) -> None:
        self.server.asked.append(f"GET {self.path} {self.headers.get('Authorization')}")
        self._say(*self.server.answers.get(self.path.partition("?")[0], (404, {"message": "not found"})))

    def do_POST(self) -> None:
        """What is made is there from then on. ``may`` answers the questions for rights, one by one."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(f"POST {self.path}")
        if said["kind"] == "SelfSubjectAccessReview":
            self._say(201, {"status": {"allowed": self.server.may.pop(0) if self.server.may else True}})
            return
        path = f"{self.path}/{said['metadata']['name']}"
        taken = path in self.server.answers
        self.server.answers.setdefault(path, (200, said))
        self._say(409 if taken else 201, said)

    def do_DELETE(self) -> None:
        self.server.asked.append(f"DELETE {self.path}")
        self.server.answers.pop(self.path.partition("?")[0])
        self._say(200, {})

    def _say(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def api() -> Iterator[_Api]:
    server = _Api()
    thread = threading.Thread(target=server.serve_forever)
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
def told(api: _Api, tmp_path: Path) -> dict[str, str]:
    file = kubeconfig(tmp_path, api.server_address[1])
    return {"root": str(tmp_path), "server": "eph-1", "kubeconfig": str(file), "routes": str(tmp_path / "routes")}


def on(told: dict[str, str]) -> Settings:
    return settings.from_mapping(told)


def test_only_our_own_namespaces_are_asked_for_and_named(api: _Api, told: dict[str, str]) -> None:
    api.answers["/api/v1/namespaces"] = (200, {"items": [{"metadata": {"name": "shop-a-1"}}]})
    assert TARGET.names(told) == {"shop-a-1"}
    assert "app.kubernetes.io%2Fmanaged-by%3Deph%2Ceph.dev%2Fserver%3Deph-1" in api.asked[0]


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_refusal_is_no_empty_cluster(api: _Api, told: dict[str, str], status: int) -> None:
    api.answers["/api/v1/namespaces"] = (status, {"message": "no luck"})
    with pytest.raises(Unreachable, match="no luck"):
        TARGET.names(told)


def test_silence_is_no_empty_cluster(told: dict[str, str], tmp_path: Path) -> None:
    silent = {**told, "kubeconfig": str(kubeconfig(tmp_path, 1))}
    with pytest.raises(Unreachable, match="does not answer"):
        TARGET.names(silent)


def test_a_renewed_kubeconfig_is_read_again(api: _Api, told: dict[str, str], tmp_path: Path) -> None:
    api.answers["/api/v1/namespaces"] = (200, {"items": []})
    TARGET.names(told)
    kubeconfig(tmp_path, api.server_address[1], bearer="second")
    TARGET.names(told)
    assert [line.rpartition(" ")[2] for line in api.asked] == ["first", "second"]


def test_a_file_that_is_no_kubeconfig_is_named(told: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    with pytest.raises(KubernetesError, match="kubeconfig"):
        cluster.connect(on(told))


def test_a_purge_removes_what_is_ours_and_only_that(api: _Api, told: dict[str, str]) -> None:
    """A namespace that only has the name of an environment is somebody's, and stays."""
    place = "/api/v1/namespaces/shop-a-1"
    api.answers[place] = (200, {"metadata": {"labels": {**OURS, "eph.dev/server": "eph-2"}}})
    TARGET.purge("shop-a-1", told)
    assert place in api.answers
    api.answers[place] = (200, {"metadata": {"labels": OURS}})
    TARGET.purge("shop-a-1", told)
    assert place not in api.answers
    TARGET.purge("shop-a-1", told)
    with pytest.raises(KubernetesError, match="cannot be the name"):
        TARGET.purge("kube-system", told)


ROUTES = "/apis/gateway.networking.k8s.io/v1"
WILDCARD = "/api/v1/namespaces/infra/secrets/wildcard"


def asked(told: dict[str, str], **more: str) -> EnvironmentSpec:
    """Its image has a digest already, so no registry is asked."""
    return EnvironmentSpec(
        name="shop-a-1",
        host="shop-a-1.preview.test",
        target="kubernetes",
        project="shop",
        source=Source("/origin.git", "a" * 40, "feature"),
        services=(ServiceSpec("web", "", image="shop"),),
        images={"shop": f"registry.test/acme/shop@sha256:{'c' * 64}"},
        settings={**told, **more},
    )


def test_a_cluster_without_the_gateway_api_is_said_before_anything_is_applied(api: _Api, told: dict[str, str]) -> None:
    spec = asked(told, gateway="infra/edge")
    with pytest.raises(KubernetesError, match=r"knows no HTTPRoute of gateway\.networking\.k8s\.io/v1; an operator"):
        TARGET.program(spec)
    api.answers[ROUTES] = (200, {"resources": [{"kind": "Gateway"}]})
    with pytest.raises(KubernetesError, match="knows no HTTPRoute"):
        TARGET.program(spec)
    api.answers[ROUTES] = (200, {"resources": [{"kind": "HTTPRoute"}]})
    TARGET.program(spec)


def test_a_certificate_to_copy_must_be_there_and_whole(api: _Api, told: dict[str, str]) -> None:
    spec = asked(told, tls_secret="infra/wildcard")
    with pytest.raises(KubernetesError, match="no Secret wildcard in the namespace infra"):
        TARGET.program(spec)
    api.answers[WILDCARD] = (200, {"data": {"tls.crt": "Yw=="}})
    with pytest.raises(KubernetesError, match=r"has no tls\.crt and tls\.key"):
        TARGET.program(spec)
    api.answers[WILDCARD] = (200, {"data": {"tls.crt": "Yw==", "tls.key": "aw=="}})
    TARGET.program(spec)


def test_what_is_missing_is_told_apart(api: _Api, told: dict[str, str]) -> None:
    with pytest.raises(Missing):
        cluster.connect(on(told)).one("a", "apps/v1/deployments", "web")
    assert "/apis/apps/v1/namespaces/a/deployments/web" in api.asked[0]


NAMESPACE, BINDING = "/api/v1/namespaces/shop-1", f"/apis/{rights.RBAC}/v1/namespaces/shop-1/rolebindings/eph-server"


def narrow(told: dict[str, str]) -> Settings:
    return on({**told, "role": "eph-environment", "account": "tools/eph"})


def test_its_own_rights_come_before_anything_else_in_a_namespace(api: _Api, told: dict[str, str]) -> None:
    """O4, S3: a server in a cluster binds itself a role in its environment's namespace, and has none in others."""
    api.may = [False, True, False, True, True, True]
    rights.enter("shop-1", narrow(told))
    assert api.answers[NAMESPACE][1]["metadata"]["labels"] == OURS
    bound = api.answers[BINDING][1]
    assert (bound["roleRef"]["name"], bound["subjects"]) == (
        "eph-environment",
        [{"kind": "ServiceAccount", "name": "eph", "namespace": "tools"}],
    )
    assert api.may == [], "an API server that has not heard of it yet is asked again"
    api.asked.clear()
    rights.enter("shop-1", narrow(told))
    assert [line for line in api.asked if line.startswith("POST") and "reviews" not in line] == [], "the second time"
    api.asked.clear()
    rights.enter("shop-1", on(told))
    assert api.asked == [], "nothing to do where the account may anyway"


def test_a_foreign_namespace_is_not_entered(api: _Api, told: dict[str, str]) -> None:
    api.answers[NAMESPACE] = (200, {"metadata": {"labels": {**OURS, "eph.dev/server": "eph-2"}}})
    with pytest.raises(KubernetesError, match="not this server's"):
        rights.enter("shop-1", narrow(told))
    assert BINDING not in api.answers


def test_a_binding_that_gives_nothing_is_told(api: _Api, told: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "SECONDS", 0.0)
    api.may = [False] * 9
    with pytest.raises(KubernetesError, match="account tools/eph has no rights in namespace shop-1"):
        rights.enter("shop-1", narrow(told))


def test_a_role_without_an_account_is_refused(told: dict[str, str]) -> None:
    with pytest.raises(KubernetesError, match="must be namespace/name"):
        on({**told, "role": "eph-environment", "account": "eph"})
