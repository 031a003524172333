"""Announcements by e-mail: the message, and how it reaches the SMTP server.

What a repository wrote is plain text on one line, so it can neither add a header nor look like another message.
"""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from orchestrator.config.settings.channel_tables import ChannelSettings
from orchestrator.config.settings.setting_types import host_and_port
from orchestrator.service import wording
from orchestrator.service.channels import payloads
from orchestrator.service.channels.announcements import Announcement

TIMEOUT = 10.0


def message(announcement: Announcement, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    made = EmailMessage()
    sentence = payloads.sentence(announcement, announcement.subject)
    made["Subject"] = _one_line(sentence).rstrip(".")
    made["From"] = _address(sender)
    made["To"] = [_address(each) for each in recipients]
    made["Date"] = formatdate(announcement.at.timestamp())
    made["Message-ID"] = make_msgid(domain="eph")
    made["Auto-Submitted"] = "auto-generated"  # out-of-office programs don't reply to it
    detail = _one_line(announcement.detail)[: payloads.MAX_DETAIL]
    links = [("", announcement.url), (wording.ANNOUNCED_PAGE, announcement.page_url), ("", announcement.pull_url)]
    listed = "\n".join(f"{label}: {url}" if label else url for label, url in links if url)
    made.set_content("\n\n".join(filter(None, [_one_line(sentence), detail, listed])) + "\n")
    return made


def send(channel: ChannelSettings, announcement: Announcement) -> None:
    """Blocking. Raises OSError or smtplib.SMTPException."""
    host, port = host_and_port(channel.smtp)
    context = ssl.create_default_context(cafile=str(channel.ca_file) if channel.ca_file else None)
    with _connect(channel, host, port, context) as server:
        if channel.tls == "starttls":
            server.starttls(context=context)
        if channel.username:
            server.login(channel.username, channel.read_password())
        server.send_message(message(announcement, channel.sender, channel.to))


def problem(error: Exception) -> str:
    """Without the server's text, which could contain anything."""
    code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
    return f"{type(error).__name__}{code}"


def _connect(channel: ChannelSettings, host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    if channel.tls == "implicit":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT)


def _address(text: str) -> Address:
    return Address(addr_spec=text)


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
