"""Preview secrets in a whole Eph: they arrive, they change, forks don't get them, and nobody can read them.

S4, Y4, S2, S3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import site as sites
from tests.e2e.exposure import process_command_lines, readable_files
from tests.e2e.site import LABEL, REPOSITORY, Site

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(400)]

FIRST, SECOND, SAFE = "sk_first_4eC39HqLyjWD", "sk_second_arjtT1zdp7dc", "open_0123456789"
NAMED = "environment: {secrets: {STRIPE_KEY: stripe, MAPS_KEY: maps}}\n"
YAML = (sites.SHOP / "eph.yaml").read_text() + NAMED
BUILD = 'env | sort; echo "built with $STRIPE_KEY"\n'


@pytest.fixture(scope="module")
def secret_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    for name, value in (("stripe", FIRST), ("maps", SAFE)):
        (folder / name).write_text(f"{value}\n")
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def site(secret_files: Path) -> Iterator[Site]:
    toml = "".join(
        f'[secrets.{name}]\nfile = "{secret_files / name}"\nrepositories = ["acme/*"]\nforks = {forks}\n'
        for name, forks in (("stripe", "false"), ("maps", "true"))
    )
    with sites.running_site(local=toml) as made:
        yield made


def service_environ(site: Site, host: str) -> dict[str, str]:
    return dict(site.page(host, "/environ").data)


def test_secret_reaches_the_service_changes_with_its_file_and_is_shown_nowhere(site: Site, secret_files: Path) -> None:
    one = site.preview("one", {"eph.yaml": YAML, "build.sh": BUILD + (sites.SHOP / "build.sh").read_text()})
    assert (service_environ(site, one.host)["STRIPE_KEY"], service_environ(site, one.host)["MAPS_KEY"]) == (FIRST, SAFE)

    (secret_files / "stripe").write_text(SECOND)
    sites.wait_until(
        "the new value arrives",
        lambda: "" if service_environ(site, one.host).get("STRIPE_KEY") == SECOND else "not yet",
        sites.CREATE_TIMEOUT,
    )
    site.wait_for_comment(one.number, "Ready", one.commit[:7])

    failed = site.push(one, {"build.sh": BUILD + "exit 7\n"})
    site.wait_for_comment(one.number, failed[:7], "built with ***", "STRIPE_KEY=***", timeout=sites.CREATE_TIMEOUT)
    assert service_environ(site, one.host)["STRIPE_KEY"] == SECOND, "the running one stays"

    wrong = site.push(one, {"eph.yaml": YAML.replace("stripe", "payroll")})
    site.wait_for_comment(
        one.number, wrong[:7], "environment.secrets.STRIPE_KEY: this server has no secret 'payroll' for acme/shop"
    )
    assert service_environ(site, one.host)["STRIPE_KEY"] == SECOND, "the running one stays"

    for place, text in {**visible_texts(site, one.number, one.name, (failed, wrong)), **readable_files(site)}.items():
        assert not [value for value in (FIRST, SECOND, SAFE) if value in text], place
    assert "STRIPE_KEY" in site.pulumi("stack", "export", "--show-secrets", "--stack", stack(site))


def stack(site: Site) -> str:
    [listed] = json.loads(site.pulumi("stack", "ls", "--all", "--json"))
    return str(listed["name"])


def visible_texts(site: Site, number: int, name: str, commits: tuple[str, ...]) -> dict[str, str]:
    """All output of Eph and of the Git host; the service itself printed nothing of it."""
    found = {"comment": site.comment(number), "ps": "\n".join(process_command_lines())}
    for path in ("status", "environments", "events", f"environments/{name}", f"environments/{name}/why"):
        found[path] = json.dumps(site.api(path))
    for sha in commits:
        found[f"checks {sha}"] = str(site.forge.api("GET", f"/repos/{REPOSITORY}/commits/{sha}/check-runs"))
    logs = (("logs", name, "--lines", "5000"), ("logs", name, "--operation", "--lines", "5000"))
    steps = "steps", name, "--lines", "500"
    for words in (*logs, steps, ("get", name, "-o", "yaml")):
        found[" ".join(words)] = site.eph(*words).stdout
    assert re.search(r"built with \*\*\*", found[" ".join(steps)])
    return found


def test_fork_gets_marked_secrets_and_reports_the_others(site: Site) -> None:
    """S2: after a person approved it; the base branch's file names the secrets."""
    site.forge.push(REPOSITORY, "main", {"eph.yaml": YAML})
    fork = site.forge.fork(REPOSITORY, "mallory")
    sha = site.forge.push(fork, "borrowed", {"note.txt": "x"})
    number = site.forge.open_pull(REPOSITORY, "mallory:borrowed", by="mallory")
    site.forge.label(REPOSITORY, number, LABEL)
    site.wait_for_comment(number, sha[:7], "approve")
    site.forge.comment(REPOSITORY, number, f"/eph approve {sha}")
    made = site.wait_for_preview("borrowed", number, sha)
    assert service_environ(site, made.host)["MAPS_KEY"] == SAFE
    assert "STRIPE_KEY" not in service_environ(site, made.host)
    site.wait_for_comment(number, "forks don't get the secret 'stripe', so this variable is not set")
