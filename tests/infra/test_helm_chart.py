"""The Helm chart: what it rejects, and that it renders what ephd and the program need (O4).

Helm is found, never built here: `make test-cluster` builds it, and runs these, too.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.gateway.proxy.headers import in_networks
from programs.targets.kubernetes import settings as kubernetes
from programs.targets.kubernetes.api import namespace_access, object_names
from programs.targets.kubernetes.manifests.allowlist import ALLOWED_KINDS, NOT_APPLIED
from stacks.toolchain import plugins
from stacks.toolchain.pulumi_cli import ToolchainNotFound

pytestmark = pytest.mark.long  # needs helm, which `make test-long` builds
ROOT = Path(__file__).parents[2]
CHART = ROOT / "infra" / "helm"
MINIMAL_VALUES: dict[str, Any] = {"image": {"repository": "registry.test/eph"}, "settings": {"domain": "preview.test"}}
Values = dict[str, Any]


def helm(*words: str, values: Values) -> subprocess.CompletedProcess[str]:
    try:
        binary = plugins.find(plugins.HELM) / "helm"
    except ToolchainNotFound:
        pytest.skip("there is no helm here: make helm")
    command = [str(binary), *words, str(CHART), "--namespace", "tools", "--values", "-"]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False)


def render(**values: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    settings = {**MINIMAL_VALUES["settings"], **values.pop("settings", {})}
    done = helm("template", "eph", values={**MINIMAL_VALUES, "settings": settings, **values})
    assert done.returncode == 0, done.stderr
    found = [item for item in yaml.safe_load_all(done.stdout) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


def settings_of(found: dict[tuple[str, str], dict[str, Any]]) -> Any:
    """The server's settings; each target and Git host adds its own fields."""
    return ServerSettings(**tomllib.loads(found["ConfigMap", "eph"]["data"]["eph.toml"]))


