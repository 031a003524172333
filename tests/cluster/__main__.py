"""``python -m tests.cluster``: all tests that need a Kubernetes, two modules at once; then those that need it alone.

What is said after it goes to pytest both times. The chart's tests come along: they need helm, and people who have a
cluster.
"""

from __future__ import annotations

import subprocess
import sys

TEST_PATHS = ("tests/cluster", "tests/infra/test_helm_chart.py")
PASSES = (
    ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone"),
    ("-n", "0", "-m", "alone"),
)
"""In the order of their names, where the longest module is not the last: by default xdist begins with the one that has
the most tests, which is not the one that lasts."""
NO_TESTS_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Both turns are taken, whatever the first said; the worse code is the answer."""
    codes = [
        subprocess.run([sys.executable, "-m", "pytest", *turn, *TEST_PATHS, *arguments]).returncode for turn in PASSES
    ]
    told = [code for code in codes if code != NO_TESTS_COLLECTED]
    return max(told, default=NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
