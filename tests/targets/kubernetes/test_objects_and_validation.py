"""The pure parts of the Kubernetes target: names, labels, isolation, and what is rejected early.

T2, Y3, S3, C2 (TTL on everything).
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs import image_references, start_order
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, GitSource, LifecycleHooks, ServiceSpec
from programs.targets.kubernetes import settings, target
from programs.targets.kubernetes.api import object_names, quantities
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.rendering import namespace_objects, workloads
from programs.targets.kubernetes.settings import KubernetesSettings

DIGEST = f"sha256:{'b' * 64}"
SETTINGS = KubernetesSettings(root=Path("/nowhere"), server="eph")
MARKS = {"Team": "Red & blue", "PRNumber": "42", "EphemeralTTL": "72h", "ManagedBy": "eph", "Environment": "shop-a-42"}
AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@example.test")
ENV = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
WEB = ServiceSpec("web", "", image="shop")


def spec(*services: ServiceSpec, **more: Any) -> EnvironmentSpec:
    given = services or (WEB,)
    made = EnvironmentSpec(
        name="shop-a-42",
        host="shop-a-42.preview.test",
        target="kubernetes",
        project="shop",
        source=GitSource("/origin.git", "a" * 40, "feature"),
        services=given,
        images={"shop": f"registry.test/acme/shop@{DIGEST}"},
        marks=MARKS,
    )
    return replace(made, **more)


def test_marks_are_valid_labels_and_complete_annotations() -> None:
    assert object_names.labels(spec(), "eph") == {
        "app.kubernetes.io/managed-by": "eph",
        "eph.dev/environment": "shop-a-42",
        "eph.dev/ephemeral-ttl": "72h",
        "eph.dev/pr-number": "42",
        "eph.dev/server": "eph",
        "eph.dev/team": "Red-blue",
    }
    assert object_names.mark_annotations(MARKS)["eph.dev/team"] == "Red & blue"


def test_new_seed_gives_a_new_database() -> None:
    first = DatabaseSpec("main", scripts=("a.sql",), strategy="seed")
    assert object_names.database(first) == object_names.database(replace(first, migrate=CommandSpec("other")))
    assert len({object_names.database(first), object_names.database(replace(first, scripts=("b.sql",)))}) == 2
    assert len(object_names.database(replace(first, name="x" * 63))) <= 52, "a pod's name has its number after it"


@pytest.mark.parametrize("name", ["kube-system", "default", "kube-public", "Shop", "a.b", "-a", ""])
def test_invalid_namespace_is_rejected(name: str) -> None:
    with pytest.raises(KubernetesError):
        object_names.namespace(name)


def egress(settings: KubernetesSettings) -> list[str]:
    rules = [
        rule for item in namespace_objects.network_policies(settings, [8080]) for rule in item["spec"].get("egress", [])
    ]
    return [peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]


def test_network_is_closed_except_for_what_is_needed() -> None:
    found = {
        item["metadata"]["name"]: item["spec"] for item in namespace_objects.network_policies(SETTINGS, [8080, 3000])
    }
    assert found["eph-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    front = found["eph-front"]
    assert front["podSelector"] == {"matchLabels": {"eph.dev/public": "true"}}
    assert [port["port"] for port in front["ingress"][0]["ports"]] == [3000, 8080]
    (world, _) = [item["ipBlock"] for item in found["eph-outside"]["egress"][0]["to"]]
    assert set(world["except"]) >= {"169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    assert "eph-front" not in {item["metadata"]["name"] for item in namespace_objects.network_policies(SETTINGS, [])}
    shut = replace(SETTINGS, egress="none")
    assert egress(shut) == [namespace_objects.NODE_LOCAL_DNS]
    assert egress(replace(shut, egress_allow="10.1.0.0/16")) == [namespace_objects.NODE_LOCAL_DNS, "10.1.0.0/16"]


def peers(settings: KubernetesSettings, api_server: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What a preview can reach besides its own namespace and DNS."""
    policies = namespace_objects.network_policies(settings, [], api_server=api_server)
    return [
        peer["ipBlock"]
        for item in policies
        if item["metadata"]["name"] == "eph-outside"
        for peer in item["spec"]["egress"][0]["to"]
    ]


