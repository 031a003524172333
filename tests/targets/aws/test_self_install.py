"""``eph self-install`` on an account: the plan lists what the docs list, applying it creates that, and deleting it
leaves only the backups. O4, S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.targets.aws.foundation import wording
from stacks.toolchain import pulumi_cli
from tests.targets.aws import account_contents, docs_of_foundation
from tests.targets.aws.aws_account import REGION, AwsAccount, running_account
from tests.targets.aws.aws_stack import install_plugin, uses_official_plugin

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.exhaustive,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(uses_official_plugin(), reason="moto has no certificate that AWS would validate"),
]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as opened:
        patch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)
        yield opened


FOUNDATION = (
    ("route53", "list_hosted_zones", "HostedZones"),
    ("acm", "list_certificates", "CertificateSummaryList"),
    ("ecr", "describe_repositories", "repositories"),
    ("iam", "list_instance_profiles", "InstanceProfiles"),
    ("kms", "list_keys", "Keys"),
)


def contents(account: AwsAccount) -> Counter[str]:
    """A count for each service, with those that only a foundation uses."""
    found = Counter(line.split(" ")[0] for line in account_contents.everything(account))
    for service, operation, key in FOUNDATION:
        found[service] += len(getattr(account.clients().client(service), operation)()[key])
    policies = account.clients().client("iam").list_policies(Scope="Local")["Policies"]
    return found + Counter(iam=len(policies))


class SelfInstall:
    def __init__(self, folder: Path, account: AwsAccount) -> None:
        (folder / "bin").mkdir()
        install_plugin(folder / "bin", runs_tasks=False)
        self._folder, self._endpoint = folder / "record", account.endpoint

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = {"region": REGION, "domain": "live.example.com", "endpoint": self._endpoint}
        sets = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "orchestrator.cli.main", "self-install", "aws", *sets]
        path = os.pathsep.join([str(self._folder.parent / "bin"), pulumi_cli.find().path, os.environ["PATH"]])
        return subprocess.run(
            [*command, "--folder", str(self._folder), *words],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def data(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--output", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def test_preview_lists_what_the_docs_list_and_applying_it_creates_that(tmp_path: Path, account: AwsAccount) -> None:
    installation, before = SelfInstall(tmp_path, account), contents(account)
    planned = installation.data("--preview")
    kinds = Counter(item["kind"].split(":")[1] for item in planned["changes"])
    assert kinds == docs_of_foundation.resources()
    assert {item["action"] for item in planned["changes"]} == {"create"}
    assert [(item["what"], item["why"]) for item in planned["permissions"]] == list(wording.PERMISSIONS)
    assert planned["monthly_cost"]["total"] == docs_of_foundation.monthly_cost()
    assert contents(account) == before, "a preview changes nothing"

    applied = installation.run("--yes")
    assert applied.returncode == 0, applied.stderr
    assert f'region = "{REGION}"' in applied.stdout, "the server's settings"
    assert installation.data("--preview")["changes"] == [], "nothing is left to change"

    deleted = installation.run("--destroy", "--yes")
    assert deleted.returncode == 0, deleted.stderr
    assert contents(account) - before == Counter(s3=1, kms=1), "the bucket of the backups and its key"
