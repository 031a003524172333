"""Which services of a repository's manifests people can open, and at which host name (T2, Y2, issue 14 item 12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from programs.spec import ServiceSpec
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import LoadedManifests, load_manifests, wording
from programs.targets.kubernetes.program.environment import KubernetesEnvironment, PreparedInputs
from programs.targets.kubernetes.rendering.namespace_objects import PathBackend
from tests.targets.kubernetes.manifest_attacks import (
    CONTAINER,
    DEPLOYMENT,
    PINNED,
    SERVICE,
    SETTINGS,
    apply_manifests,
    spec,
    with_change,
)
from tests.targets.kubernetes.recorded_program import record_program

LABELS = "spec.template.metadata.labels"


def test_ingress_only_selects_the_public_service() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {
            "ingressClassName": "internal",
            "tls": [{"hosts": ["bank.test"], "secretName": "other"}],
            "rules": [{"host": "bank.test", "http": {"paths": [{"path": "/", "backend": backend}]}}],
        },
    }
    found = apply_manifests(DEPLOYMENT, SERVICE, ingress)
    assert [data["kind"] for data in found.objects] == ["Deployment", "Service"]
    assert found.backends == {"web": ("web", 80)}
    with pytest.raises(KubernetesError, match=wording.services.route_to_unknown("web")):
        apply_manifests(DEPLOYMENT, ingress)


def test_headless_service_is_reached_at_its_pods() -> None:
    """Its name resolves to the pods, so its own port doesn't exist; an ingress controller looks up the pods itself."""
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rules = [{"http": {"paths": [{"path": "/", "backend": backend}]}}]
    about = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}
    given = (DEPLOYMENT, headless, {**about, "spec": {"rules": rules}})
    own = replace(SETTINGS, front="eph", front_namespace="tools", front_labels="app=eph")
    assert apply_manifests(*given).backends == {"web": ("web", 80)}
    assert apply_manifests(*given, settings=own).backends == {"web": ("web", 8080)}
    assert apply_manifests(DEPLOYMENT, SERVICE, settings=own).backends == {"web": ("web", 80)}


def test_http_route_selects_the_public_service() -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "annotations": {"a.test/b": "c"}},
        "spec": {
            "parentRefs": [{"name": "edge", "namespace": "infra"}],
            "hostnames": ["bank.test"],
            "rules": [
                {"matches": [{"path": {"value": "/api"}}], "backendRefs": [{"name": "api", "port": 80}]},
                {"matches": [{"path": {"value": "/"}}], "backendRefs": [{"name": "web", "port": 80}]},
            ],
        },
    }
    api = {**SERVICE, "metadata": {"name": "api"}}
    found = apply_manifests(DEPLOYMENT, SERVICE, api, route)
    assert [data["kind"] for data in found.objects] == ["Deployment", "Service", "Service"]
    assert found.backends == {"web": ("web", 80)}
    assert found.paths == {"web": (PathBackend("/api", False, ("api", 80)),)}
    assert len(found.notices) == 0
    own = replace(SETTINGS, front="eph", front_namespace="tools", front_labels="app=eph")
    assert apply_manifests(DEPLOYMENT, SERVICE, api, route, settings=own) == found, "also behind Eph's gateway"


@pytest.mark.parametrize("rules", [None, [], "x", [1], [{"http": {"paths": "x"}}], [{"backendRefs": [{"name": 1}]}]])
@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute"])
def test_route_of_any_shape_is_read_or_refused(kind: str, rules: Any) -> None:
    version = "networking.k8s.io/v1" if kind == "Ingress" else "gateway.networking.k8s.io/v1"
    route = {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": {"rules": rules}}
    with pytest.raises(KubernetesError, match=wording.services.ROUTES_NOWHERE):
        apply_manifests(DEPLOYMENT, SERVICE, route)


RELEASE = "shop-gentle-stream-42"


def service(name: str, **more: Any) -> dict[str, Any]:
    return {**SERVICE, "metadata": {"name": name}, **more}


def probed(path: str, port: int | str) -> dict[str, Any]:
    return with_change(DEPLOYMENT, f"{CONTAINER}.readinessProbe", {"httpGet": {"path": path, "port": port}})


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (probed("/ready?all=1", "http"), {"web": "/ready?all=1"}),
        (probed("/ready", 8080), {"web": "/ready"}),
        (with_change(DEPLOYMENT, f"{CONTAINER}.readinessProbe", {"httpGet": {"port": "http"}}), {"web": "/"}),
        (probed("/ready", 9000), {}),
        (probed("//evil test/", "http"), {}),
        (with_change(DEPLOYMENT, f"{CONTAINER}.readinessProbe", {"tcpSocket": {"port": 8080}}), {}),
        (with_change(probed("/ready", "http"), f"{LABELS}.app", "another"), {}),
        (DEPLOYMENT, {}),
    ],
)
def test_health_check_of_a_public_service_is_its_readiness_probe(
    probe: dict[str, Any], expected: dict[str, str]
) -> None:
    """T2, P3: an API without a page at / would never be ready."""
    files = {"k8s/all.yaml": yaml.safe_dump_all([probe, SERVICE])}
    assert load_manifests(InMemoryFiles(files), spec(), SETTINGS, PINNED).health == expected


