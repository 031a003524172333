"""A real Kubernetes for these tests: `make test-cluster` starts one; without it they are skipped with the reason.

``EPH_TEST_KUBECONFIG`` can name any cluster. Variables describe what the tests need to know about it:
``EPH_TEST_REGISTRY`` and ``EPH_TEST_REGISTRY_AUTH`` (a file with user:password), ``EPH_TEST_INGRESS`` (the URL of its
ingress controller), ``EPH_TEST_INGRESS_CLASS``, ``EPH_TEST_INGRESS_NAMESPACE``, ``EPH_TEST_TOOLS`` (the folder of our
built tools), ``EPH_TEST_APISERVER`` and ``EPH_TEST_KUBELET`` (processes of the API server and of the only node's
kubelet, for tests that pause them) and ``EPH_TEST_BREAK_LOCK`` (a file that they lock meanwhile, so that other users of
the cluster can wait for it).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.targets.kubernetes.target import TARGET
from tests.cluster.cluster_access import Cluster, push_images
from tests.cluster.environments import SCHEMA, OperationRunner

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE not in item.path.parents:
            continue
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))
        if not os.environ.get("EPH_TEST_KUBECONFIG"):
            item.add_marker(pytest.mark.skip(reason="needs a Kubernetes: run `make test-cluster`"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster.from_environment(tmp_path_factory.mktemp("site"), os.environ)
    push_images(made)
    yield made
    made.clear()


@pytest.fixture
def home() -> Iterator[Path]:
    """A whole Eph's home, with a short name, because it contains sockets."""
    with tempfile.TemporaryDirectory(prefix="eph-cluster-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def eph(
    site: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[OperationRunner]:
    """One per module; none looks at another's environments."""
    suffix = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    made = OperationRunner(site, tmp_path_factory.mktemp("eph"), suffix)
    made.repository.push({"db/schema.sql": SCHEMA})
    yield made
    for name in TARGET.list_environments(made.settings):
        TARGET.purge(name, made.settings)
