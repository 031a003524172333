"""A wake that fails: people see what the service printed, on the pull request, on the dashboard and in the terminal;
a visitor's page says why; and it can be tried again. Rows: P1, P5, P6, L5."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e import site as sites
from tests.e2e.previews import Preview
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

CAUSE = "the cellar is locked"
START = f'if [ -e "$HOME/locked" ]; then echo "{CAUSE}"; exit 3; fi; exec python3 app.py'
EPH_YAML = (
    (sites.SHOP / "eph.yaml").read_text().replace("exec python3 app.py", START).replace("deadline: 30s", "deadline: 5s")
)


def test_the_output_of_a_failed_wake_is_shown_everywhere(site: Site) -> None:
    one = site.preview("locked", {"eph.yaml": EPH_YAML})
    assert CAUSE not in site.eph("steps", one.name, "--lines", "50").stdout
    site.eph("sleep", one.name)
    site.wait_until_asleep(one)
    lock = site.eph_home / "local" / "envs" / one.name / "home" / "locked"
    lock.touch()

    assert site.eph("wake", one.name, "--wait", "--timeout", "90s").returncode != 0
    comment = site.wait_for_comment(one.number, "**Failed to wake up** at", CAUSE, "/eph wake")
    steps = site.api(f"environments/{one.name}/steps")["steps"]
    failed = steps[-1]
    assert failed["state"] == "failed"
    assert any(CAUSE in line for line in failed["lines"]), failed
    assert CAUSE in site.eph("logs", one.name).stdout
    assert CAUSE in site.eph("steps", one.name, "--line", failed["step"]).stdout

    link = re.search(r"\[Full log\]\(<([^>]*)>\)", comment)
    assert link is not None
    assert CAUSE in _marked_step(site, link[1])
    reason = site.api(f"environments/{one.name}")["failure"]["error"].partition(" in ")[0]
    wait_until("the visitor's page says so", lambda: _missing(site, one, reason))

    lock.unlink()
    done = site.eph("wake", one.name, "--wait", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert site.page(one.host).data["commit"] == one.commit
    assert CAUSE not in site.wait_for_comment(one.number, "Ready")


def _marked_step(site: Site, link: str) -> str:
    """The open steps on the linked page that have a marked line."""
    parts = urlsplit(link)
    headers = {"Authorization": f"Bearer {site.api_token}"}
    text = httpx.get(site.api_url(f"{parts.path[1:]}?{parts.query}"), headers=headers, trust_env=False, timeout=30).text
    found = re.findall(r"<details [^>]* open>.*?</details>", text, re.DOTALL)
    return "\n".join(step for step in found if "marked" in step)


def _missing(site: Site, preview: Preview, part: str) -> str:
    url = f"http://127.0.0.1:{site.gateway_port}/"
    headers = {"Host": preview.host, "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    page = httpx.get(url, headers=headers, trust_env=False, timeout=90)
    return "" if page.status_code == 503 and part in page.text else f"{page.status_code}: {page.text[-1500:]}"