def test_health_check_of_a_public_service_is_the_one_in_eph_yaml() -> None:
    """T2, P3: each service has its own."""
    files = {"k8s/all.yaml": yaml.safe_dump_all([probed("/ready", "http"), service("web"), service("api")])}
    given = spec(options={"public": ["web", "api"], "health": {"api": "/v1/ping"}})
    found = load_manifests(InMemoryFiles(files), given, SETTINGS, PINNED)
    assert found.health == {"web": "/ready", "api": "/v1/ping"}
    prepared = PreparedInputs(objects=found.objects, backends=found.backends, health=found.health)
    recorded = record_program(
        given, replace(SETTINGS, routes="/routes", ingress_url="http://10.0.0.5", pull_secret_file=""), prepared
    )
    doors = {item["service"]: item["health"] for name, item in recorded.resources.items() if name.startswith("door-")}
    assert doors == found.health


def load(*objects: dict[str, Any], public: tuple[str, ...] = ()) -> LoadedManifests:
    files = InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all([DEPLOYMENT, *objects])})
    return load_manifests(files, spec(options={"public": list(public)} if public else {}), SETTINGS, PINNED)


@pytest.mark.parametrize(
    ("names", "public", "short", "front"),
    [
        (["one", "two"], "two", "two", "two"),
        ([f"{RELEASE}-one", f"{RELEASE}-two"], "two", "two", f"{RELEASE}-two"),
        ([f"{RELEASE}-store-one", f"{RELEASE}-store-two"], "two", "two", f"{RELEASE}-store-two"),
        ([RELEASE, f"{RELEASE}-worker"], "shop", "shop", RELEASE),
        (["preview-one", "preview-two"], "two", "two", "preview-two"),
        ([RELEASE, "redis"], "", "shop", RELEASE),
        ([f"{RELEASE}-shop", "redis"], "", "shop", f"{RELEASE}-shop"),
        (["x-store", "x-store-worker", "x-store-redis"], "", "x-store", "x-store"),
    ],
)
def test_front_is_the_named_service_or_that_of_the_release(
    names: list[str], public: str, short: str, front: str
) -> None:
    found = load(*map(service, names), public=(public,) if public else ())
    assert found.backends == {short: (front, 80)}


def test_named_services_are_public_in_this_order() -> None:
    """Each has a host name, and its pods admit the ingress controller."""
    metrics = {"selector": {"app": "web"}, "ports": [{"port": 9000, "targetPort": 9001}]}
    found = load(service("web"), service(f"{RELEASE}-api", spec=metrics), service("db"), public=("api", "web"))
    assert list(found.backends.items()) == [("api", (f"{RELEASE}-api", 9000)), ("web", ("web", 80))]
    assert found.public_ports == (8080, 9001)


def test_each_public_service_has_its_own_host_name_and_variables() -> None:
    given = load(service(f"{RELEASE}-web"), service(f"{RELEASE}-api"), public=("web", "api"))
    prepared = PreparedInputs(objects=given.objects, backends=given.backends, public_ports=given.public_ports)
    chosen = spec(env={"ORIGIN": "{url:web}", "API": "{host:api}"})
    environment = KubernetesEnvironment(chosen, replace(SETTINGS, url="https://{host}"), prepared, "test")
    assert environment.hosts == {"web": chosen.host, "api": f"api--{chosen.host}"}
    plain = environment.variables(ServiceSpec("manifests", "", public=False)).plain
    assert {name: plain[name] for name in ("PREVIEW_URL", "API_PUBLIC_URL", "WEB_PUBLIC_HOST", "ORIGIN", "API")} == {
        "PREVIEW_URL": f"https://{chosen.host}",
        "API_PUBLIC_URL": f"https://api--{chosen.host}",
        "WEB_PUBLIC_HOST": chosen.host,
        "ORIGIN": f"https://{chosen.host}",
        "API": f"api--{chosen.host}",
    }


