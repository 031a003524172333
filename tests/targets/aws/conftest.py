"""The account that these tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.targets.aws.aws_account import AwsAccount, running_account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    with running_account(monkeypatch) as opened:
        yield opened
