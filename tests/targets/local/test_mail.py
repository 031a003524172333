"""The mail catcher of an environment, in its sandbox. Rows: D5, S3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from programs.kit.isolation import servers
from programs.kit.isolation.sockets import Dialer
from programs.runtime_info import LogRequest
from programs.targets.local import environment_servers, liveness, suspend
from programs.targets.local.environment_servers import EnvironmentServer
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import SHOP, Isolated
from tests.targets.local_machine import APP, LocalMachine, Repository, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SEND = """
import os, smtplib, sys
from email.message import EmailMessage
message = EmailMessage()
message["Subject"], message["From"], message["To"] = sys.argv[1], "shop@example.com", "ada@example.com"
message.set_content("Your code is 1234.")
with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"]), timeout=10) as server:
    try:
        server.send_message(message)
        server.sendmail("a", ["b"], b"x" * 11_000_000) if len(sys.argv) > 2 else None
    except smtplib.SMTPException as error:
        print(type(error).__name__)
"""


@pytest.fixture
def mail(isolated: Isolated) -> EnvironmentServer:
    isolated.workspace(SHOP)
    return environment_servers.find(SHOP, "mail", "mail")


def send(isolated: Isolated, port: int, arguments: str) -> str:
    command = f"python3 - {arguments} <<'END'\n{SEND}\nEND"
    return isolated.run(SHOP, command, SMTP_HOST="127.0.0.1", SMTP_PORT=str(port))


def read(isolated: Isolated, port: int, path: str) -> str:
    with Dialer(servers.folder(isolated.here), SHOP) as dialer, dialer.connect(port, 10) as made:
        made.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: made.recv(65536), b"")).decode()


def test_mail_is_kept_and_shown_and_survives_sleep(isolated: Isolated, mail: EnvironmentServer) -> None:
    access = environment_servers.start(isolated.here, mail)
    send(isolated, access.port, "Welcome")
    assert "Welcome" in read(isolated, access.web_port, "/")
    suspend.sleep(isolated.here, SHOP)
    suspend.wake(isolated.here, SHOP, wait=True)
    assert "Your code is 1234." in read(isolated, access.web_port, "/messages/1")
    request = LogRequest(service="mail")
    assert wait_for(
        lambda: any(
            "caught message 1" in line for line in TARGET.logs(SHOP, isolated.machine.raw_settings, request).lines
        )
    )
    assert "SMTPSenderRefused" in send(isolated, access.port, "Second large")
    assert [name in read(isolated, access.web_port, "/") for name in ("Second", "messages/3")] == [True, False]


def test_its_parts_are_listed_as_its_own_and_removed(isolated: Isolated, mail: EnvironmentServer) -> None:
    environment_servers.start(isolated.here, mail)
    assert liveness.live_resources(isolated.here)["MailCatcher"] == {f"{SHOP}/mail/mail"}
    held = [item for item in TARGET.list_resources(isolated.machine.raw_settings) if item.kind in ("port", "service")]
    assert [item.resource_id for item in held] == [f"MailCatcher:{SHOP}/mail/mail"] * 3, "a process and two ports"
    environment_servers.remove(isolated.here, mail)
    assert liveness.live_resources(isolated.here)["MailCatcher"] == set()
    assert not any("mail" in item.name for item in TARGET.list_resources(isolated.machine.raw_settings))


@pytest.mark.long
@pytest.mark.exhaustive
def test_an_environment_with_mail_has_a_page_at_a_host_of_its_own(pulumi: LocalMachine, repository: Repository) -> None:
    machine = pulumi
    commit = repository.push({"app.py": APP, "version.txt": "one", "send.py": SEND})
    start = "python3 send.py Hello; exec python3 app.py"
    service = replace(machine.spec(repository, commit).services[0], command=start)
    spec = machine.spec(repository, commit, mail=True, services=(service,))
    outputs = machine.up(spec)
    host = f"mail--{spec.host}"
    assert outputs["urls"]["mail"] == f"http://{host}:8080"
    assert machine.route(host)["health"] == "/"
    assert "Hello" in machine.get("/", host)
    assert f'"MAIL_PUBLIC_URL": "http://{host}:8080"' in machine.get("/environ")

    newer = replace(spec, source=replace(spec.source, commit=repository.push({"version.txt": "two"})))
    machine.up(newer)
    assert machine.get("/", host).count("Hello") == 2, "mail of the earlier commit is still there"
    without = replace(newer, mail=False, services=machine.spec(repository, commit).services)
    machine.up(without)
    assert "mail" not in machine.outputs()["urls"]
    machine.destroy()
    assert machine.remaining() == []
