"""``python -m tests.cluster``: all tests that need a Kubernetes cluster, two modules at a time; then those that need it
exclusively. With ``--small``, neither these nor those marked ``long``.

Other arguments are passed to pytest; paths among them replace the default ones. The chart's tests are included: they
need helm, like people with a cluster.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TEST_PATHS = ("tests/cluster", "tests/infra/test_helm_chart.py")
PYTEST = (sys.executable, "-m", "pytest", "--durations=20")
TOGETHER = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m")
"""In the order of their names, in which the longest module isn't last: by default xdist starts with the module that has
the most tests, which isn't the longest."""
ALL = ((*TOGETHER, "not alone"), ("-n", "0", "-m", "alone"))
SMALL = ((*TOGETHER, "not alone and not long"),)
NO_TESTS_COLLECTED = 5


def with_paths(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the default paths if they contain none. ``path::test`` is a path, too."""
    has_paths = any(Path(word.partition("::")[0]).exists() for word in arguments if not word.startswith("-"))
    return [*(() if has_paths else TEST_PATHS), *arguments]


def main(arguments: list[str]) -> int:
    """All runs take place, whatever the first returned; the worst exit code counts."""
    turns = SMALL if "--small" in arguments else ALL
    rest = [word for word in arguments if word != "--small"]
    codes = [subprocess.run([*PYTEST, *turn, *with_paths(rest)]).returncode for turn in turns]
    told = [code for code in codes if code != NO_TESTS_COLLECTED]
    return max(told, default=NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
