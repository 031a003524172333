"""Code that a how-to page shows passes the checks that we ask of an adapter. Row: O5."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import how_to_pages
from tests.architecture import test_new_forge, test_stack_doors

ROOT = Path(__file__).resolve().parents[2]


CODE = {
    "add-a-target": how_to_pages.code_files("add-a-target"),
    "add-a-git-host": test_new_forge.adapter_files(),
    "add-a-backend": test_stack_doors.backend_files(),
}


@pytest.mark.real
@pytest.mark.parametrize("page", CODE)
def test_code_of_the_page_passes_lint_format_and_types(page: str, tmp_path: Path) -> None:
    package = tmp_path / "eph_example"
    how_to_pages.write_files(package, {"__init__.py": '"""An example."""\n', **CODE[page]})
    config = ["--config", str(ROOT / "pyproject.toml")]
    for words in (["ruff", "check", *config], ["ruff", "format", "--check", *config], ["mypy", "--strict"]):
        done = subprocess.run(
            [sys.executable, "-m", *words, str(package)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
