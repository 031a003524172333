"""Previews find the languages of the machine (T1), and nothing that isn't meant for them (S3)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from programs.kit import toolchains
from programs.kit.toolchains import InstalledLanguage, SearchPlaces


def install(root: Path, command: str) -> Path:
    program = root / "bin" / command
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def places(home: Path, path: str = "/nowhere", own_path: str = "", private: tuple[Path, ...] = ()) -> SearchPlaces:
    return SearchPlaces(path, own_path, (home,), private)


def found(where: SearchPlaces, language: str) -> InstalledLanguage | None:
    return next((item for item in toolchains.find(where) if item.language == language), None)


def test_what_is_on_the_path_of_previews_comes_first(tmp_path: Path) -> None:
    program = install(tmp_path / "usr", "ruby")
    install(tmp_path / ".rbenv" / "versions" / "3.3.0", "ruby")
    assert found(places(tmp_path, f"relative:{program.parent}"), "Ruby") == InstalledLanguage("Ruby", program)


def test_the_installation_that_ephd_would_use_comes_before_newer_ones(tmp_path: Path) -> None:
    chosen = install(tmp_path / ".rbenv" / "versions" / "3.2.1", "ruby")
    install(tmp_path / ".rbenv" / "versions" / "3.3.0", "ruby")
    links = tmp_path / "links"
    links.mkdir()
    (links / "ruby").symlink_to(chosen)
    expected = InstalledLanguage("Ruby", chosen, chosen.parents[1])
    assert found(places(tmp_path, own_path=str(links)), "Ruby") == expected


def test_the_newest_installation_is_used_otherwise(tmp_path: Path) -> None:
    for version in ("3.9.2", "3.10.1", "3.10.0"):
        install(tmp_path / ".rbenv" / "versions" / version, "ruby")
    (tmp_path / ".rbenv" / "versions" / "9").symlink_to("3.9.2")
    ruby = found(places(tmp_path), "Ruby")
    assert ruby is not None
    assert ruby.root == tmp_path / ".rbenv" / "versions" / "3.10.1"
    assert (
        toolchains.extended_path("/bin", [ruby, ruby, InstalledLanguage("Go", Path("/bin/go"))])
        == f"/bin:{ruby.root}/bin"
    )


def test_shims_and_homes_are_never_shown(tmp_path: Path) -> None:
    """S3: a program in ~/.local/bin would show everything in ~/.local."""
    shim, local = install(tmp_path / ".rbenv", "ruby"), install(tmp_path / ".local", "php")
    where = places(tmp_path, own_path=f"{shim.parent}:{local.parent}")
    assert found(where, "Ruby") is None
    assert found(where, "PHP") is None


def test_what_contains_something_private_is_never_shown(tmp_path: Path) -> None:
    """S3"""
    root = tmp_path / ".rbenv" / "versions" / "3.3.0"
    own = str(install(root, "ruby").parent)
    assert found(places(tmp_path, own_path=own, private=(root / "lib" / "eph",)), "Ruby") is None
    assert found(places(tmp_path, own_path=own, private=(tmp_path,)), "Ruby") is not None


def test_an_installation_whose_program_leads_elsewhere_is_not_used(tmp_path: Path) -> None:
    """S3: the folder of what it leads to would have to be shown."""
    root = tmp_path / ".asdf" / "installs" / "ruby" / "3"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "ruby").symlink_to(install(tmp_path / "elsewhere", "ruby"))
    assert found(places(tmp_path), "Ruby") is None


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="Eph isn't in a virtual environment here")
def test_ephs_own_environment_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """T1 S3: previews must not depend on Eph's packages."""
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    toolchains.on_this_machine.cache_clear()
    shown = toolchains.on_this_machine("/nowhere", ())
    assert not any(item.root and Path(sys.prefix).is_relative_to(item.root) for item in shown)
    assert all(item.program.parent != Path(sys.prefix) / "bin" for item in shown)
    toolchains.on_this_machine.cache_clear()
