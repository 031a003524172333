"""The request budget of an hour, in a small world; `make bench ARGS=github-hour` measures it in full. Row: L4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import github_hour


@pytest.mark.real
@pytest.mark.long
async def test_an_hour_stays_within_its_budget(tmp_path: Path) -> None:
    """A dozen and a few for all of them together, and eight per repository, including comments. So 100 repositories
    stay below 1,000 an hour."""
    with github_hour.fixture_repositories(tmp_path, repositories=3, pulls_each=4) as made:
        first = await github_hour.poll(made, tmp_path / "cache.db", 1, 30, busy=False)
        quiet = await github_hour.poll(made, tmp_path / "cache.db", 30, 120, busy=False)
        made.world.fail_next(count=1000, path="/graphql", status=404)
        without = await github_hour.poll(made, tmp_path / "other.db", 2, 30, busy=False)
    assert (first.pull_requests, quiet.pull_requests, without.pull_requests) == (12, 12, 12)
    assert first.counted <= 20
    assert quiet.counted <= 16 + 3 * 8
    assert without.counted <= 12 * 4 + 20
