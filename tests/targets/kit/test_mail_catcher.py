"""What a mail catcher keeps and shows. Rows: D5, S3 (the sender controls all of it)."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.error import HTTPError

import pytest

from programs.kit.mail_catcher import pages, web
from programs.kit.mail_catcher.mailbox import Mailbox

SCRIPT = "<script>alert(1)</script>"


def message(**headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"Subject": "Welcome", **headers}.items():
        made[name] = value
    made.set_content("Your code is 1234.")
    return made


def test_messages_survive_a_restart_and_the_oldest_make_room(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, max_messages=3)
    for number in range(5):
        mailbox.add("shop@example.com", ["ada@example.com"], message(Subject=f"Order {number}").as_bytes(), at=1.0)
    again = Mailbox(tmp_path, max_messages=3)
    assert [item.subject for item in again.newest_first()] == ["Order 4", "Order 3", "Order 2"]
    assert again.add("a", ["b"], b"Subject: six\n\n").number == 6
    assert len(list(tmp_path.iterdir())) == 6, "a message and a note each"
    assert again.find(1) is None


def test_messages_are_bounded_in_size(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, max_bytes=1000)
    for _ in range(5):
        mailbox.add("a", ["b"] * 1000, b"x" * 400)
    assert [item.size for item in mailbox.newest_first()] == [400, 400]
    assert max(len(item.recipients) for item in mailbox.newest_first()) == 50


def test_a_note_that_was_cut_short_is_ignored(tmp_path: Path) -> None:
    Mailbox(tmp_path).add("a", ["b"], b"")
    (tmp_path / "00000002.json").write_text('{"number": 2')
    assert [item.number for item in Mailbox(tmp_path).newest_first()] == [1]


def test_parts_that_are_nested_too_deeply_are_an_error_of_the_message() -> None:
    nested = "".join(f'Content-Type: multipart/mixed; boundary="b{depth}"\n\n--b{depth}\n' for depth in range(3000))
    assert pages.read_body(nested.encode()).error


def test_text_html_and_attachments_are_found() -> None:
    made = message()
    made.add_alternative("<p>Hello</p>", subtype="html")
    made.add_attachment(b"12345", maintype="application", subtype="pdf", filename="bill.pdf")
    body = pages.read_body(made.as_bytes())
    assert (body.text.strip(), body.html.strip()) == ("Your code is 1234.", "<p>Hello</p>")
    assert body.attachments == (("bill.pdf", 5),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\xff" * 1000,
        b"Content-Type: text/html; charset=nonsense\n\n<p>caf\xe9",
        b"Subject: =?nonsense?q?x?=\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 300,
    ],
)
def test_malformed_messages_are_kept_and_shown(tmp_path: Path, content: bytes) -> None:
    added = Mailbox(tmp_path).add("a", ["b"], content)
    assert pages.message_page(added, content).startswith("<!doctype html>")
    assert pages.message_json(added, content)


def test_nothing_of_a_message_is_markup_of_the_page(tmp_path: Path) -> None:
    made = message(Subject=SCRIPT)
    made.set_content(SCRIPT)
    made.add_attachment(b"x", maintype="a", subtype="b", filename=SCRIPT)
    added = Mailbox(tmp_path).add(SCRIPT, [SCRIPT], made.as_bytes())
    for page in (pages.list_page([added]), pages.message_page(added, made.as_bytes())):
        assert "<script" not in page
        assert "&lt;script&gt;" in page


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Mailbox, str]]:
    mailbox = Mailbox(tmp_path)
    serving = web.server(mailbox, "127.0.0.1", 0)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mailbox, f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_html_of_a_message_can_do_nothing(site: tuple[Mailbox, str]) -> None:
    """S3: neither in the frame nor opened on its own."""
    mailbox, url = site
    made = message()
    made.set_content(f"{SCRIPT}<img src=https://tracker.example.com/x>", subtype="html")
    mailbox.add("a", ["b"], made.as_bytes())
    page = urllib.request.urlopen(f"{url}/messages/1").read().decode()
    assert '<iframe sandbox title="The message as HTML" src="/messages/1/html">' in page
    for view in ("html", "source"):
        with urllib.request.urlopen(f"{url}/messages/1/{view}") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("sandbox; default-src 'none'")
            assert "script-src" not in policy
            assert "https:" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with urllib.request.urlopen(f"{url}/messages/1/source") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/messages/2", "/messages/1/raw", "/../secret", "/messages/99999999999", "/x"])
def test_other_paths_do_not_exist(site: tuple[Mailbox, str], path: str) -> None:
    mailbox, url = site
    mailbox.add("a", ["b"], b"")
    with pytest.raises(HTTPError, match="404"):
        urllib.request.urlopen(url + path)


def test_suites_read_messages_as_json(site: tuple[Mailbox, str]) -> None:
    mailbox, url = site
    mailbox.add("shop@example.com", ["ada@example.com"], message().as_bytes())
    assert b'"subject": "Welcome"' in urllib.request.urlopen(f"{url}/messages.json").read()
    assert b"Your code is 1234." in urllib.request.urlopen(f"{url}/messages/1.json").read()