def reaches(settings: KubernetesSettings, address: str, api_server: tuple[str, ...] = ()) -> bool:
    """What the cluster would decide."""
    place = ipaddress.ip_address(address)
    return any(
        place in ipaddress.ip_network(block["cidr"])
        and not any(place in ipaddress.ip_network(each) for each in block.get("except", []))
        for block in peers(settings, api_server)
    )


CLOSED = {
    "every cloud": "169.254.169.254",
    "containers on ECS": "169.254.170.2",
    "Azure": "168.63.129.16",
    "Oracle": "192.0.0.192",
    "Alibaba": "100.100.100.200",
    "AWS by IPv6": "fd00:ec2::254",
    "NAT64": "64:ff9b::a9fe:a9fe",
    "NAT64 of Azure": "64:ff9b::a83f:8110",
    "NAT64 of a private network": "64:ff9b::a00:1",
    "local NAT64": "64:ff9b:1::a9fe:a9fe",
    "mapped": "::ffff:169.254.169.254",
    "6to4": "2002:a9fe:a9fe::1",
    "link-local": "fe80::1",
    "loopback": "::1",
}


@pytest.mark.parametrize("address", CLOSED.values(), ids=CLOSED.keys())
def test_metadata_addresses_are_closed_in_every_form(address: str) -> None:
    """S3: also if the server's setting opens everything that surrounds them."""
    assert not reaches(SETTINGS, address)
    if address not in ("fe80::1", "::1", "64:ff9b::a00:1", "64:ff9b:1::a9fe:a9fe", "::ffff:169.254.169.254"):
        assert not reaches(replace(SETTINGS, egress_allow="168.0.0.0/6, 192.0.0.0/8, 100.64.0.0/10, fd00::/8"), address)


def test_no_exception_is_one_that_kubernetes_takes_for_ipv4() -> None:
    """It rejects the whole policy then, as not a subset of ::/0."""
    networks = [ipaddress.ip_network(each) for block in peers(SETTINGS) for each in block.get("except", [])]
    assert [net for net in networks if net.version == 6 and net.network_address.ipv4_mapped] == []


def test_api_server_is_closed_and_the_rest_of_the_internet_is_open() -> None:
    """S3: an API server with a public address would otherwise be part of the internet."""
    api_server = ("203.0.113.7/32", "2001:db8::7/128")
    for address in ("203.0.113.7", "2001:db8::7", "64:ff9b::cb00:7107"):
        assert reaches(SETTINGS, address)
        assert not reaches(SETTINGS, address, api_server)
        assert not reaches(replace(SETTINGS, egress_allow="203.0.113.0/24, 2001:db8::/32"), address, api_server)
    for address in ("203.0.113.8", "8.8.8.8", "2606:4700::1", "64:ff9b::808:808", "192.0.0.193"):
        assert reaches(SETTINGS, address, api_server)


def test_an_entry_that_names_nothing_larger_opens_an_address() -> None:
    assert reaches(replace(SETTINGS, egress_allow="169.254.169.254/32"), "169.254.169.254")
    assert not reaches(replace(SETTINGS, egress_allow="169.254.0.0/15"), "169.254.169.254")


def test_excluded_networks_do_not_overlap() -> None:
    """An nftables set rejects intervals that overlap."""
    for block in peers(SETTINGS, ("10.0.0.1/32",)):
        excluded = [ipaddress.ip_network(each) for each in block["except"]]
        assert not [(a, b) for a in excluded for b in excluded if a is not b and a.overlaps(b)]
        assert all(each.subnet_of(ipaddress.ip_network(block["cidr"])) for each in excluded)  # type: ignore[arg-type]  # one IP version a block


def test_limits_come_from_eph_yaml_or_the_server() -> None:
    hard = namespace_objects.resource_quota(spec(resources={"cpu": "2"}), SETTINGS)["spec"]["hard"]
    assert (hard["limits.cpu"], hard["limits.memory"], hard["services.loadbalancers"]) == ("4", "8Gi", "0")


