"""Changes of a running environment by its developer, on a real ephd: restart, variables, a fresh database.

Rows: P5, Y5, D4, S4.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.exposure import process_command_lines, readable_files
from tests.e2e.previews import Preview
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

SECRET = "sk_sesame_4eC39HqLyjWD"


def answer(site: Site, preview: Preview, path: str) -> dict[str, object]:
    """Empty while it doesn't respond."""
    page = site.page(preview.host, path)
    return dict(page.data) if page.status == 200 else {}


def succeed(site: Site, *words: str) -> str:
    done = site.eph(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.exhaustive
def test_a_service_restarts_gets_variables_and_a_fresh_database(site: Site, tmp_path: Path) -> None:
    one = site.preview("changed")
    before = answer(site, one, "/environ")
    assert succeed(site, "restart", one.name, "web")
    wait_until("it responds again", lambda: "" if answer(site, one, "/environ") == before else "not yet", 60)

    (tmp_path / "key").write_text(f"{SECRET}\n")
    succeed(site, "env", "set", one.name, "MODE=fast")
    succeed(site, "env", "set", one.name, "--from-file", f"API_KEY={tmp_path / 'key'}", "--secret")
    (tmp_path / "key").unlink()
    wait_until(
        "both variables arrive",
        lambda: "" if answer(site, one, "/environ").get("API_KEY") == SECRET else "not yet",
        120,
    )
    assert answer(site, one, "/environ")["MODE"] == "fast"
    assert answer(site, one, "/")["commit"] == one.commit, "without a push"
    listed = json.loads(succeed(site, "env", "list", one.name, "--json", "name,value"))
    assert listed == [{"name": "API_KEY", "value": None}, {"name": "MODE", "value": "fast"}]

    assert site.page(one.host, "/add", q="cherry").status == 200
    seeded = answer(site, one, "/")["goods"]
    assert isinstance(seeded, list)
    assert "cherry" in seeded
    seeded.remove("cherry")
    assert site.eph("db", "reset", one.name).returncode == 2, "it asks for confirmation, and no one can answer here"
    assert "main" in succeed(site, "db", "reset", one.name, "--yes")
    wait_until("it has its seed only", lambda: "" if answer(site, one, "/").get("goods") == seeded else "not yet", 120)
    assert answer(site, one, "/environ")["API_KEY"] == SECRET, "everything else stays"

    site.kill()
    site.start()
    sha = site.push(one, {"text": "x"})
    site.wait_for_commit(one, sha)
    assert answer(site, one, "/environ")["API_KEY"] == SECRET, "a push and a crash keep it"
    assert answer(site, one, "/")["goods"] == seeded

    shown = [
        succeed(site, "logs", one.name, "-n", "500"),
        succeed(site, "events", one.name),
        succeed(site, "get", one.name, "--output", "json"),
        json.dumps(site.api("environments")),
        site.comment(one.number),
        *process_command_lines(),
    ]
    assert not [text for text in shown if SECRET in text]
    assert not [path for path, text in readable_files(site).items() if SECRET in text], "encrypted at rest"
