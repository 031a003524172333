"""The bodies that are sent. Whatever a repository wrote is text in them, never markup."""

from __future__ import annotations

import hashlib
import hmac
import json

from orchestrator.service import wording
from orchestrator.service.channels.announcements import Announcement

MAX_DETAIL = 300
SIGNATURE_HEADER = "X-Eph-Signature"


def slack(announcement: Announcement) -> bytes:
    """For an incoming webhook, in Slack's mrkdwn."""
    subject = _slack_link(announcement.pull_url, announcement.subject)
    lines = [sentence(announcement, subject)]
    if announcement.detail:
        lines.append(f"> {_slack_text(announcement.detail)}")
    links = [(announcement.url, announcement.url), (announcement.page_url, wording.ANNOUNCED_PAGE)]
    lines += [" · ".join(_slack_link(url, label) for url, label in links if url)]
    return json.dumps({"text": "\n".join(filter(None, lines)), "unfurl_links": False}).encode()


def webhook(announcement: Announcement) -> bytes:
    """Ours, documented in docs/how-to/notifications.md. Fields are added, never renamed."""
    body = {
        "version": 1,
        "event": "budget" if announcement.kind == "budget" else f"environment.{announcement.kind}",
        "at": announcement.at.isoformat(),
        "environment": announcement.environment,
        "repository": announcement.repository,
        "subject": announcement.subject,
        "commit": announcement.commit,
        "url": announcement.url,
        "page_url": announcement.page_url,
        "pull_url": announcement.pull_url,
        "detail": announcement.detail[:MAX_DETAIL],
        "expires_at": announcement.expires_at.isoformat() if announcement.expires_at else None,
    }
    return json.dumps(body).encode()


def signature(secret: str, body: bytes) -> str:
    """As Git hosts sign their webhooks, so that receivers can use the code that they have."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def sentence(announcement: Announcement, subject: str) -> str:
    match announcement.kind:
        case "ready":
            return wording.announced_ready(subject, announcement.commit)
        case "failed":
            return wording.announced_failure(subject, announcement.commit)
        case "expiring":
            return wording.announced_expiry(subject, announcement.expires_at or announcement.at)
        case "held":
            return wording.announced_hold(subject)
        case "budget":
            return wording.announced_budget(subject)


def _slack_text(text: str) -> str:
    """Escaped as Slack's documentation says, on one line: no mention, no link, no channel-wide alert."""
    line = " ".join(text[:MAX_DETAIL].split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack_link(url: str, label: str) -> str:
    safe = url.startswith(("https://", "http://")) and not set(url) & set("<>|\n")
    return f"<{url}|{_slack_text(label).replace('|', '/')}>" if safe else _slack_text(label)