GIB = 1024**3


@pytest.mark.parametrize(
    ("given", "most", "default", "quota"),
    [
        ({}, 30 * GIB, "2Gi", 120 * GIB),  # 20 GiB of volumes live with their pods
        ({"storage_class": "fast"}, 10 * GIB, "2Gi", 80 * GIB),
        ({"storage_class": "fast", "ephemeral_storage": "1Gi", "pods": "10"}, GIB, "1Gi", 10 * GIB),
    ],
)
def test_ephemeral_storage_is_bounded(given: dict[str, str], most: int, default: str, quota: int) -> None:
    """S3: without limits, one container fills its node's disk. The most that defaults add up to fits the quota."""
    settings = replace(SETTINGS, **given)  # type: ignore[arg-type]  # all of these settings are text
    (limits,) = namespace_objects.limit_range(spec(), settings)["spec"]["limits"]
    assert limits["max"]["ephemeral-storage"] == str(most)
    assert limits["default"]["ephemeral-storage"] == default
    assert namespace_objects.resource_quota(spec(), settings)["spec"]["hard"]["limits.ephemeral-storage"] == str(quota)


def test_the_largest_volumes_of_a_pod_fit_its_limit() -> None:
    service = replace(WEB, volumes={"/data": SETTINGS.disk})
    container = workloads.container_spec(service, "image", workloads.ContainerEnv(), SETTINGS)
    (limits,) = namespace_objects.limit_range(spec(service), SETTINGS)["spec"]["limits"]
    asked = container["resources"]["limits"]["ephemeral-storage"]
    assert quantities.parse(asked) <= quantities.parse(limits["max"]["ephemeral-storage"])


def test_no_default_exceeds_the_limit_of_a_small_environment() -> None:
    """The cluster would reject the whole LimitRange."""
    small = spec(resources={"cpu": "10m", "memory": "32Mi"})
    (limits,) = namespace_objects.limit_range(small, replace(SETTINGS, ephemeral_storage="10Mi"))["spec"]["limits"]
    for what, most in limits["max"].items():
        request, default = limits["defaultRequest"][what], limits["default"][what]
        assert quantities.parse(request) <= quantities.parse(default) <= quantities.parse(most)


@pytest.mark.parametrize(("what", "asked"), [("cpu", "4001m"), ("memory", "5Gi"), ("memory", "900G"), ("disk", "1Ti")])
def test_exceeding_a_server_limit_is_rejected_and_never_reduced(what: str, asked: str) -> None:
    """Y4: the error names the limit."""
    with pytest.raises(
        KubernetesError, match=rf"resources\.{what} is {asked}; this server's limit for an environment is"
    ):
        target.check_limits(spec(resources={what: asked}), SETTINGS)
    target.check_limits(spec(resources={"cpu": "4000m", "memory": "4096Mi", "disk": "20000000K"}), SETTINGS)
    target.check_limits(
        spec(replace(WEB, resources={"cpu": "4", "memory": "4Gi"}, volumes={"/a": "19Gi", "/b": "1Gi"})), SETTINGS
    )
    assert (
        namespace_objects.resource_quota(spec(resources={"disk": "20000000K"}), SETTINGS)["spec"]["hard"][
            "requests.storage"
        ]
        == "20000000k"
    )


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"resources": {"memory": "2Gi"}}, "service 'web' requests memory 2Gi; the whole environment's limit is 1Gi"),
        ({"resources": {"cpu": "5"}}, "service 'web' requests cpu 5; the whole environment's limit is 4"),
        ({"volumes": {"/a": "1536Mi", "/b": "1Gi"}}, "total 2.5Gi; this environment's limit is 2Gi"),
    ],
)
def test_service_cannot_exceed_its_environments_limit(asked: dict[str, Any], why: str) -> None:
    """Y4: volumes are added up."""
    with pytest.raises(KubernetesError, match=why):
        target.check_limits(spec(replace(WEB, **asked), resources={"memory": "1Gi", "disk": "2Gi"}), SETTINGS)
    assert quantities.format_bytes(quantities.parse("512Ki")) == "512Ki"


