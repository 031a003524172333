"""The resources that the Kubernetes program declares, case by case, with Pulumi's mocks: nothing is applied (T2,
C1)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.spec import CommandSpec, DatabaseSpec, LifecycleHooks, ServiceSpec
from programs.targets.kubernetes import gateway_routes
from programs.targets.kubernetes.program.environment import PreparedInputs
from programs.targets.kubernetes.rendering.namespace_objects import PathBackend
from programs.targets.kubernetes.v1.providers import DoorProvider
from tests.targets.kubernetes.recorded_program import IMAGE, SETTINGS, WEB, kubernetes_spec, record_program


def test_cron_service_runs_in_utc_and_is_not_reachable() -> None:
    nightly = ServiceSpec("nightly", "bin/tidy", public=False, image="shop", schedule="0 3 * * *")
    made = record_program(kubernetes_spec(WEB, nightly)).resources
    job = made["cronjob-nightly"]["spec"]
    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("0 3 * * *", "Etc/UTC", "Forbid")
    assert job["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"] == ["sh", "-c", "bin/tidy"]
    assert [name for name in made if "nightly" in name] == ["service-nightly", "cronjob-nightly"]


def test_volumes_live_with_the_pod_unless_there_is_storage() -> None:
    """Without storage they count as the container's scratch space, whose default limit is 2 GiB."""
    service = replace(WEB, volumes={"/data": "3Gi", "/cache": "1Gi"})
    without = record_program(kubernetes_spec(service)).resources
    pod = without["deployment-web"]["spec"]["template"]["spec"]
    assert [item["emptyDir"] for item in pod["volumes"]] == [{"sizeLimit": "3Gi"}, {"sizeLimit": "1Gi"}]
    assert pod["containers"][0]["resources"]["limits"] == {"ephemeral-storage": str(6 * 1024**3)}
    assert not any(name.startswith("persistentvolumeclaim") for name in without)
    made = record_program(kubernetes_spec(service), replace(SETTINGS, storage_class="fast")).resources
    assert made["persistentvolumeclaim-web-data-0"]["spec"]["resources"] == {"requests": {"storage": "3Gi"}}
    pod = made["deployment-web"]["spec"]["template"]["spec"]
    assert [item["mountPath"] for item in pod["containers"][0]["volumeMounts"]] == ["/data", "/cache"]
    assert pod["volumes"][1]["persistentVolumeClaim"] == {"claimName": "web-data-1"}


def test_service_resources_are_its_limits() -> None:
    pod = record_program(kubernetes_spec(replace(WEB, resources={"cpu": "2", "memory": "1G"}))).resources[
        "deployment-web"
    ]["spec"]["template"]
    assert pod["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "2", "memory": "1G"},
        "requests": {"cpu": "200m", "memory": "1G"},
    }
    assert (
        "resources"
        not in record_program(kubernetes_spec()).resources["deployment-web"]["spec"]["template"]["spec"]["containers"][
            0
        ]
    )


@pytest.mark.parametrize("nodes", ["required", "preferred"])
def test_every_pod_runs_on_the_configured_nodes(nodes: str) -> None:
    on = replace(SETTINGS, spot="pool=spot", spot_nodes=nodes)
    asked = kubernetes_spec(databases=(DatabaseSpec("main", migrate=CommandSpec("migrate")),))
    made = record_program(asked, on).resources
    pods = [item["spec"]["template"]["spec"] for name, item in made.items() if "template" in item.get("spec", {})]
    assert len(pods) == 3
    for pod in pods:
        assert pod["tolerations"] == [{"key": "pool", "operator": "Equal", "value": "spot"}]
        assert pod.get("nodeSelector") == ({"pool": "spot"} if nodes == "required" else None)
        rules = pod.get("affinity", {}).get("nodeAffinity", {})
        assert list(rules) == (["preferredDuringSchedulingIgnoredDuringExecution"] if nodes == "preferred" else [])


