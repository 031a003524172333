"""The real Pulumi in its own folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stacks.stack_bench import RealBench, create_real_bench


@pytest.fixture
async def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealBench]:
    bench = create_real_bench(tmp_path, monkeypatch)
    await bench.operations.open()
    yield bench
    await bench.operations.close()
