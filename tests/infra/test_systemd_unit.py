"""The systemd unit, and the page that installs it (O4)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.config.settings.loading import load
from tests.how_to_pages import HOW_TO

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "infra" / "systemd" / "ephd.service"
PAGE = (HOW_TO / "virtual-machine.md").read_text()
CREATE_MOUNT_NAMESPACES = re.compile(
    r"^(Private\w+|Protect\w+|\w+Paths|Root\w+|Bind\w+|TemporaryFileSystem|DynamicUser|MountFlags|RestrictNamespaces)=",
    re.MULTILINE,
)


def options() -> dict[str, str]:
    """Of the section [Service]; for one that is given twice, the last."""
    section = UNIT.read_text().partition("[Service]\n")[2].partition("\n[Install]")[0]
    lines = [line for line in section.splitlines() if "=" in line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/eph/bin/ephd", shutil.which("true") or "/bin/true"))
    command = [analyze, "verify", "--man=no", str(unit)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    about_it = [line for line in checked.stderr.splitlines() if UNIT.name in line or str(tmp_path) in line]
    assert (checked.returncode, about_it) == (0, [])


def test_previews_outlive_a_restart_and_stay_in_the_same_mount_namespace() -> None:
    assert options()["KillMode"] == "process"
    assert options()["OOMPolicy"] == "continue"
    assert CREATE_MOUNT_NAMESPACES.findall(UNIT.read_text()) == []


def test_a_start_ends_when_ephd_responds_and_never_times_out() -> None:
    """`systemctl start ephd && eph server resume` must work, and the first start may build Pulumi's CLI."""
    assert (options()["Type"], options()["TimeoutStartSec"]) == ("notify", "infinity")
    assert "systemctl enable --now --no-block ephd" in PAGE


def test_the_page_checks_the_server_with_its_own_cache_and_settings() -> None:
    cache = options()["Environment"].partition("EPH_CACHE=")[2]
    config = options()["ExecStart"].split()[-1]
    assert f"EPH_CACHE={cache} eph doctor --config {config}" in PAGE


def test_the_page_installs_what_the_unit_starts() -> None:
    program, _, config = options()["ExecStart"].split()
    assert f"python3 -m venv {Path(program).parents[1]}" in PAGE
    assert f"# {config}\n" in PAGE
    assert f"cp {UNIT.relative_to(ROOT)} /etc/systemd/system/" in PAGE
    assert options()["EnvironmentFile"].removeprefix("-") in PAGE


def test_settings_of_the_page_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EPH_HOME", "EPH_DOMAIN", "EPH_TLS__LISTEN"):
        monkeypatch.delenv(name, raising=False)
    own_tls, behind_caddy = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    config = tmp_path / "eph.toml"
    config.write_text(own_tls)
    settings = load(config, home=tmp_path)
    assert settings.forge.missing() == ""
    assert settings.dashboard_url == "https://preview.example.com"
    before, _, after = own_tls.partition("[forge]")
    config.write_text(f"{before}{behind_caddy}[forge]{after.partition('[tls]')[0]}")
    settings = load(config, home=tmp_path)
    assert settings.previews.proxies == ("127.0.0.1/32",)
    assert settings.gateway_listen == "127.0.0.1:8080"
    assert settings.dashboard_url == "https://preview.example.com"