def test_pre_destroy_job_is_recorded_without_secrets() -> None:
    """Y2 hooks: what runs before a destroy is a Job in the state, limited to a minute."""
    hooks = LifecycleHooks(pre_destroy=(CommandSpec("bin/export", 600), CommandSpec("bin/bye", 20)))
    made = record_program(kubernetes_spec(databases=(DatabaseSpec("main"),), hooks=hooks)).resources
    first, second = (json.loads(made[f"pre-destroy-{number}"]["job"]) for number in (1, 2))
    assert [item["spec"]["activeDeadlineSeconds"] for item in (first, second)] == [60, 20]
    container = first["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["command"][-1]) == (IMAGE, "bin/export")
    url = next(item for item in container["env"] if item["name"] == "DATABASE_URL")
    assert list(url) == ["name", "valueFrom"]
    assert "password" not in json.dumps(first).lower()


def test_service_is_reached_through_an_ingress_or_a_gateway_route() -> None:
    """The server sets class, certificate and annotations; each public service has its own host name."""
    api = ServiceSpec("api", "", image="shop", port=9000)
    notes = "external-dns.alpha.kubernetes.io/ttl=60"
    made = record_program(
        kubernetes_spec(WEB, api), replace(SETTINGS, ingress_class="nginx", ingress_annotations=notes)
    ).resources
    ingress = made["ingress-eph-api"]
    assert ingress["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/ttl"] == "60"
    assert (ingress["spec"]["ingressClassName"], "tls" in ingress["spec"]) == ("nginx", False)
    assert ingress["spec"]["rules"][0]["host"] == "api--shop-a-42.preview.test"
    made = record_program(
        kubernetes_spec(WEB, api), replace(SETTINGS, gateway="infra/edge/https", ingress_annotations=notes)
    ).resources
    assert not [name for name in made if name.startswith("ingress-")]
    route = made["httproute-eph-web"]
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/ttl"] == "60"
    assert route["spec"] == {
        "parentRefs": [{"namespace": "infra", "name": "edge", "sectionName": "https"}],
        "hostnames": ["shop-a-42.preview.test"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "web", "port": 80}],
            }
        ],
    }


OWN_GATEWAY_SETTINGS = replace(
    SETTINGS,
    front="eph",
    front_namespace="tools",
    front_labels="app=eph,tier=door",
    routes="/nowhere/routes",
    egress="none",
)


def test_with_ephs_gateway_in_front_routes_lead_directly_to_services() -> None:
    """L5, C1: no traffic bypasses it. There is no Ingress, and the policy admits only the gateway's pods."""
    api = ServiceSpec("api", "", image="shop", port=9000)
    asked = kubernetes_spec(WEB, api, sign_in=True, allow=("ada", "@team"))
    made = record_program(asked, OWN_GATEWAY_SETTINGS).resources
    assert not [name for name in made if name.startswith(("ingress-", "httproute-"))]
    door = made["door-api"]
    assert (door["upstream"], door["sole"], door["sign_in"]) == ("http://api.shop-a-42.svc:80", True, True)
    assert (door["allow"], made["door-web"]["allow"]) == (["ada", "@team"],) * 2
    assert (door["host"], made["door-web"]["health"]) == ("api--shop-a-42.preview.test", "/healthz")
    (rule,) = made["networkpolicy-eph-front"]["spec"]["ingress"]
    assert rule["from"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tools"}},
            "podSelector": {"matchLabels": {"app": "eph", "tier": "door"}},
        }
    ]
    assert [port["port"] for port in rule["ports"]] == [8080, 9000], "those of the pods, behind the service"
    behind = record_program(
        kubernetes_spec(), replace(SETTINGS, ingress_url="http://10.0.0.5", routes="/nowhere/routes")
    ).resources
    assert (behind["door-web"]["upstream"], behind["door-web"]["sole"]) == ("http://10.0.0.5", False)
    assert "door-web" not in record_program(kubernetes_spec(), replace(SETTINGS, routes="/nowhere/routes")).resources, (
        "nowhere to lead to"
    )


