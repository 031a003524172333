"""Targets from other packages have full support in a whole Eph: the sample, and the one in docs/how-to/add-a-target.md.
Rows: T1 and O5."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit.processes import process_table
from tests import how_to_pages
from tests.e2e import site as sites
from tests.e2e.site import Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

FILE = 'version: "1.0"\nname: shop\nfolders: {{page: "{text} of {{commit_sha:0:7}}"}}\n'
WEBSITE_FILE = (
    'version: "1.0"\nname: shop\nwebsite: {{root: dist}}\nbuild: "mkdir dist && echo {text} > dist/index.html"\n'
)
TOML = '[targets]\nallowed = ["local", "folders", "website"]\n[folders]\ngreeting = "Welcome"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The packages are installed where only this Eph looks."""
    packages = tmp_path_factory.mktemp("packages")
    source = tmp_path_factory.mktemp("source") / "sample_target"
    shutil.copytree(Path(__file__).parents[1] / "sample_target", source)
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *offline, "--target", str(packages), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    documented = {"__init__.py": "", **how_to_pages.code_files("add-a-target")}
    how_to_pages.install(packages, "eph_website", documented, "eph.targets website = eph_website.target:TARGET")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(packages))
        with sites.running_site(local=TOML) as made:
            yield made
            stop_website(made, packages)


def stop_website(site: Site, packages: Path) -> None:
    """What its environments share keeps running when Eph stops, as with every target."""
    code = f"from eph_website.target import TARGET; TARGET.stop({website_settings(site)!r})"
    environ = {**site.environ, "PYTHONPATH": str(packages)}
    subprocess.run([sys.executable, "-c", code], cwd=sites.ROOT, env=environ, check=True)


def website_settings(site: Site) -> dict[str, str]:
    return {"root": str(site.eph_home / "website"), "routes": site.local["routes"]}


def shows(site: Site, host: str, text: str) -> str:
    page = site.page(host)
    return "" if text in page.text else f"{page.status} {page.text[:200]!r}; {site.log_tail()[-800:]}"


def servers(site: Site) -> list[int]:
    return [
        pid for pid in process_table.pids() if f"--directory {site.eph_home}/folders" in process_table.command_line(pid)
    ]


def test_environment_is_created_updated_put_to_sleep_woken_audited_and_destroyed(site: Site) -> None:
    number, sha = site.open_pull("pages", {"eph.yaml": FILE.format(text="page one")})
    host = site.wait_for_host(number)
    name = host.partition(".")[0]
    wait_until("it is created", lambda: shows(site, host, f"Welcome, page one of {sha[:7]}"), 60)
    site.wait_for_comment(number, "Ready", sha[:7])
    assert site.api(f"environments/{name}")["target"] == "folders"
    site.wait_for_log(name, "page one")

    newer = site.forge.push(sites.REPOSITORY, "pages", {"eph.yaml": FILE.format(text="page two")})
    wait_until("it is updated", lambda: shows(site, host, f"Welcome, page two of {newer[:7]}"), 60)
    site.wait_for_comment(number, "Ready", newer[:7])

    slept = site.eph("sleep", name)
    assert slept.returncode == 0, slept.stderr
    site.wait_for_comment(number, "Asleep")
    wait_until("nothing runs", lambda: _running(site, name), 15)
    woken = site.eph("wake", name)
    assert woken.returncode == 0, woken.stderr
    wait_until("it is awake", lambda: shows(site, host, "page two"))
    site.wait_for_comment(number, "Ready")

    audited = json.loads(site.eph("audit", "--output", "json").stdout)
    assert (audited["clean"], audited["looked"]["folders"]) == (True, 1)
    stray = site.eph_home / "folders" / "pages" / "shop-nobody-knows-it-7"
    stray.mkdir()
    wait_until("what no stack knows is purged", lambda: str(stray) if stray.exists() else "")

    site.forge.close_pull(sites.REPOSITORY, number)
    wait_until("it is destroyed", lambda: ", ".join(map(str, (site.eph_home / "folders" / "pages").iterdir())), 60)
    wait_until("its stack is gone", lambda: str(site.stacks() or ""))
    assert servers(site) == []


@pytest.mark.exhaustive
def test_documented_target_is_created_updated_and_destroyed(site: Site) -> None:
    number, _ = site.open_pull("site", {"eph.yaml": WEBSITE_FILE.format(text="one")})
    host = site.wait_for_host(number)
    name = host.partition(".")[0]
    wait_until("it is created", lambda: shows(site, host, "one"), 60)
    newer = site.forge.push(sites.REPOSITORY, "site", {"eph.yaml": WEBSITE_FILE.format(text="two")})
    wait_until("it is updated", lambda: shows(site, host, "two"), 60)
    site.wait_for_comment(number, "Ready", newer[:7])
    site.wait_for_log(name, "GET /")
    assert json.loads(site.eph("audit", "--output", "json").stdout)["clean"]

    site.forge.push(
        sites.REPOSITORY, "site", {"eph.yaml": WEBSITE_FILE.format(text="three").replace("root: dist", "root: out")}
    )
    site.wait_for_comment(number, "there is no folder out after the build", newer[:7])
    assert "two" in site.page(host).text

    site.forge.close_pull(sites.REPOSITORY, number)
    left = site.eph_home / "website"
    wait_until("it is destroyed", lambda: ", ".join(map(str, all_files(left / "envs"))), 60)
    wait_until("its stack is gone", lambda: str(site.stacks() or ""))
    assert list((left / "ports").glob("[0-9]*")) == []


def _running(site: Site, name: str) -> str:
    events = [item["message"] for item in site.api("events", name=name, limit="500")["items"]]
    lines = {pid: process_table.command_line(pid) for pid in servers(site)}
    return f"{lines}: {events[-6:]}" if lines else ""


@pytest.mark.exhaustive
def test_its_settings_and_section_are_validated_like_any_other(site: Site) -> None:
    number, _ = site.open_pull(
        "broken", {"eph.yaml": FILE.format(text="x") + "services: [{name: web, command: run}]\n"}
    )
    site.wait_for_comment(number, "the target `folders` runs no services")
    config = site.home / "wrong.toml"
    config.write_text("[folders]\ngreetin = 'Hi'\n")
    command = [sys.executable, "-m", "orchestrator.app", "--config", str(config)]
    done = subprocess.run(command, cwd=sites.ROOT, env=site.environ, capture_output=True, text=True, check=False)
    assert "folders.greetin: " in done.stderr
    assert "did you mean folders.greeting?" in done.stderr
