"""Whether a missing guard is detected: with it all is right, without it its counter isn't zero."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.sabotage import patched_copy
from tests.sabotage.guards import Guard, Patch
from tests.sabotage.history_player import HistoryPlayer

TEST_TIMEOUT = 240
CLEANER = patched_copy.ROOT / ".ci" / "alone.py"


def control_runs(player: HistoryPlayer, folder: Path, guards: Sequence[Guard]) -> dict[str, list[tuple[str, str]]]:
    """The problems with every guard enabled; guards with ``beside`` are run with those disabled."""
    plain = [guard for guard in guards if not guard.also_disabled]
    found = dict(zip((one.name for one in plain), player.play(folder, [one.history for one in plain]), strict=True))
    for guard in guards:
        if guard.also_disabled:
            found[guard.name] = _play_patched(player, folder, guard, guard.also_disabled)
    return found


def verify_modelled(player: HistoryPlayer, folder: Path, guard: Guard) -> str:
    """Empty if its counter increases without it, otherwise a sentence."""
    broken = _play_patched(player, folder, guard, (*guard.also_disabled, *guard.patches))
    if any(kind == guard.counter for kind, _ in broken):
        return ""
    return f"without the guard {guard.counter} stays 0; what was wrong: {broken[:3]}"


def _play_patched(
    player: HistoryPlayer, folder: Path, guard: Guard, patches: tuple[Patch, ...]
) -> list[tuple[str, str]]:
    with patched_copy.patched(folder, patches):
        return player.play(folder, [guard.history])[0]


def search(player: HistoryPlayer, folder: Path, guard: Guard, limit: int) -> list[tuple[str, int, int]]:
    with patched_copy.patched(folder, (*guard.also_disabled, *guard.patches)):
        return player.search(folder, guard.counter, limit)


def verify_real(guard: Guard) -> str:
    """The test fails without the guard, and says why; it passes with it in `make test`."""
    with tempfile.TemporaryDirectory(prefix="eph-sabotage-") as folder:
        patched_copy.copy_code(Path(folder), guard.patches)
        try:
            done = _run_test(Path(folder), guard.test)
        except subprocess.TimeoutExpired:
            return f"{guard.test} didn't end within {TEST_TIMEOUT} s"
    if done.returncode == 0:
        return f"without the guard {guard.test} passes"
    if done.returncode != 1 or guard.expected_output not in done.stdout:
        tail = done.stdout[-1500:]
        return f"{guard.test} ended with {done.returncode}, and did not say {guard.expected_output!r}: {tail}"
    return ""


def _run_test(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """The tests are copied, too: pytest puts the folder that it runs in first on the path. Without its guard, the code
    leaves processes behind that no test ends."""
    for name in ("tests", "pyproject.toml"):
        (folder / name).symlink_to(patched_copy.ROOT / name)
    options = ["-p", "no:cacheprovider", "-x", "-q", "-n", "0"]
    pytest = [sys.executable, "-m", "pytest", *options, f"--rootdir={folder}", test]
    command = [sys.executable, str(CLEANER), "--allow-leftovers", *pytest]
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, cwd=folder, env=env, text=True, stdin=-3, stdout=-1, stderr=-1) as running:
        try:
            output, errors = running.communicate(timeout=TEST_TIMEOUT)
        except subprocess.TimeoutExpired:
            running.terminate()
            running.communicate()
            raise
    return subprocess.CompletedProcess(command, running.returncode, output, errors)