def test_a_service_of_manifests_is_found_by_its_own_port() -> None:
    made = record_program(
        kubernetes_spec(services=(), manifests=("k8s",)),
        OWN_GATEWAY_SETTINGS,
        PreparedInputs(backends={"frontend": ("frontend", 3000)}, public_ports=(3001,)),
    ).resources
    assert made["door-frontend"]["upstream"] == "http://frontend.shop-a-42.svc:3000"
    assert made["networkpolicy-eph-front"]["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 3001}]


@pytest.mark.parametrize("front", ["eph", "ingress"])
def test_paths_of_manifests_are_routed_by_what_is_in_front(front: str, tmp_path: Path) -> None:
    """T2: Eph's gateway gets them in the route, an ingress controller in the Ingress."""
    prepared = PreparedInputs(
        backends={"web": ("web", 80)},
        paths={"web": (PathBackend("/api", False, ("api", 90)), PathBackend("/about", True, ("docs", 80)))},
    )
    settings = OWN_GATEWAY_SETTINGS if front == "eph" else SETTINGS
    settings = replace(settings, routes=str(tmp_path), ingress_url="http://10.0.0.5")
    made = record_program(kubernetes_spec(services=(), manifests=("k8s",)), settings, prepared).resources
    DoorProvider().create(made["door-web"])
    (route,) = gateway_routes.list_routes(str(tmp_path))
    if front == "ingress":
        assert route.paths == ()
        (rule,) = made["ingress-eph-web"]["spec"]["rules"]
        assert [item["path"] for item in rule["http"]["paths"]] == ["/api", "/about", "/"]
        return
    assert route.paths == (
        gateway_routes.PathRoute("/api", False, "http://api.shop-a-42.svc:90"),
        gateway_routes.PathRoute("/about", True, "http://docs.shop-a-42.svc:80"),
    )


def test_health_check_names_the_host_that_people_open() -> None:
    """P3: an application with a list of allowed hosts rejects a request to the pod's address."""
    api = ServiceSpec("api", "", image="shop", port=9000)
    made = record_program(
        kubernetes_spec(WEB, api, ServiceSpec("cache", "", public=False, image="shop", port=1))
    ).resources
    probes = {
        name: made[f"deployment-{name}"]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
        for name in ("web", "api", "cache")
    }
    assert probes["web"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "shop-a-42.preview.test"}]
    assert probes["api"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "api--shop-a-42.preview.test"}]
    assert "tcpSocket" in probes["cache"]


def test_public_services_of_manifests_have_an_ingress_each() -> None:
    """T2: the first one at the environment's own host name."""
    made = record_program(
        kubernetes_spec(services=(), manifests=("k8s",)),
        prepared=PreparedInputs(
            backends={"web": ("shop-a-42-web", 80), "api": ("shop-a-42-api", 9000)},
            paths={"api": (PathBackend("/docs", True, ("shop-a-42-docs", 8000)),)},
        ),
    ).resources
    rules = [made[f"ingress-eph-{name}"]["spec"]["rules"][0] for name in ("shop-a-42-web", "api")]
    assert [(rule["host"], rule["http"]["paths"][-1]["backend"]["service"]) for rule in rules] == [
        ("shop-a-42.preview.test", {"name": "shop-a-42-web", "port": {"number": 80}}),
        ("api--shop-a-42.preview.test", {"name": "shop-a-42-api", "port": {"number": 9000}}),
    ]
    docs, _ = rules[1]["http"]["paths"]
    assert (docs["path"], docs["pathType"], docs["backend"]["service"]["name"]) == ("/docs", "Exact", "shop-a-42-docs")


