"""Redis, MariaDB and the mail catcher in an environment's namespace, as the program applies them (D5)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from programs.spec import CommandSpec, DatabaseSpec
from programs.targets.kubernetes import cost_estimate, shared_postgres, target
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.errors import KubernetesError
from tests.targets.kubernetes.recorded_program import IMAGE, SETTINGS, kubernetes_spec, record_program

REDIS = DatabaseSpec("cache", variable="REDIS_URL", engine="redis")
MYSQL = DatabaseSpec("orders", variable="MYSQL_URL", engine="mysql", migrate=CommandSpec("bin/migrate"))
MAIL = replace(SETTINGS, mail_image="registry.test/eph:1")


def container(made: Mapping[str, Any], name: str) -> dict[str, Any]:
    [found] = made[f"statefulset-{name}"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize(
    ("item", "url"),
    [
        (REDIS, "redis://default:password@{name}:6379/0"),
        (MYSQL, "mysql://app:password@{name}:3306/orders"),
    ],
)
def test_server_runs_in_the_namespace_with_a_password_in_a_secret(item: DatabaseSpec, url: str) -> None:
    made = record_program(kubernetes_spec(databases=(item,))).resources
    name = object_names.database(item)
    stored = made[f"secret-{name}"]["stringData"]["value"]
    assert stored["url"] == url.format(name=name)
    env = made["deployment-web"]["spec"]["template"]["spec"]["containers"][0]["env"]
    given = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in env}
    assert given[item.variable] == {"name": name, "key": "url"}
    [variable] = [entry for entry in container(made, name)["env"] if "valueFrom" in entry]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": name, "key": "password"}
    assert f"$({variable['name']})" in json.dumps(container(made, name)["env"]), "Kubernetes fills it in"
    selector = made[f"service-{name}"]["spec"]["selector"]
    assert selector.items() <= made[f"statefulset-{name}"]["spec"]["template"]["metadata"]["labels"].items()


def test_services_and_migrations_wait_for_servers() -> None:
    made = record_program(kubernetes_spec(databases=(REDIS, MYSQL), mail=True), MAIL).resources
    assert {f"ready:statefulset-{object_names.database(item)}" for item in (REDIS, MYSQL)} <= made.keys()
    assert "ready:statefulset-eph-mail" in made
    assert any(re.match("job-eph-run-migrate-orders", name) for name in made)


@pytest.mark.parametrize("item", [REDIS, MYSQL])
def test_server_is_hardened_and_bounded_like_every_pod(item: DatabaseSpec) -> None:
    made = record_program(
        kubernetes_spec(databases=(item,)), replace(SETTINGS, redis_user="7", mysql_user="7")
    ).resources
    name = object_names.database(item)
    pod = made[f"statefulset-{name}"]["spec"]["template"]["spec"]
    assert pod["securityContext"] | {"runAsNonRoot": True, "runAsUser": 7, "fsGroup": 7} == pod["securityContext"]
    assert pod["serviceAccountName"] == object_names.ACCOUNT
    inner = container(made, name)
    assert inner["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert inner["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}


def test_its_data_outlives_its_pod_only_where_there_is_storage() -> None:
    """L5: without a volume, it would lose its data asleep, so it stays awake, as PostgreSQL does."""
    name = f"statefulset-{object_names.database(REDIS)}"
    asked = kubernetes_spec(databases=(REDIS,))
    alone = record_program(asked).resources[name]["spec"]
    assert "volumeClaimTemplates" not in alone
    assert {"name": "data", "emptyDir": {}} in alone["template"]["spec"]["volumes"]
    kept = record_program(asked, replace(SETTINGS, storage_class="fast")).resources[name]["spec"]
    [claim] = kept["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert "emptyDir" not in json.dumps(kept)


def test_another_engine_of_the_same_name_is_another_server() -> None:
    names = {object_names.database(DatabaseSpec("data", engine=engine)) for engine in ("postgresql", "redis", "mysql")}
    assert len(names) == 3
    assert object_names.database(DatabaseSpec("main")) == "eph-db-main-292e33d9", "as in environments that exist"


def test_only_postgresql_is_on_the_shared_server() -> None:
    shared = replace(SETTINGS, postgres="postgresql://a:b@10.1.2.3/postgres", databases="shared")
    assert shared_postgres.is_shared(DatabaseSpec("main"), shared)
    assert not shared_postgres.is_shared(REDIS, shared)


def test_mail_catcher_has_an_smtp_port_for_services_and_a_page_for_people() -> None:
    routed = replace(MAIL, routes="/nowhere", front="eph", front_namespace="eph", front_labels="app=eph")
    for settings in (MAIL, routed):
        made = record_program(kubernetes_spec(mail=True), settings).resources
        env = made["deployment-web"]["spec"]["template"]["spec"]["containers"][0]["env"]
        given = {entry["name"]: entry.get("value") for entry in env}
        assert (given["SMTP_URL"], given["MAIL_PUBLIC_HOST"]) == (
            "smtp://eph-mail:1025",
            "mail--shop-a-42.preview.test",
        )
        ports = made["networkpolicy-eph-front"]["spec"]["ingress"][0]["ports"]
        assert [item["port"] for item in ports] == [8025, 8080]
        labels = made["statefulset-eph-mail"]["spec"]["template"]["metadata"]["labels"]
        assert labels[object_names.PUBLIC] == "true"
    assert made["door-mail"]["upstream"] == "http://eph-mail.shop-a-42.svc:80"
    rules = record_program(kubernetes_spec(mail=True), MAIL).resources["ingress-eph-mail"]["spec"]["rules"]
    assert rules[0]["host"] == "mail--shop-a-42.preview.test"
    assert rules[0]["http"]["paths"][0]["backend"]["service"]["name"] == "eph-mail"


def test_settings_without_effect_rebuild_nothing() -> None:
    """Neither an upgrade that adds settings nor another image of what an environment doesn't have."""
    before, images = {"root": "/r"}, {"redis_image": "a", "mysql_image": "b", "mail_image": "c", "mail_user": "1"}
    later = {**before, **images, "suite_first_uid": "2340000", "machine_proxy": "http://proxy:3128"}
    plain = kubernetes_spec(settings=before)
    assert replace(plain, settings=later).digest == plain.digest
    for more in ({"databases": (REDIS,)}, {"mail": True}):
        asked = kubernetes_spec(settings=later, **more)
        assert replace(asked, settings=before).digest != asked.digest


def test_without_the_mail_catchers_image_it_is_rejected() -> None:
    spec = kubernetes_spec(
        mail=True, images={"shop": IMAGE}, settings={"root": "/nowhere", "server": "eph", "kubeconfig": ""}
    )
    with pytest.raises(KubernetesError, match=r"kubernetes\.mail_image"):
        target.TARGET.program(spec)


def test_servers_are_part_of_the_estimate() -> None:
    stored = replace(MAIL, storage_class="fast")

    def amounts(**more: Any) -> tuple[Decimal, Decimal]:
        found = cost_estimate._amounts(kubernetes_spec(**more), stored)
        return found.cpu, found.disk

    one, disk = amounts()
    assert amounts(databases=(REDIS, MYSQL)) == (one + 2, disk + 6 * 1024**3)
    assert amounts(mail=True) == (one + Decimal("0.2"), disk + 1024**3)
