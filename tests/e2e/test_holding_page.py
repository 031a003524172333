"""The page of an environment that is being built shows its output, live: P3, S4."""

from __future__ import annotations

import pytest

from tests.e2e.site import CREATE_TIMEOUT, SHOP, Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

BUILD = 'echo "downloading the internet"; until [ -e "$HOME/continue" ]; do sleep 0.1; done; sh build.sh'
EPH_YAML = (SHOP / "eph.yaml").read_text().replace("sh build.sh", BUILD).replace("timeout: 1m", "timeout: 5m")


@pytest.mark.exhaustive
def test_page_shows_the_output_of_a_build_while_it_runs(site: Site) -> None:
    number, sha = site.open_pull("slow-build", {"eph.yaml": EPH_YAML})
    wait_until("it is known", lambda: "" if site.api("environments")["items"] else "no environment")
    [item] = site.api("environments")["items"]
    shown = ("Checkout", "Build", "downloading the internet")
    wait_until("the page shows the output", lambda: _missing(site, item["host"], *shown), CREATE_TIMEOUT)
    (site.eph_home / "local" / "envs" / item["name"] / "home" / "continue").touch()
    made = site.wait_for_preview("slow-build", number, sha)
    wait_until("nothing runs any more", lambda: _published_output(site))
    site.forge.close_pull("acme/shop", number)
    site.wait_until_gone(made)


def _published_output(site: Site) -> str:
    try:
        return (site.eph_home / "gateway" / "output.json").read_text()
    except FileNotFoundError:
        return ""


def _missing(site: Site, host: str, *parts: str) -> str:
    page = site.page(host)
    missing = [part for part in parts if part not in page.text]
    return f"{page.status}, without {missing}: {page.text[-1500:]}" if missing else ""