def test_a_database_keeps_its_data_where_there_is_storage() -> None:
    data = workloads.postgres_stateful_set(DatabaseSpec("main"), replace(SETTINGS, storage_class="fast"), {})
    assert data["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    assert "volumeClaimTemplates" not in workloads.postgres_stateful_set(DatabaseSpec("main"), SETTINGS, {})["spec"]


def test_single_pod_volumes_are_handed_over() -> None:
    service = ServiceSpec("web", "", image="shop", volumes={"/data": "1Gi"})
    kept = replace(SETTINGS, storage_class="fast")
    assert workloads.deployment(service, {}, kept)["spec"]["strategy"] == {"type": "Recreate"}
    assert workloads.deployment(service, {}, SETTINGS)["spec"]["strategy"]["type"] == "RollingUpdate"
    assert workloads.pod_volumes(service, SETTINGS) == [{"name": "data-0", "emptyDir": {"sizeLimit": "1Gi"}}]
    assert workloads.volume_claims(service, kept)[0]["metadata"]["name"] == "web-data-0"


def test_services_start_in_order() -> None:
    web, api, db = (
        ServiceSpec("web", "", after=("api",)),
        ServiceSpec("api", "", after=("db",)),
        ServiceSpec("db", ""),
    )
    assert [item.name for item in start_order.in_order((web, api, db))] == ["db", "api", "web"]
    assert start_order.find_cycle({item.name: item.after for item in (web, api, db)}) == []
    assert start_order.find_cycle({"web": ["api"], "api": ["db"], "db": ["web"], "x": ["web"]}) == ["api", "db", "web"]


REFUSED: list[tuple[EnvironmentSpec, str]] = [
    (spec(services=()), "neither services nor manifests"),
    (spec(replace(WEB, image="other")), "unknown image 'other'"),
    (spec(replace(WEB, name="eph-web")), "can't start with eph-"),
    (spec(replace(WEB, name="1web")), "start with a letter"),
    (spec(WEB, WEB), "defined twice"),
    (spec(replace(WEB, after=("api",))), "which isn't a service"),
    (spec(replace(WEB, after=("web",))), "depend on each other in a cycle"),
    (spec(replace(WEB, schedule="* * * * *")), "public: false"),
    (spec(replace(WEB, env={"A-B": ""})), "letters, digits and underscores"),
    (
        spec(services=(), images={}, manifests=("k8s",), hooks=LifecycleHooks(pre_destroy=(CommandSpec("x"),))),
        "has hooks, but lists no image",
    ),
    (spec(databases=(DatabaseSpec("a", strategy="branch"),)), "use one of: empty, seed, template"),
    (spec(databases=(DatabaseSpec("a"), DatabaseSpec("b"))), "the variable 'DATABASE_URL'"),
    (
        spec(services=(), images={}, manifests=("k8s",), databases=(DatabaseSpec("a", migrate=CommandSpec("x")),)),
        "has a command, but eph.yaml lists no image",
    ),
    (spec(name="kube-system"), "isn't a valid namespace name"),
    (spec(source=GitSource("/origin.git", "main", "main")), "full hexadecimal ID"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_later_cluster_errors_are_reported_early(asked: EnvironmentSpec, why: str) -> None:
    with pytest.raises(KubernetesError, match=why):
        target.check_spec(asked)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"server": ""}, "settings for its cluster are missing .'server'"),
        ({"pod_security": "none"}, "use one of: restricted"),
        ({"egress_allow": "10.1.0.0/99"}, "use a value such as 10.1.0.0/16"),
        ({"url": "https://x"}, "must contain {host}"),
        ({"kubeconfig": "/nowhere/at/all"}, "can't read"),
        ({"spot": "x"}, "key=value"),
        ({"gateway": "edge"}, "use namespace/name"),
        ({"gateway": "infra/edge/web/x"}, "use namespace/name"),
        ({"gateway": "infra/edge", "tls_secret": "wildcard"}, "'tls_secret' has no effect with a Gateway"),
        ({"tls_secret": "a/b/c"}, "use a name"),
        ({"ingress_annotations": "cert-manager.io/cluster-issuer"}, "use key=value"),
        ({"spot_nodes": "never"}, "use one of: required, preferred"),
        ({"memory": "lots"}, "Invalid quantity"),
        ({"front": "nginx"}, "use one of: ingress, eph"),
        ({"front": "eph"}, "Set front_namespace and front_labels to identify its pods"),
        ({"front": "eph", "front_namespace": "tools"}, "Set front_namespace and front_labels"),
        (
            {"front": "eph", "front_namespace": "tools", "front_labels": "app"},
            "'front_labels' is 'app'; use key=value",
        ),
        (
            {"front": "eph", "front_namespace": "tools", "front_labels": "app=eph", "tls_secret": "wildcard"},
            "'tls_secret' has no effect with front = 'eph'",
        ),
    ],
)
def test_invalid_setting_is_reported_by_name(changes: dict[str, str], why: str) -> None:
    with pytest.raises(KubernetesError, match=why):
        settings.from_mapping({"root": "/nowhere", "server": "eph", **changes})


