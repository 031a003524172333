"""An AWS account on which things run: MiniStack with a Docker engine of its own, on this machine.

Tasks are real containers with their logs, RDS is a real PostgreSQL with TLS, and load balancers route by host name. Its
images come from a real registry. MiniStack would also say that things run if it had no engine, so tests ask the
containers, not only MiniStack.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.demo.cluster import base_images
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.demo.cluster.registry_push import DemoRegistry
from orchestrator.demo.containers import engine_process
from orchestrator.demo.ministack import local_registry, ministack_process
from orchestrator.demo.ministack.ministack_process import RunningMinistack
from tests.images import registry_server
from tests.targets.aws.aws_account import AwsAccount, client_of, set_credentials

ROOT = Path(__file__).parents[3]
NETWORK_RANGE = "10.215.64.0/20"


@dataclass(frozen=True)
class RealContainers:
    account: AwsAccount
    registry: DemoRegistry
    ministack: RunningMinistack

    def push(self, files: Mapping[str, str], repository: str = "acme/shop") -> str:
        """An image with Python and these files; its reference, pinned to the digest."""
        content = {path: text.encode() for path, text in files.items()}
        base = base_images.python_image()
        image = OciImage((*base.layers, ImageLayer({**content}, {}, ())), base.command, base.entrypoint, base.env)
        return f"{self.registry.host}/{repository}@{self.registry.push(image, repository, 'latest')}"

    def containers(self) -> list[str]:
        """The names of those that run, as the engine knows them."""
        return self.ministack.containers()

    def fetch(self, host: str, path: str = "/") -> str:
        """As a visitor gets it from the environment's load balancer, which is chosen by its name and routes by host."""
        (balancer,) = self.account.clients().client("elbv2").describe_load_balancers()["LoadBalancers"]
        url = f"{self.account.endpoint}/_alb/{balancer['LoadBalancerName']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=20) as answer:
            return str(answer.read().decode())


def interpreter() -> str:
    """MiniStack's Python; installs it if necessary. Skips the test where that's impossible."""
    if not engine_process.can_start():
        pytest.skip("needs root and docker.io (make docker-compose)")
    done = subprocess.run([ROOT / "infra/toolchain/ministack.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"MiniStack can't be installed: {done.stderr.strip()}")
    return done.stdout.strip()


def registry_program() -> Path:
    found = registry_server.registry_program()
    if found is None:
        pytest.skip("needs Debian's docker-registry")
    return Path(found)


@contextlib.contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealContainers]:
    program, registry = interpreter(), registry_program()
    set_credentials(monkeypatch)
    folder = Path(tempfile.mkdtemp(prefix="eph-aws-"))
    try:
        with (
            local_registry.running(folder / "registry", str(registry)) as host,
            ministack_process.running(program, folder / "ministack", NETWORK_RANGE) as ministack,
        ):
            zone = client_of(ministack.endpoint, "route53").create_hosted_zone(Name="preview.test", CallerReference="1")
            account = AwsAccount(ministack.endpoint, zone["HostedZone"]["Id"].rpartition("/")[2], runs_tasks=True)
            yield RealContainers(account, DemoRegistry(f"http://{host}"), ministack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
