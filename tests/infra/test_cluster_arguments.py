"""``make test-cluster ARGS=path`` runs that path alone, and other arguments add to the default ones."""

from __future__ import annotations

import pytest

from tests.cluster.__main__ import TEST_PATHS, with_paths

ONE_TEST = "tests/cluster/test_exec.py::test_psql_uses_the_environments_own_role"


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ([], [*TEST_PATHS]),
        (["-k", "quota"], [*TEST_PATHS, "-k", "quota"]),
        (["tests/cluster/test_exec.py"], ["tests/cluster/test_exec.py"]),
        (["-x", ONE_TEST], ["-x", ONE_TEST]),
    ],
)
def test_paths_replace_the_default_ones(arguments: list[str], run: list[str]) -> None:
    assert with_paths(arguments) == run