def test_passes_helms_own_checks() -> None:
    done = helm("lint", "--strict", values=MINIMAL_VALUES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": {"repository": ""}}, "image.repository is empty"),
        ({"replicas": 3}, "'replicas'"),
        ({"settings": {"forge": {"token": "abc"}}}, "/settings/forge/token"),
        ({"settings": {"home": "/root"}}, "/settings/home"),
        ({"settings": {"kubernetes": {"role": "cluster-admin"}}}, "/settings/kubernetes/role"),
        ({"persistence": {"size": "10"}}, "/persistence/size"),
        ({"persistence": {"whenDeleted": "Maybe"}}, "/persistence/whenDeleted"),
        ({"secrets": {"forge": {"keys": ["password"]}}}, "/secrets/forge/keys/0"),
        ({"image": {"repository": "x", "digest": "sha256:12"}}, "/image/digest"),
        ({"ingress": {"enabled": True}}, "ingress.host is empty"),
        ({"settings": {}}, "settings.domain is empty"),
        ({"settings": {"kubernetes": {"front": "nginx"}}}, "/settings/kubernetes/front"),
        ({"settings": {"kubernetes": {"front_labels": ["a=b"]}}}, "/settings/kubernetes/front_labels"),
        ({"settings": {"kubernetes": {"ingress_class": "nginx"}}}, "or set settings.kubernetes.front to ingress"),
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.tokenSecret.name is empty"),
        ({"disruption": {"maxUnavailable": 2}}, "/disruption/maxUnavailable"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_invalid_value_is_rejected_by_name(values: Values, words: str) -> None:
    done = helm("template", "eph", values={**MINIMAL_VALUES, **values})
    assert done.returncode != 0
    assert words in done.stderr


def test_values_become_settings_that_ephd_accepts() -> None:
    found = render(
        settings={
            "domain": "preview.test",
            "public_url": "https://{host}",
            "interval": 15,
            "limits": {"concurrent": 2},
            "forge": {"repositories": ["acme/shop"], "app_id": "12"},
            "kubernetes": {"registries": ["registry.test/acme"], "pods": 20},
        },
        secrets={
            "forge": {"name": "forge", "keys": ["private-key", "webhook-secret"]},
            "passphrase": {"name": "words"},
            "images": {"name": "pull"},
        },
    )
    made = settings_of(found)
    assert (made.domain, made.limits.concurrent, made.kubernetes.pods) == ("preview.test", 2, 20)
    assert made.gateway == "beside"
    assert made.targets.allowed == ("kubernetes",)
    pod = found["StatefulSet", "eph"]["spec"]["template"]["spec"]
    mounted = {item["mountPath"] for item in pod["containers"][0]["volumeMounts"]}
    files = [made.forge.private_key_file, made.forge.webhook_secret_file, made.passphrase_file]
    files.append(made.kubernetes.pull_secret_file)
    assert [file for file in files if str(file.parent if file else "") not in mounted] == []
    assert {item["secret"]["secretName"] for item in pod["volumes"] if "secret" in item} == {"forge", "words", "pull"}


def test_mail_catcher_runs_ephs_own_image_unless_another_is_set() -> None:
    """D5."""
    image = {"repository": "registry.test/eph", "digest": f"sha256:{'a' * 64}"}
    assert settings_of(render(image=image)).kubernetes.mail_image == f"registry.test/eph@{image['digest']}"
    other = render(settings={"kubernetes": {"mail_image": "registry.test/mail:1"}})
    assert settings_of(other).kubernetes.mail_image == "registry.test/mail:1"


def test_previews_are_reached_only_through_the_gateway() -> None:
    """C1, L5: traffic enters through the wildcard, and ephd's settings, the policies and the pod's own labels agree."""
    found = render(settings={"domain": "preview.test", "domains": ["acme.test"], "public_url": "https://{host}"})
    made = settings_of(found)
    (rule, other) = found["Ingress", "eph-previews"]["spec"]["rules"]
    assert [rule["host"], other["host"]] == ["*.preview.test", "*.acme.test"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "eph", "port": {"name": "previews"}}
    assert found["Ingress", "eph-previews"]["spec"]["tls"] == [{"hosts": ["*.preview.test", "*.acme.test"]}]
    told = kubernetes.from_mapping(made.target_mapping("kubernetes", "0123456789"))
    assert (told.front, told.front_namespace) == ("eph", "tools")
    pod = found["StatefulSet", "eph"]["spec"]["template"]["metadata"]["labels"]
    assert told.gateway_pod_labels
    assert told.gateway_pod_labels.items() <= pod.items()
    peer = {"namespaceSelector": {"matchLabels": {object_names.MANAGED_BY: "eph"}}}
    peer["podSelector"] = {"matchLabels": {object_names.PUBLIC: "true"}}
    assert {"to": [peer]} in found["NetworkPolicy", "eph"]["spec"]["egress"]
    assert in_networks("10.244.0.9", frozenset(made.previews.proxies)), "the ingress controller, whatever its address"
    assert not in_networks("203.0.113.9", frozenset(made.previews.proxies))
    assert found["Service", "eph"]["spec"]["publishNotReadyAddresses"] is True, "also while ephd starts anew"
    assert ("ingresses", "create") not in permissions_of(found)
    assert ("ingresses", "delete") in permissions_of(found), "those that it had before"
    own = render(settings={"previews": {"proxies": ["10.9.0.1/32"], "sign_in": "all"}})
    assert settings_of(own).previews.proxies == ("10.9.0.1/32",)


def test_or_each_preview_has_its_own_ingress() -> None:
    found = render(settings={"kubernetes": {"front": "ingress", "ingress_class": "nginx"}})
    made = settings_of(found)
    assert (made.kubernetes.front, made.kubernetes.ingress_class) == ("ingress", "nginx")
    assert (made.kubernetes.front_labels, made.previews.proxies) == ((), ())
    assert object_names.PUBLIC not in json.dumps(found["NetworkPolicy", "eph"])
    assert {("ingresses", "create"), ("httproutes", "patch")} <= permissions_of(found)


def permissions_of(found: dict[tuple[str, str], dict[str, Any]]) -> set[tuple[str, str]]:
    """Its permissions in an environment's namespace."""
    rules = found["ClusterRole", "tools-eph-environment"]["rules"]
    return {(kind, verb) for rule in rules for kind in rule["resources"] for verb in rule["verbs"]}


def test_pod_runs_unprivileged_on_a_read_only_root() -> None:
    pod = render()["StatefulSet", "eph"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        shut = container["securityContext"]
        assert (shut["readOnlyRootFilesystem"], shut["allowPrivilegeEscalation"]) == (True, False)
        assert shut["capabilities"] == {"drop": ["ALL"]}


def test_no_permission_is_wider_than_the_program_needs() -> None:
    """Cluster-wide only namespaces; in an environment's own, the kinds that repositories and we create, and what is
    read and run in pods. No wildcards, no nodes."""
    found = render()
    wide = found["ClusterRole", "tools-eph-server"]["rules"]
    assert {(group, kind) for rule in wide for group in rule["apiGroups"] for kind in rule["resources"]} == {
        ("", "namespaces"),
        (namespace_access.RBAC, "rolebindings"),
        (namespace_access.RBAC, "clusterroles"),
    }
    assert [rule["resourceNames"] for rule in wide if "bind" in rule["verbs"]] == [["tools-eph-environment"]]
    own = found["ClusterRole", "tools-eph-environment"]["rules"]
    written = {kind for rule in own if "create" in rule["verbs"] for kind in rule["resources"]}
    brought = {plural(kind) for kind in ALLOWED_KINDS}
    ours = {"resourcequotas", "limitranges", "serviceaccounts", "networkpolicies"}
    assert written == (brought - {plural(kind) for kind in NOT_APPLIED}) | ours | {"pods/exec"}
    assert ("pods/exec", "create") not in permissions_of(render(settings={"exec": {"role": "none"}}))
    read = {kind for rule in own if {"create", "delete"}.isdisjoint(rule["verbs"]) for kind in rule["resources"]}
    assert read == {"pods/log", "events"}
    assert [rule["verbs"] for rule in own if "pods" in rule["resources"]] == [["get", "list", "watch", "delete"]]
    [api_server] = found["Role", "tools-eph-api-server"]["rules"]
    assert (api_server["resources"], api_server["verbs"]) == (["endpointslices"], ["list"])
    assert {verb for rule in [*wide, *own] for verb in rule["verbs"]} == {
        *("get", "list", "watch", "create", "patch", "delete", "bind"),
    }


def test_shared_certificate_is_the_only_secret_readable_elsewhere() -> None:
    found = render(settings={"kubernetes": {"front": "ingress", "tls_secret": "infra/wildcard"}})
    role = found["Role", "tools-eph-certificate"]
    assert role["metadata"]["namespace"] == "infra"
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["wildcard"], "verbs": ["get"]}
    ]
    alone = render(settings={"kubernetes": {"front": "ingress", "tls_secret": "wildcard"}})
    assert ("Role", "tools-eph-certificate") not in alone, "one of each environment's own namespace"


def plural(kind: str) -> str:
    return f"{kind.lower()}{'es' if kind.endswith('s') else 's'}".replace("policys", "policies")


def test_binding_refers_to_what_the_chart_created() -> None:
    found = render()
    made = settings_of(found).kubernetes
    assert found["ClusterRole", made.role]
    namespace, _, account = made.account.partition("/")
    assert found["ServiceAccount", account]
    assert namespace == "tools"
    policy = found["ValidatingAdmissionPolicy", "tools-eph"]["spec"]
    assert made.role in json.dumps(policy)
    assert f"system:serviceaccount:{namespace}:{account}" in json.dumps(policy)


def test_every_value_is_on_the_page() -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    missing = [f"{key}.{inner}" for key, group in values.items() if isinstance(group, dict) for inner in group
               if f"{key}.{inner}" not in page and f"`{key}`" not in page]  # fmt: skip
    assert missing == []
    assert set(values) == set(json.loads((CHART / "values.schema.json").read_text())["properties"]) - {"global"}
