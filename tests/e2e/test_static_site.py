"""The target `static` in a whole Eph: created, updated, refused, repaired and destroyed. Rows: T9, T7, D1 and P3."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from programs.kit.processes import process_table
from programs.targets.static.target import TARGET
from tests.e2e import site as sites
from tests.e2e.site import Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

FILE = (
    'version: "1.0"\nname: shop\nstatic: {{root: {root}, fallback: index.html}}\n'
    'build: "mkdir dist && echo {text} > dist/index.html && echo run > dist/app.js && {more}"\n'
)
PORT_TRIAL = "python3 -c \\\"import socket; assert socket.socket().connect_ex(('127.0.0.1', {port})) != 0\\\""
TOML = '[targets]\nallowed = ["local", "static"]\n'


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=TOML) as made:
        yield made
        # What its environments share keeps running when Eph stops, as with every target.
        made.stop()
        TARGET.stop(settings(made))


def settings(site: Site) -> dict[str, str]:
    return {"root": str(site.eph_home / "static"), "routes": site.local["routes"]}


def eph_yaml(text: str, root: str = "dist", more: str = "true") -> dict[str, str]:
    return {"eph.yaml": FILE.format(text=text, root=root, more=more)}


def shows(site: Site, host: str, text: str) -> str:
    page = site.page(host)
    return "" if text in page.text else f"{page.status} {page.text[:200]!r}; {site.log_tail()[-800:]}"


@pytest.mark.exhaustive
def test_site_is_created_updated_repaired_and_destroyed(site: Site) -> None:
    number, _ = site.open_pull("pages", eph_yaml("one"))
    host = site.wait_for_host(number)
    name = host.partition(".")[0]
    wait_until("it is created", lambda: shows(site, host, "one"), 90)
    root = site.eph_home / "static"
    assert list(process_table.mentioning(f"{root}/envs/{name}/")) == [], "a site has no process"
    assert not (root / "envs" / name / "src").exists()

    newer = site.forge.push(sites.REPOSITORY, "pages", eph_yaml("two"))
    wait_until("it is updated", lambda: shows(site, host, "two"), 90)
    site.wait_for_comment(number, "Ready", newer[:7])
    site.wait_for_log(name, "GET '/'")

    site.forge.push(sites.REPOSITORY, "pages", eph_yaml("three", root="out"))
    site.wait_for_comment(number, "There is no folder out after the build", newer[:7])
    assert "two" in site.page(host).text

    site.forge.push(sites.REPOSITORY, "pages", eph_yaml("four", more="ln -s /etc/passwd dist/x"))
    site.wait_for_comment(number, "x is a symbolic link to a place outside", newer[:7])
    site.forge.push(sites.REPOSITORY, "pages", eph_yaml("five"))
    wait_until("it recovers", lambda: shows(site, host, "five"), 90)

    shutil.rmtree(root / "envs" / name / "sites")
    wait_until("drift is repaired", lambda: shows(site, host, "five"), 90)
    assert json.loads(site.eph("audit", "--output", "json").stdout)["clean"]

    site.forge.close_pull(sites.REPOSITORY, number)
    wait_until("it is destroyed", lambda: ", ".join(map(str, all_files(root / "envs"))), 90)
    wait_until("its stack is gone", lambda: str(site.stacks() or ""))
    assert list((root / "served").iterdir()) == []
    assert [path for path in (root / "uids").glob("*") if path.name != "lock"] == []


def test_build_cannot_connect_to_this_machine(site: Site) -> None:
    """A build runs in a network namespace: Eph's own API doesn't accept its connections."""
    port = site.api_port
    number, _ = site.open_pull("curious", eph_yaml("closed", more=PORT_TRIAL.format(port=port)))
    host = site.wait_for_host(number)
    wait_until("the build found no open port", lambda: shows(site, host, "closed"), 90)
    site.forge.close_pull(sites.REPOSITORY, number)