def ingress(name: str, *rules: tuple[str, str, str]) -> dict[str, Any]:
    """``rules``: host, path and service."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {
            "rules": [
                {"host": host, "http": {"paths": [{"path": path, "backend": {"service": {"name": target}}}]}}
                for host, path, target in rules
            ]
        },
    }


def test_every_host_of_an_ingress_has_a_public_service() -> None:
    routes = ingress("all", ("www.shop.test", "/", "web"), ("shop.test", "/", "web"), ("api.shop.test", "/v1", "api"))
    found = load(service("web"), service("api"), service("db"), routes)
    assert found.backends == {"web": ("web", 80), "api": ("api", 80)}
    assert found.notices == ()


def route(*rules: dict[str, Any]) -> dict[str, Any]:
    about = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "all"}}
    return {**about, "spec": {"rules": [{"backendRefs": [{"name": "web"}]}, *rules]}}


def to_api(**rule: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": "api", "port": 80}], **rule}


def test_paths_of_a_host_go_where_the_repository_routes_them() -> None:
    """Their pods admit the ingress controller, too."""
    other = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 90, "targetPort": 9001}]}
    paths = [("shop.test", "/", "web"), ("shop.test", "/api/*", "api"), ("shop.test", "/api", "web")]
    found = load(service("web"), service("api", spec=other), ingress("all", *paths))
    assert found.backends == {"web": ("web", 80)}
    assert found.paths == {"web": (PathBackend("/api", False, ("api", 90)),)}
    assert (found.public_ports, found.notices) == ((8080, 9001), ())


@pytest.mark.parametrize(
    "rule",
    [
        to_api(matches=[{"path": {"type": "RegularExpression", "value": "/api"}}]),
        to_api(matches=[{"path": {"value": "/api"}, "headers": [{"name": "X", "value": "y"}]}]),
        to_api(matches=[{"path": {"value": "/api"}}], filters=[{"type": "URLRewrite"}]),
        to_api(matches=[{"path": {"value": "/api(/|$)(.*)"}}]),
        {"matches": [{"path": {"value": "/api"}}], "backendRefs": [{"name": "api", "port": 81}]},
    ],
)
def test_route_that_does_more_than_match_a_path_is_left_out(rule: dict[str, Any]) -> None:
    found = load(service("web"), service("api"), route(rule))
    assert (found.backends, found.paths) == ({"web": ("web", 80)}, {})
    (notice,) = found.notices
    assert "its routes to api are left out" in notice


def test_rewritten_paths_of_an_ingress_are_left_out() -> None:
    written = ingress("all", ("a.test", "/", "web"), ("a.test", "/api", "api"))
    written["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/rewrite-target": "/"}
    found = load(service("web"), service("api"), written)
    assert found.paths == {}
    assert "its routes to api are left out" in found.notices[0]


def test_front_is_at_the_root_of_the_first_host_that_has_one() -> None:
    found = load(
        service("web"), service("api"), ingress("a", ("api.test", "/v1", "api")), ingress("b", ("", "/", "web"))
    )
    assert list(found.backends) == ["web", "api"]


def test_front_is_the_routed_service_whose_name_says_so() -> None:
    """kustomize and Helm sort what they print."""
    names = ("preview-api", "preview-web")
    found = load(*map(service, names), ingress("all", ("api.shop.test", "/", names[0]), ("shop.test", "/", names[1])))
    assert list(found.backends) == ["preview-web", "preview-api"]


def test_hosts_of_services_that_do_not_exist_are_left_out() -> None:
    found = load(service("web"), ingress("all", ("shop.test", "/", "web"), ("docs.shop.test", "/", "docs")))
    assert found.backends == {"web": ("web", 80)}
    (notice,) = found.notices
    assert "its routes to docs are left out" in notice


def test_services_with_the_same_short_name_keep_their_own() -> None:
    found = load(service("x"), service(f"{RELEASE}-x"), ingress("all", ("a", "/", "x"), ("b", "/", f"{RELEASE}-x")))
    assert found.backends == {"x": ("x", 80), f"{RELEASE}-x": (f"{RELEASE}-x", 80)}


def test_public_service_with_a_name_too_long_for_a_host_is_refused() -> None:
    with pytest.raises(KubernetesError, match="longer than 63 characters"):
        load(service("web"), service("a" * 45), public=("web", "a" * 45))


def test_routed_service_with_a_name_too_long_for_a_host_is_left_out() -> None:
    found = load(service("web"), service("a" * 45), ingress("all", ("a", "/", "web"), ("b", "/", "a" * 45)))
    assert found.backends == {"web": ("web", 80)}
    assert "so it isn't public" in found.notices[0]


def test_ambiguous_name_lists_the_services_that_match() -> None:
    with pytest.raises(KubernetesError, match=wording.services.several_match("api", ["x-api", "y-api"])):
        load(service("x-api"), service("y-api"), service("web"), public=("api",))


def test_unknown_public_service_lists_those_that_exist() -> None:
    files = InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all([DEPLOYMENT, SERVICE])})
    with pytest.raises(KubernetesError, match=wording.services.unknown_service("api", ["web"])):
        load_manifests(files, spec(options={"public": ["api"]}), SETTINGS, PINNED)


def test_public_service_must_be_unambiguous() -> None:
    api, worker = ({**SERVICE, "metadata": {"name": name}} for name in ("one", "two"))
    with pytest.raises(KubernetesError, match=wording.services.no_choice(["one", "two"])):
        apply_manifests(DEPLOYMENT, api, worker)
    named = {**SERVICE, "metadata": {"name": "shop"}}
    assert apply_manifests(DEPLOYMENT, api, named).backends == {"shop": ("shop", 80)}
