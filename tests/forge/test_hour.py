"""The budget of an hour, on a small world; `make bench ARGS=github-hour` measures it whole. Row: L4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import hour


@pytest.mark.real
async def test_an_hour_stays_within_its_budget(tmp_path: Path) -> None:
    """1,000 counted requests for 100 repositories with 20 pull requests are 10 for each repository and hour."""
    with hour.scene(tmp_path, repositories=3, each=4) as made:
        first = await hour.watch(made, tmp_path / "cache.db", 1, 30, busy=False)
        quiet = await hour.watch(made, tmp_path / "cache.db", 30, 120, busy=False)
        made.world.fail_next(count=1000, path="/graphql", status=404)
        without = await hour.watch(made, tmp_path / "other.db", 2, 30, busy=False)
    assert (first.candidates, quiet.candidates, without.candidates) == (12, 12, 12)
    assert first.counted <= 20
    assert quiet.counted <= 30
    assert without.counted <= 12 * 4 + 20
