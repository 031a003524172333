"""``python -m tests.cluster``: all tests that need a Kubernetes, two modules at once; then those that need it alone.

What is said after it goes to pytest both times. The chart's tests come along: they need helm, and people who have a
cluster.
"""

from __future__ import annotations

import subprocess
import sys

WHERE = ("tests/cluster", "tests/stacks/test_chart.py")
TURNS = (
    ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone"),
    ("-n", "0", "-m", "alone"),
)
"""In the order of their names, where the longest module is not the last: by default xdist begins with the one that has
the most tests, which is not the one that lasts."""
NOTHING_CHOSEN = 5


def main(words: list[str]) -> int:
    """Both turns are taken, whatever the first said; the worse code is the answer."""
    codes = [subprocess.run([sys.executable, "-m", "pytest", *turn, *WHERE, *words]).returncode for turn in TURNS]
    told = [code for code in codes if code != NOTHING_CHOSEN]
    return max(told, default=NOTHING_CHOSEN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
