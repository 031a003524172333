"""The account that these tests use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import create_loader

from tests.targets.aws.aws_account import AwsAccount, running_account


@pytest.fixture(scope="session", autouse=True)
def descriptions_are_read_once() -> Iterator[None]:
    """boto3's descriptions of AWS's services: each session would read them again, which takes longer than its calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    with running_account(monkeypatch) as opened:
        yield opened
