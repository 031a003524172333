"""The files of supervisord's programs (T1: an upgrade may move the launcher that they name)."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs.kit.host_settings import HostSettings
from programs.kit.processes import program_files
from programs.kit.processes.program_files import SupervisedProgram
from programs.kit.processes.sandbox import LaunchSpec

LAUNCH = LaunchSpec(("/bin/true",), {}, "/")


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    found = HostSettings(tmp_path / "100% ours")
    for name in ("a.web.g1", "b.web.g1"):
        program_files.write(found, SupervisedProgram(name, LAUNCH, "{}"), parent="supervisord.conf")
    return found


def texts(settings: HostSettings) -> list[str]:
    return [program_files.program_file(settings, name).read_text() for name in program_files.list_programs(settings)]


def test_current_programs_stay_as_they_are(settings: HostSettings) -> None:
    before = texts(settings)
    assert program_files.rewrite_missing_launchers(settings) == []
    assert texts(settings) == before


def test_a_program_whose_launcher_is_gone_gets_ours(settings: HostSettings) -> None:
    before = texts(settings)
    path = program_files.program_file(settings, "a.web.g1")
    path.write_text(path.read_text().replace("launch.py", "moved/launch.py"))
    assert program_files.rewrite_missing_launchers(settings) == ["a.web.g1"]
    assert texts(settings) == before


def test_another_installation_that_exists_is_left_alone(settings: HostSettings, tmp_path: Path) -> None:
    other = tmp_path / "launch.py"
    other.touch()
    path = program_files.program_file(settings, "a.web.g1")
    path.write_text(path.read_text().replace(str(Path(program_files.__file__).with_name("launch.py")), str(other)))
    assert program_files.rewrite_missing_launchers(settings) == []
    assert str(other) in path.read_text()