def test_commands_run_in_the_first_listed_image_if_all_services_are_in_manifests() -> None:
    """D2: what hooks of charts do in production, `migrate` does in a preview."""
    made = record_program(
        kubernetes_spec(
            services=(), manifests=("k8s",), databases=(DatabaseSpec("main", migrate=CommandSpec("migrate")),)
        ),
        prepared=PreparedInputs(images={"shop": IMAGE, "cache": "registry.test/cache@sha256:" + "d" * 64}),
    ).resources
    (job,) = [data for name, data in made.items() if name.startswith("job-eph-run-migrate")]
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"url": "https://{host}"}, {}),
        ({"tls_secret": "wildcard"}, {"secretName": "wildcard"}),
        ({"tls_secret": "infra/wildcard"}, {"secretName": "eph-tls"}),
        ({"ingress_annotations": "cert-manager.io/cluster-issuer=x"}, {"secretName": "eph-web-tls"}),
        ({"ingress_annotations": "cert-manager.io/cluster-issuer=x", "tls_secret": "y"}, {"secretName": "y"}),
    ],
)
def test_certificate_is_the_controllers_a_copied_one_or_cert_managers(
    settings: dict[str, Any], wanted: dict[str, str]
) -> None:
    on = replace(SETTINGS, **settings)
    kept = {"tls.crt": "Yw==", "tls.key": "aw=="} if on.certificate_secret else {}
    made = record_program(kubernetes_spec(), on, PreparedInputs({"shop": IMAGE}, certificate=kept)).resources
    assert made["ingress-eph-web"]["spec"]["tls"] == [{"hosts": ["shop-a-42.preview.test"], **wanted}]
    assert ("secret-eph-tls" in made) == bool(kept)
    if kept:
        assert made["secret-eph-tls"]["type"] == "kubernetes.io/tls"


def test_manifests_get_the_variables_of_eph_yaml_and_its_databases() -> None:
    """Y2, D3: a manifest's own value for the same variable was meant for another cluster."""
    own = [{"name": "DATABASE_URL", "value": "elsewhere"}, {"name": "MINE", "value": "$(DATABASE_URL)"}]
    pod = {"containers": [{"name": "app", "image": IMAGE, "env": own}]}
    worker = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "w"}}
    worker["spec"] = {"selector": {}, "template": {"metadata": {}, "spec": pod}}
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"a": "b"}}
    asked = kubernetes_spec(WEB, databases=(DatabaseSpec("main"),), env={"COLOUR": "green"}, manifests=("k8s",))
    made = record_program(asked, SETTINGS, PreparedInputs({"shop": IMAGE}, objects=(worker, config))).resources
    (container,) = made["deployment-w"]["spec"]["template"]["spec"]["containers"]
    given = {item["name"]: item.get("value") or item["valueFrom"]["secretKeyRef"]["key"] for item in container["env"]}
    assert given == {
        "COLOUR": "green",
        "DATABASE_URL": "url",
        "EPH_COMMIT": "a" * 40,
        "EPH_ENVIRONMENT": "shop-a-42",
        "MINE": "$(DATABASE_URL)",
        "PREVIEW_URL": "http://shop-a-42.preview.test:8080",
        "WEB_PUBLIC_HOST": "shop-a-42.preview.test",
        "WEB_PUBLIC_URL": "http://shop-a-42.preview.test:8080",
        "WEB_URL": "http://web",
    }
    assert list(given)[-1] == "MINE"
    assert made["configmap-c"]["data"] == {"a": "b"}


