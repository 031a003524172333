"""``python -m tests.sabotage``: every guard, one line each; ``--search NAME`` looks for a history that detects one."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.sabotage import history_player, patched_copy, verification
from tests.sabotage.guards import MODELLED
from tests.sabotage.real_guards import REAL


def main() -> int:
    asked = _arguments()
    guards = [guard for guard in (*MODELLED, *REAL) if asked.only in guard.name]
    missed = 0
    with history_player.history_player() as player, tempfile.TemporaryDirectory(prefix="eph-sabotage-") as place:
        folder = patched_copy.copy_code(Path(place), ())
        quick = [guard for guard in guards if guard.is_quick]
        if asked.search:
            for guard in quick:
                print(guard.name, verification.search(player, folder, guard, asked.search), sep="\n  ", flush=True)
            return 0
        for name, problems in verification.control_runs(player, folder, quick).items():
            missed += _report(name, "with it", f"it is wrong already: {problems[:3]}" if problems else "")
        for guard in guards:
            trouble = (
                verification.verify_modelled(player, folder, guard)
                if guard.is_quick
                else verification.verify_real(guard)
            )
            missed += _report(guard.name, guard.counter, trouble)
    print(f"sabotage: {len(guards)} guards switched off, {len(guards) - missed} seen, {missed} not", flush=True)
    return 1 if missed else 0


def _report(guard: str, well: str, trouble: str) -> bool:
    if trouble or well != "with it":
        print(f"{guard}: {f'NOT SEEN: {trouble}' if trouble else well}", flush=True)
    return bool(trouble)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description="Every guard switched off in turn.")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument(
        "--search", type=int, default=0, metavar="MOST", help="play so many histories by chance instead"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