def test_references() -> None:
    texts = ["redis", "redis:7", "acme/shop", "r.test:5000/a/b:1", "localhost/a", f"r.test/a@sha256:{'0' * 64}"]
    assert [str(image_references.parse(text)) for text in texts] == [
        "redis:latest",
        "redis:7",
        "acme/shop:latest",
        "r.test:5000/a/b:1",
        "localhost/a:latest",
        f"r.test/a@sha256:{'0' * 64}",
    ]
    for text in ("", "A/b", "a b", "http://r.test/a", "a:b:c", "r.test/a@sha256:0", "a;rm"):
        with pytest.raises(image_references.InvalidReference, match="not a reference"):
            image_references.parse(text)


@pytest.mark.parametrize(
    ("image", "registries", "why"),
    [
        ("registry.test/acme/shop:1", "", "isn't pinned to a digest"),
        ("not a reference", "", "is not a reference"),
        (f"registry.test/acme/shop@{DIGEST}", "other.test", "only allows images from other.test"),
    ],
)
def test_only_pinned_and_allowed_images_run(image: str, registries: str, why: str) -> None:
    """I2: a program doesn't look images up; it receives the digests to run."""
    with pytest.raises(KubernetesError, match=why):
        target._prepare(spec(images={"shop": image}), replace(SETTINGS, registries=registries))
    pinned = f"registry.test/acme/shop@{DIGEST}"
    assert target._prepare(spec(images={"shop": pinned}), SETTINGS).images == {"shop": pinned}


def test_missing_seed_scripts_wait_for_a_push(tmp_path: Path) -> None:
    """L5, Y1: all at once. The same commit would fail again, but a repository that doesn't respond may be back."""
    origin = tmp_path / "origin"
    for words in (("init", "-q", str(origin)), ("-C", str(origin), *AUTHOR, "commit", "-qm", "x", "--allow-empty")):
        subprocess.run(["git", *words], check=True, env=ENV)
    commit = subprocess.run(["git", "-C", str(origin), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    given = spec(databases=(DatabaseSpec("main", strategy="seed", scripts=("db/a.sql", "../b.sql")),))
    found = replace(given, source=GitSource(str(origin), commit.stdout.strip(), "main"))
    with pytest.raises(KubernetesError) as raised:
        target.TARGET.program(replace(found, settings={"root": str(tmp_path), "server": "eph"}))
    assert raised.value.permanent
    assert [line.split()[0] for line in raised.value.tail] == ["../b.sql", "db/a.sql"]
    gone = replace(found, source=GitSource(str(tmp_path / "gone"), "b" * 40, "main"))
    with pytest.raises(KubernetesError) as raised:
        target.TARGET.program(replace(gone, settings={"root": str(tmp_path / "other"), "server": "eph"}))
    assert not raised.value.permanent
