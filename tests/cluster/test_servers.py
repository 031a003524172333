"""Redis and the mail catcher of an environment, on a real Kubernetes (D5, L5).

One module whose tests depend on each other, because each operation takes seconds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from programs.runtime_info import LogRequest
from programs.spec import DatabaseSpec, EnvironmentSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.target import TARGET
from stacks.model import OperationVerb
from tests.cluster import node_volumes
from tests.cluster.environments import OperationRunner, Page
from tests.cluster.server_images import mail_image, redis_image

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs Redis: run `make databases`"),
]
NUMBER = 61
REDIS = DatabaseSpec("cache", variable="REDIS_URL", engine="redis")
IMAGES = {"redis": "redis:7", "mail": "mail:1"}
SEND = """
import smtplib, sys
with smtplib.SMTP("eph-mail", 1025) as server:
    server.sendmail("shop@preview.test", ["ada@example.com"], "Subject: Welcome\\r\\n\\r\\nHello")
"""


@pytest.fixture(scope="module")
def shop(eph: OperationRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvironmentSpec]:
    registry = eph.site.registry_client()
    registry.push(redis_image(), "library/redis", "7")
    registry.push(mail_image(), "library/mail", "1")
    with node_volumes.storage_class(eph.site, tmp_path_factory.mktemp("volumes"), 2) as storage:
        images = {f"{name}_image": f"{eph.site.registry}/library/{tag}" for name, tag in IMAGES.items()}
        settings = {**eph.settings, **images, "mail_user": "65532", "storage_class": storage}
        commit = eph.repository.push({"README.md": "A shop with a cache."})
        yield eph.spec(NUMBER, commit, databases=(REDIS,), mail=True, settings=settings)


def redis(eph: OperationRunner, shop: EnvironmentSpec, *words: str) -> str:
    """With the URL that the app has, from a pod of the environment."""
    url = Page(eph.site, shop.host).wait_for_text("/env", name="REDIS_URL")
    pod = f"statefulset/{object_names.database(REDIS)}"
    return eph.site.kubectl("-n", shop.name, "exec", pod, "--", "redis-cli", "-u", url, *words).strip()


def replica_counts(eph: OperationRunner, shop: EnvironmentSpec) -> dict[str, int]:
    items = eph.site.get("statefulsets", "-n", shop.name)["items"]
    return {item["metadata"]["name"].partition("-cache")[0]: item["spec"]["replicas"] for item in items}


def test_app_finds_its_redis_and_its_mail_catcher(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.up(shop))
    page = Page(eph.site, shop.host)
    assert redis(eph, shop, "set", "visits", "7") == "OK"
    place = f"{object_names.database(REDIS)}:6379"
    assert page.wait_for_text("/connect", to=place) == "yes"
    assert page.wait_for_text("/env", name="SMTP_URL") == "smtp://eph-mail:1025"
    assert page.wait_for_text("/connect", to="eph-mail:1025") == "yes"
    redis_pod = eph.site.get("pods", "-n", shop.name, "-l", "eph.dev/service=cache")["items"][0]
    password = page.wait_for_text("/env", name="REDIS_URL").partition("default:")[2].partition("@")[0]
    assert password not in json.dumps(redis_pod), "Kubernetes fills it in"


def test_mail_is_caught_and_shown_at_its_own_host_name(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.site.kubectl("-n", shop.name, "exec", "statefulset/eph-mail", "--", "python3", "-c", SEND)
    listed = Page(eph.site, f"mail--{shop.host}").wait_for_text("/messages.json")
    assert [item["subject"] for item in json.loads(listed)] == ["Welcome"]
    logs = TARGET.logs(shop.name, eph.settings, LogRequest(service="mail", lines=50))
    assert any("ada@example.com" in line for line in logs.lines)


def test_both_sleep_with_the_environment_and_keep_their_data(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.sleep_or_wake(NUMBER, OperationVerb.SLEEP))
    assert replica_counts(eph, shop) == {"eph-db": 0, "eph-mail": 0}
    eph.assert_succeeded(eph.sleep_or_wake(NUMBER, OperationVerb.WAKE))
    assert redis(eph, shop, "get", "visits") == "7"
    listed = Page(eph.site, f"mail--{shop.host}").wait_for_text("/messages.json")
    assert len(json.loads(listed)) == 1


def test_a_push_keeps_them_and_a_destroy_leaves_nothing(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    pushed = replace(shop, source=replace(shop.source, commit=eph.repository.push({"README.md": "Pushed."})))
    eph.assert_succeeded(eph.up(pushed))
    assert redis(eph, pushed, "get", "visits") == "7"
    eph.assert_succeeded(eph.down(NUMBER))
    assert eph.remaining() == []