def test_placeholders_of_a_database_refer_to_its_secret() -> None:
    """S4 D3: no pod contains the password. A variable must be above those that use it."""
    env = {"DSN": "{database.main.user}:{database.main.password} $(HOME)", "ORIGIN": "{url}", "WORKER": "{url:worker}"}
    worker = ServiceSpec("worker", "", public=False, image="shop", port=9000)
    asked = kubernetes_spec(WEB, worker, databases=(DatabaseSpec("main"),), env=env)
    made = record_program(asked, SETTINGS, PreparedInputs({"shop": IMAGE})).resources
    listed = made["deployment-web"]["spec"]["template"]["spec"]["containers"][0]["env"]
    given = {item["name"]: item.get("value") for item in listed}
    assert given["DSN"] == "$(EPH_DATABASE_MAIN_USER):$(EPH_DATABASE_MAIN_PASSWORD) $$(HOME)"
    assert (given["ORIGIN"], given["WORKER"]) == ("http://shop-a-42.preview.test:8080", "http://worker")
    references = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in listed if "valueFrom" in item}
    password = references["EPH_DATABASE_MAIN_PASSWORD"]
    assert password["key"] == "password"
    assert list(given).index("EPH_DATABASE_MAIN_PASSWORD") < list(given).index("DSN")
    stored = made[f"secret-{password['name']}"]["stringData"]["value"]
    assert set(stored) == {"url", "host", "port", "user", "password", "name"}


@pytest.mark.parametrize("where", ["namespace", "shared"])
def test_a_database_lives_in_the_namespace_or_on_the_shared_server(where: str) -> None:
    """D1, D3: prepared databases are always cloned on the shared server; workloads find each database through a Secret
    and can connect to its server."""
    on = replace(SETTINGS, postgres="postgresql://a:b@10.1.2.3/postgres", templates="shop=prepared", databases=where)
    main, other = DatabaseSpec("main"), DatabaseSpec("other", "15", "OTHER_URL", "template", source="shop")
    server: tuple[list[dict[str, object]], int] = ([{"ipBlock": {"cidr": "10.1.2.3/32"}}], 5432)
    made = record_program(
        kubernetes_spec(databases=(main, other)), on, PreparedInputs({"shop": IMAGE}, database_server=server)
    ).resources
    assert made["shared-other"]["source"] == "prepared"
    assert ("shared-main" in made) == (where == "shared")
    servers = [name for name in made if name.startswith("statefulset-")]
    assert len(servers) == (0 if where == "shared" else 1)
    env = made["deployment-web"]["spec"]["template"]["spec"]["containers"][0]["env"]
    named = {item["name"]: item["valueFrom"]["secretKeyRef"]["name"] for item in env if "valueFrom" in item}
    assert {f"secret-{name}" for name in named.values()} <= made.keys()
    assert named.keys() == {"DATABASE_URL", "OTHER_URL"}
    (rule,) = made["networkpolicy-eph-database"]["spec"]["egress"]
    assert rule == {"to": server[0], "ports": [{"protocol": "TCP", "port": 5432}]}
    assert "a:b@" not in json.dumps(made), "the administrator is known to nobody in the cluster, nor to the state"


def test_an_environment_that_starts_on_request_is_applied_without_pods() -> None:
    """M4: its databases start, because seeds and migrations need them, and its route is asleep from the beginning."""
    asked = kubernetes_spec(databases=(DatabaseSpec("main"),), asleep=True)
    routed = replace(SETTINGS, routes="/nowhere", front="eph", front_namespace="eph", front_labels="app=eph")
    made = record_program(asked, routed).resources
    assert made["deployment-web"]["spec"]["replicas"] == 0
    assert (made["ready:deployment-web"]["stopped"], made["door-web"]["asleep"]) == (True, True)
    database = next(name for name in made if name.startswith("statefulset-"))
    assert "replicas" not in made[database]["spec"]
    assert not made[f"ready:{database}"]["stopped"]

    awake = record_program(replace(asked, asleep=False), routed).resources
    assert "replicas" not in awake["deployment-web"]["spec"]
    hooked = record_program(replace(asked, hooks=LifecycleHooks(post_create=(CommandSpec("bin/fill"),))), routed)
    assert "replicas" not in hooked.resources["deployment-web"]["spec"], "its command may need the service"
