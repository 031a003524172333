"""The benchmark with one row that works and one that crashes: ``python -m tests.bench.crashing_rows FOLDER [OPTION…]``.

Its results and its page go to the folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import __main__ as bench
from tests.bench import cleanup, report, results
from tests.bench.rows import Figure, Row
from tests.bench.sizes import Size

FOLDER = Path(sys.argv[1])
DAEMON = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=-3).pid)"


async def works(_: Size) -> Row:
    return Row("works", (Figure("ratio", 9.0, 1.0),), "ours", "theirs")


async def crashes(_: Size) -> Row:
    """Leaves a folder and a process that is no child of ours."""
    tempfile.mkdtemp()
    _start_daemon()
    raise RuntimeError("ephd | crashed")


def _start_daemon() -> None:
    (FOLDER / "pid").write_text(subprocess.check_output([sys.executable, "-c", DAEMON], text=True))


if __name__ == "__main__":
    cleanup.GRACE_SECONDS = 0.2
    results.FILE, report.PAGE = FOLDER / "benchmarks.json", FOLDER / "benchmarks.md"
    bench.ROWS, bench.CLUSTER_ROWS, bench.AIRFLOW_ROWS = {"works": works, "crashes": crashes}, {}, {}
    sys.exit(bench.main(sys.argv[2:]))
