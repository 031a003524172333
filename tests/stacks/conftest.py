"""The benches of this room: the fake, and the real thing in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stacks.stack_bench import FakeBench, RealBench, StackBench, create_real_bench


@pytest.fixture
async def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealBench]:
    bench = create_real_bench(tmp_path, monkeypatch)
    await bench.operations.open()
    yield bench
    await bench.operations.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest) -> StackBench:
    return FakeBench() if request.param == "fake" else request.getfixturevalue("real")
