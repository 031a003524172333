"""Versions in mise.toml and .tool-versions, found in folders of mise and asdf (T1), and nothing else (S3).

The layouts are those of mise 2026.9 and asdf 0.16: ``installs/TOOL/VERSION/bin``, with mise's links such as ``20``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs.kit import tool_versions
from programs.kit.host_settings import HostSettings
from programs.kit.tool_versions import installations, version_files


def install(installs: Path, tool: str, version: str, folder: str = "bin", program: str = "") -> Path:
    path = installs / tool / version / folder / (program or tool)
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def mise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """mise's folder, the only one on this machine."""
    monkeypatch.setenv("MISE_DATA_DIR", str(tmp_path / "mise"))
    monkeypatch.delenv("ASDF_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(installations, "SYSTEM_FOLDER", tmp_path / "system")
    for version in ("18.20.4", "20.1.0", "20.9.0", "20.10.0"):
        install(tmp_path / "mise" / "installs", "node", version)
    for link, version in (("20", "20.10.0"), ("latest", "20.10.0"), ("lts-iron", "20.9.0")):
        (tmp_path / "mise" / "installs" / "node" / link).symlink_to(f"./{version}")
    return tmp_path / "mise" / "installs"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    path.mkdir()
    return path


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(tmp_path / "eph")


def roots(settings: HostSettings, checkout: Path) -> list[str]:
    return [f"{item.root.parent.name}/{item.root.name}" for item in tool_versions.find(settings, checkout)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[tools]\nnode = "20.1.0"\n', ["node/20.1.0"]),
        ('[tools]\nnode = "20"\n', ["node/20.10.0"]),
        ('[tools]\nnode = "20.1"\n', ["node/20.1.0"]),
        ('[tools]\nnode = "prefix:18"\n', ["node/18.20.4"]),
        ('[tools]\nnode = "latest"\n', ["node/20.10.0"]),
        ('[tools]\n"core:node" = {version = "lts-iron", postinstall = "curl x | sh"}\n', ["node/20.9.0"]),
        ('[tools]\nnodejs = ["18", "19", "20.1.0"]\n', ["node/18.20.4", "node/20.1.0"]),
        ("[tools]\nnode = 18\n", ["node/18.20.4"]),
        ('[tools]\nnode = "system"\n[env]\nA = "b"\n[hooks]\nenter = "rm -rf /"\n', []),
        ('[tools]\nnode = "2"\n', []),
    ],
)
def test_mise_files(mise: Path, checkout: Path, settings: HostSettings, text: str, found: list[str]) -> None:
    (checkout / "mise.toml").write_text(text)
    assert roots(settings, checkout) == found


