"""``python -m tests.cluster``: all tests that need a Kubernetes cluster, two modules at a time; then those that need it
exclusively.

Arguments are passed to pytest both times. The chart's tests are included: they need helm, like people with a cluster.
"""

from __future__ import annotations

import subprocess
import sys

TEST_PATHS = ("tests/cluster", "tests/infra/test_helm_chart.py")
PYTEST = (sys.executable, "-m", "pytest", "--durations=20")
PASSES = (
    ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone"),
    ("-n", "0", "-m", "alone"),
)
"""In the order of their names, in which the longest module isn't last: by default xdist starts with the module that has
the most tests, which isn't the longest."""
NO_TESTS_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Both runs take place, whatever the first returned; the worse exit code counts."""
    codes = [subprocess.run([*PYTEST, *turn, *TEST_PATHS, *arguments]).returncode for turn in PASSES]
    told = [code for code in codes if code != NO_TESTS_COLLECTED]
    return max(told, default=NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
