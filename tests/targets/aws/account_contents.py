"""Everything in a test's account, asked of each service."""

from __future__ import annotations

from orchestrator.demo.ministack import account_contents
from tests.targets.aws.aws_account import AwsAccount


def everything(account: AwsAccount) -> set[str]:
    return account_contents.everything(account.clients())
