"""Announcements by e-mail, through a real SMTP server with TLS and a login. Row: P7."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from pydantic import ValidationError

from orchestrator.config.settings.channel_tables import ChannelSettings
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.channels import mail
from orchestrator.service.channels.announcements import Announcement
from orchestrator.service.channels.announcer import Announcer, AnnouncerDependencies
from orchestrator.service.fake import START, sample
from tests.gateway.certificates import CertificateAuthority

PASSWORD = "sesame-open"
NEWS = Announcement("ready", "shop-x-7", "demo/shop", "demo/shop#7", START, "http://x.test", "http://eph.test/e/x")


class Mailbox:
    """A handler of aiosmtpd that keeps what it receives."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.used_tls: list[bool] = []
        self.arrived = asyncio.Event()

    async def handle_DATA(self, _: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.used_tls.append(session.ssl is not None)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.arrived.set()
        return "250 OK"


@dataclass
class MailServer:
    mailbox: Mailbox
    channel: ChannelSettings


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    authority = CertificateAuthority(tmp_path, ("localhost",))
    authority.issue()
    authorities, password = tmp_path / "ca.pem", tmp_path / "password"
    authorities.write_text(authority.text)
    password.write_text(f"{PASSWORD}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate_file, authority.key_file)
    mailbox = Mailbox()

    def authenticate(_: Any, __: Any, ___: Any, mechanism: str, data: Any) -> AuthResult:
        good = mechanism in ("LOGIN", "PLAIN") and data == LoginPassword(b"eph", PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    def connection() -> SMTP:
        return SMTP(
            mailbox, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate,
            hostname="localhost",
        )  # fmt: skip

    listening = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    async with listening:
        yield MailServer(
            mailbox,
            ChannelSettings(
                kind="email",
                smtp=f"localhost:{listening.sockets[0].getsockname()[1]}",
                username="eph",
                password_file=password,
                sender="eph@example.com",
                to=("a@example.com", "b@example.com"),
                ca_file=authorities,
            ),
        )


async def test_a_message_arrives_encrypted_after_a_login(server: MailServer) -> None:
    sleeps: list[float] = []

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)

    async def no_http(*_: object) -> int:
        raise AssertionError("nothing is sent by HTTP")

    announcer = Announcer(
        AnnouncerDependencies({"ops": server.channel}, no_http, sleep, BackgroundTasks(lambda: START, print))
    )
    announcer.on_cycle(CycleResult(at=START))
    announcer.on_cycle(CycleResult(views=(sample(7),), at=START + timedelta(seconds=1)))
    await asyncio.wait_for(server.mailbox.arrived.wait(), 20)
    await announcer.close()
    [found], [encrypted] = server.mailbox.messages, server.mailbox.used_tls
    assert encrypted
    assert sleeps == []
    assert (found["From"], found["To"]) == ("eph@example.com", "a@example.com, b@example.com")
    assert "demo/shop#7" in found["Subject"]
    assert found["Auto-Submitted"] == "auto-generated"
    assert "http://shop-gentle-stream-7.localhost:8080" in found.get_content()


async def test_a_wrong_password_and_a_foreign_certificate_are_reported(server: MailServer, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    with pytest.raises(Exception) as refused:
        await asyncio.to_thread(mail.send, server.channel.model_copy(update={"password_file": wrong}), NEWS)
    assert mail.problem(refused.value) == "SMTPAuthenticationError 535"
    with pytest.raises(ssl.SSLCertVerificationError) as foreign:
        await asyncio.to_thread(mail.send, server.channel.model_copy(update={"ca_file": None}), NEWS)
    assert mail.problem(foreign.value) == "SSLCertVerificationError"
    assert server.mailbox.messages == []


def test_text_of_a_repository_adds_no_header() -> None:
    nasty = "demo/shop#7\r\nBcc: evil@example.com\x00"
    found = mail.message(
        replace(NEWS, subject=nasty, detail=f"a\r\n\r\n{nasty}"), "eph@example.com", ("a@example.com",)
    )
    assert found["Bcc"] is None
    assert "\n" not in found["Subject"]
    assert message_from_bytes(found.as_bytes(), policy=policy.default)["Bcc"] is None


MAIL = {"kind": "email", "smtp": "smtp.example.com:587", "sender": "eph@example.com", "to": ["a@example.com"]}


@pytest.mark.parametrize(
    "change",
    [
        {"smtp": ""},
        {"smtp": "smtp.example.com"},
        {"sender": "eph"},
        {"to": []},
        {"to": ["a@example.com\nBcc: b@example.com"]},
        {"url": "https://example.com"},
        {"username": "eph"},
        {"tls": "none"},
        {"kind": "slack"},
    ],
)
def test_mail_settings_that_cant_work_are_refused(change: dict[str, object]) -> None:
    assert ChannelSettings.model_validate(MAIL).tls == "starttls"
    with pytest.raises((ValidationError, ValueError)):
        ChannelSettings.model_validate({**MAIL, **change})
