"""The example for Cloud Run installs from its own folder and passes its suite. Row: T6."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contracts import scratch_environment

SOURCE = Path(__file__).parents[2] / "examples" / "cloudrun"

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(1800)]


def test_example_installs_with_pip_and_passes_its_suite(tmp_path: Path) -> None:
    """pulumi-gcp isn't among Eph's dependencies, so pip downloads it."""
    if shutil.which("pulumi") is None:
        pytest.skip("needs the Pulumi CLI; run `make toolchain`")
    environment = scratch_environment.create(tmp_path / "venv")
    example = scratch_environment.copy_of(SOURCE, tmp_path / "example")
    words = [
        str(environment.folder / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        ".[test]",
    ]
    installed = subprocess.run(words, cwd=example, capture_output=True, text=True, check=False)
    if installed.returncode and "No matching distribution found for pulumi-gcp" in installed.stderr:
        pytest.skip("needs a package index for pulumi-gcp")
    assert installed.returncode == 0, installed.stderr
    done = environment.run("pytest", cwd=example)
    assert done.returncode == 0, done.stdout
    assert "cloudrun doesn't implement" in done.stdout
