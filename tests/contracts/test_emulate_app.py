"""Eph as a GitHub App on a GitHub that we didn't write: JWTs, tokens, reports, and its signed webhooks.

Rows: O5, L1, P1, P2, S1. emulate 0.11.2 has no list of an installation's repositories, so names are exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.forges.github.github_forge import AppKey, GitHubForge
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.port import EXPIRED, CheckReport, Conclusion, ForgeRefused
from stacks import keys
from tests.contracts.emulate_host import SEED, EmulateHost, emulate
from tests.demo.test_sample_github import WebhookReceiver
from tests.forges.github.test_webhook_deliveries import rsa_key

MARKER = "<!-- eph:preview -->"
SECRET = "quiet"
APP = """
  apps:
    - app_id: 4711
      slug: eph-previews
      name: eph-previews
      private_key: {key}
      webhook_url: {url}
      webhook_secret: {secret}
      events: [pull_request, issue_comment, push]
      permissions: {{contents: read, pull_requests: write, issues: write, checks: write, metadata: read}}
      installations:
        - {{installation_id: 99, account: ada}}
"""


@dataclass
class AppSetup:
    url: str
    key: AppKey
    receiver: WebhookReceiver

    def forge(self, *names: str, key: AppKey | None = None) -> GitHubForge:
        return GitHubForge(self.url, key or self.key, names)


@pytest.fixture(scope="module")
def app_setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSetup]:
    key, ear = rsa_key(), WebhookReceiver()
    seed = SEED + APP.format(key=json.dumps(key), url=ear.url, secret=SECRET)
    with emulate(tmp_path_factory.mktemp("emulate"), seed) as url:
        yield AppSetup(url, AppKey("4711", key), ear)
    ear.close()


@pytest.mark.real
@pytest.mark.long
def test_an_app_reads_and_reports_there(app_setup: AppSetup) -> None:
    """O5, P1, P2: found with a JWT, read and written with the installation's token; found again by a fresh client."""
    host = EmulateHost(app_setup.url, "ada/app-shop")
    sha = host.push("one", {"message.txt": "one\\n"})
    number = host.open_pull("one")
    host.label(number, "preview")
    for text in ("creating", "ready"):
        forge = app_setup.forge("ada/app-shop")
        [shop] = forge.repositories()
        [pull] = forge.pulls(shop).open
        assert (pull.key.number, pull.head_sha, pull.labels) == (number, sha, frozenset({"preview"}))
        forge.upsert_comment(shop, number, MARKER, f"{MARKER} {text}")
        forge.report_check(shop, sha, "eph", CheckReport(Conclusion.SUCCESS, text, text))
        forge.mark(shop, sha, EXPIRED, text)
        forge.close()
    said = [item["body"] for item in host._repo("GET", f"/issues/{number}/comments")]
    assert said == [f"{MARKER} ready"]
    assert host.reports(sha)["eph"] == "success"
    forge = app_setup.forge("ada/app-shop")
    assert forge.decisions(forge.repositories()[0], sha) == {EXPIRED: "ready"}
    forge.close()
    host.done()


@pytest.mark.real
def test_its_webhooks_pass_our_verification(app_setup: AppSetup) -> None:
    """L1, S1: signed by someone else's code, and they name the pull request."""
    host = EmulateHost(app_setup.url, "ada/app-hooks")
    host.push("one", {"message.txt": "one\\n"})
    number = host.open_pull("one")
    forge = app_setup.forge("ada/app-hooks")
    [shop] = forge.repositories()
    event, signed, body = app_setup.receiver.wait_for("opened")
    while json.loads(body)["repository"]["full_name"] != "ada/app-hooks":  # another test's
        event, signed, body = app_setup.receiver.wait_for("opened")
    assert webhook_events.verify(SECRET.encode(), body, signed)
    assert not webhook_events.verify(b"another", body, signed)
    assert webhook_events.key_of(event, body) == keys.pull_request(shop.id, number)
    forge.close()
    host.done()


@pytest.mark.real
def test_rejections_are_reported(app_setup: AppSetup) -> None:
    """O5: another key, and an owner who hasn't installed the App."""
    wrong, elsewhere = app_setup.forge("ada/app-shop", key=AppKey("4711", rsa_key())), app_setup.forge("grace/shop")
    with pytest.raises(ForgeRefused, match="401"):
        wrong.repositories()
    with pytest.raises(ForgeRefused, match="not installed at grace"):
        elsewhere.repositories()
    wrong.close()
    elsewhere.close()
