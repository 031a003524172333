"""``python -m tests.attack``: every attack, one line each. ``--small`` leaves out the slow ones; ``--cluster`` tries
those that need a Kubernetes cluster, instead.
"""

from __future__ import annotations

import argparse
import sys

from tests.attack import catalogue, runner
from tests.attack.arena import Arena


def main() -> int:
    arguments = _arguments()
    known = catalogue.CLUSTER_ATTACKS if arguments.cluster else catalogue.ATTACKS
    chosen = [
        attack
        for attack in known
        if not (arguments.small and attack.is_slow) and arguments.only in f"{attack.family}: {attack.name}"
    ]
    with Arena() as arena:
        results = runner.run_all(chosen, arena, lambda line: print(line, flush=True))
    print(runner.summary(results), flush=True)
    return 0 if runner.passed(results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description="Attack a whole Eph.")
    parser.add_argument("--small", action="store_true", help="leave out the slow attacks")
    parser.add_argument("--cluster", action="store_true", help="attack previews on the cluster of EPH_TEST_KUBECONFIG")
    parser.add_argument("--only", default="", help="those whose line contains this")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
