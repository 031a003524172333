"""Code that a how-to page shows passes the checks that we ask of an adapter. Row: O5."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import how_to_pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.real
@pytest.mark.parametrize("page", ["add-a-target"])
def test_code_of_the_page_passes_lint_format_and_types(page: str, tmp_path: Path) -> None:
    package = tmp_path / "eph_example"
    code = {"__init__.py": '"""An example."""\n', **how_to_pages.code_files(page)}
    how_to_pages.write_files(package, code)
    config = ["--config", str(ROOT / "pyproject.toml")]
    for words in (["ruff", "check", *config], ["ruff", "format", "--check", *config], ["mypy", "--strict"]):
        done = subprocess.run(
            [sys.executable, "-m", *words, str(package)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