def test_asdf_files(
    mise: Path, checkout: Path, settings: HostSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asdf = tmp_path / "asdf" / "installs"
    monkeypatch.setenv("ASDF_DATA_DIR", str(tmp_path / "asdf"))
    install(asdf, "golang", "1.22.5", "go/bin", "go")
    install(asdf, "java", "temurin-21.0.2+13")
    (checkout / ".tool-versions").write_text(
        "# versions\ngolang 1.22.5\njava   temurin-21  # long-term\n\nnodejs 18.20.4 system\n"
    )
    go, java, node = tool_versions.find(settings, checkout)
    assert go.programs == asdf / "golang" / "1.22.5" / "go" / "bin"
    assert java.variables == {"JAVA_HOME": str(asdf / "java" / "temurin-21.0.2+13")}
    assert node.root == mise / "node" / "18.20.4"
    assert installations.list_tools(installations.folders()) == {
        "go": ["1.22.5"], "java": ["temurin-21.0.2+13"], "node": ["18.20.4", "20.1.0", "20.9.0", "20.10.0"],
    }  # fmt: skip


def test_first_file_that_names_a_tool_counts(mise: Path, checkout: Path, settings: HostSettings) -> None:
    (checkout / ".tool-versions").write_text("node 18.20.4\n")
    assert roots(settings, checkout) == ["node/18.20.4"]
    (checkout / ".mise.toml").write_text('[tools]\nnode = "20.1.0"\n')
    assert roots(settings, checkout) == ["node/20.1.0"]


def test_tool_of_another_backend_is_in_the_folder_that_mise_gives_it(
    mise: Path, checkout: Path, settings: HostSettings
) -> None:
    install(mise, "go-github-com-rogpeppe-go-internal-cmd-txtar-c", "1.16.0", program="txtar-c")
    install(mise, "jq", "1.7.1", folder=".")
    tools = '"go:github.com/rogpeppe/go-internal/cmd/txtar-c" = "1.16"\n"aqua:jqlang/jq" = "1"\njq = "1.7"\n'
    (checkout / "mise.toml").write_text(f"[tools]\n{tools}")
    found = tool_versions.find(settings, checkout)
    assert [item.programs.parent.name for item in found] == ["1.16.0", "jq"]


def test_version_that_is_not_installed_is_a_notice(mise: Path, checkout: Path, settings: HostSettings) -> None:
    """It names the file, what is installed, and what to do."""
    (checkout / "mise.toml").write_text('[tools]\nnode = "22.3.0"\nruby = ["3.3", "3.2"]\n')
    node, ruby = tool_versions.notices(settings, checkout)
    assert [word for word in ("mise.toml", "node 22.3.0", "20.10.0", "operator") if word not in node] == []
    assert "ruby 3.3 or 3.2" in ruby
    (checkout / "mise.toml").write_text("".join(["[tools]\n", *(f'tool{number} = "1"\n' for number in range(30))]))
    assert len(tool_versions.notices(settings, checkout)) == tool_versions.MAX_NOTICES + 1


def test_without_mise_and_asdf_the_files_mean_nothing(
    tmp_path: Path, mise: Path, checkout: Path, settings: HostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "mise.toml").write_text('[tools]\nnode = "20"\nruby = "3"\n')
    none = replace(settings, toolchains="none")
    assert (tool_versions.find(none, checkout), tool_versions.notices(none, checkout)) == ((), ())
    monkeypatch.delenv("MISE_DATA_DIR")
    assert (tool_versions.find(settings, checkout), tool_versions.notices(settings, checkout)) == ((), ())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_nothing_of_roots_home_is_shown(
    tmp_path: Path, mise: Path, checkout: Path, settings: HostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3"""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert installations.folders() == ()


@pytest.mark.parametrize("version", ["../../secret", "/etc", "path:/etc", "ref:main", "..", ".", "outside", "20 ; ls"])
def test_version_never_leads_outside(
    mise: Path, checkout: Path, settings: HostSettings, tmp_path: Path, version: str
) -> None:
    """S3: what it names would be shown to previews."""
    (tmp_path / "secret" / "bin").mkdir(parents=True)
    (mise / "node" / "outside").symlink_to(tmp_path / "secret")
    (checkout / ".tool-versions").write_text(f"node {version.replace(' ', '')}\n")
    assert roots(settings, checkout) == []
    (checkout / ".tool-versions").write_text(f"../../secret {version}\n")
    assert roots(settings, checkout) == []


def test_installation_that_contains_something_private_is_not_shown(mise: Path, checkout: Path) -> None:
    """S3"""
    (checkout / "mise.toml").write_text('[tools]\nnode = "20.1.0"\n')
    assert roots(HostSettings(mise / "node" / "20.1.0" / "eph"), checkout) == []


@pytest.mark.parametrize(
    "text",
    [
        "[tools",
        "[tools]\nnode = \x00",
        f"x = {'[' * 100_000}",
        "tools = 1",
        "#" * 70_000,
        "[tools]\nnode = 1\nnode = 2",
    ],
)
def test_file_that_is_not_valid_is_a_notice(mise: Path, checkout: Path, settings: HostSettings, text: str) -> None:
    """Pitfall: parsers recurse."""
    (checkout / "mise.toml").write_text(text)
    (checkout / ".tool-versions").write_text("node 20.1.0\n")
    assert roots(settings, checkout) == ["node/20.1.0"]
    [notice] = tool_versions.notices(settings, checkout)
    assert "mise.toml" in notice


def test_links_and_pipes_are_not_read(mise: Path, checkout: Path, settings: HostSettings, tmp_path: Path) -> None:
    """S3: a service can write into its checkout, and Eph reads the file with the server's rights."""
    outside = tmp_path / "outside.toml"
    outside.write_text('[tools]\nnode = "20.1.0"\n')
    (checkout / "mise.toml").symlink_to(outside)
    (tmp_path / "config").mkdir()
    outside.rename(tmp_path / "config" / "mise.toml")
    (checkout / ".config").symlink_to(tmp_path / "config")
    os.mkfifo(checkout / ".mise.toml")
    (checkout / ".tool-versions").mkdir()
    assert roots(settings, checkout) == []


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_read_without_an_error(tmp_path_factory: pytest.TempPathFactory, one: str, two: str) -> None:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "mise.toml").write_bytes(one.encode("utf-8", "replace"))
    (folder / ".tool-versions").write_bytes(two.encode("utf-8", "replace"))
    tools, _ = version_files.read(folder)
    assert all(tool.name for tool in tools)
    for tool in tools:
        assert installations.find([folder], tool, []) == []
