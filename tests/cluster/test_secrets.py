"""The server's secrets on a real Kubernetes: in a Secret that pods refer to, and nowhere else (S4, T2, S3)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.secret_providers.port import UnreadableSecret
from programs.spec import EnvironmentSpec, Secret
from programs.targets.kubernetes.api import object_names
from stacks.model import Outcome
from tests.cluster.environments import OperationRunner, Page
from tests.contracts.secret_harnesses import open_with
from tests.stack_folders import file_backend

pytestmark = pytest.mark.real

FIRST, SECOND = "sk_first_4eC39HqLyjWD", "sk_second_arjtT1zdp7dc"


def spec(eph: OperationRunner, value: str) -> EnvironmentSpec:
    made = eph.spec(7, "", secrets={"STRIPE_KEY": Secret("stripe", f"mark of {value}", value)})
    name = "shop-hidden-words-7"
    return replace(made, name=name, host=f"{name}.preview.test", marks={**made.marks, "Environment": name})


def test_secret_reaches_pods_by_name_and_a_new_value_replaces_them(eph: OperationRunner) -> None:
    commit = eph.repository.push({"a": "1"})
    wanted = spec(eph, FIRST)
    wanted = replace(wanted, source=replace(wanted.source, commit=commit))
    for value in (FIRST, SECOND):
        wanted = replace(wanted, secrets=spec(eph, value).secrets)
        done = eph.up(wanted)
        assert done.outcome is Outcome.SUCCEEDED, (done.error, done.tail, eph.progress[-20:])
        assert Page(eph.site, wanted.host).wait_for_text("/env", name="STRIPE_KEY") == value
    held = eph.site.get("secret", object_names.SECRETS, "-n", wanted.name)
    assert set(held["data"]) == {"STRIPE_KEY"}
    shown = json.dumps(eph.site.get("deployments,pods,replicasets,configmaps", "-n", wanted.name))
    assert f'"secretKeyRef": {{"key": "STRIPE_KEY", "name": "{object_names.SECRETS}"}}' in shown
    states = "".join(path.read_text() for path in file_backend(eph.worker).folder.rglob("*.json*") if path.is_file())
    assert object_names.SECRETS in states
    for value in (FIRST, SECOND):
        for place, text in (
            ("objects", shown),
            ("state", states),
            ("log", eph.log(7)),
            ("told", "\n".join(eph.progress)),
        ):
            assert value not in text, place


def test_server_reads_a_secret_from_the_cluster(eph: OperationRunner) -> None:
    """S4. The contract tests run on a small server; this is the real API."""
    eph.site.namespace("eph-secret-provider")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stripe", "namespace": "eph-secret-provider"},
        "stringData": {"key": FIRST},
    }
    eph.site.apply(secret)
    provider = open_with("kubernetes", kubeconfig=eph.site.kubeconfig)
    assert provider.read("eph-secret-provider/stripe#key") == FIRST.encode()
    eph.site.apply({**secret, "stringData": {"key": SECOND}})
    assert provider.read("eph-secret-provider/stripe#key") == SECOND.encode()
    for missing in ("eph-secret-provider/stripe#other", "eph-secret-provider/other#key", "eph-no-such/stripe#key"):
        with pytest.raises(UnreadableSecret, match=missing.partition("#")[0]):
            provider.read(missing)
