"""Attacks of an environment on PostgreSQL and on what Eph knows about databases, each tried on a real server."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest

from programs.kit import files
from programs.kit.database import environment_databases, postgres
from programs.kit.database.environment_databases import OwnedObject
from programs.kit.identifiers import server_id
from programs.kit.isolation import domains
from programs.kit.processes import program_files, sandbox, supervisor
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import BLOG, SHOP, Isolated, psql
from tests.targets.local_machine import database_session, local_settings

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]

SHOP_DATABASE, BLOG_DATABASE = "eph_shop_db", "eph_blog_db"
CLEARTEXT_REQUEST = struct.pack("!cii", b"R", 8, 3)


@pytest.mark.parametrize("comment", ["[" * 200_000, "", "{}", "null", "forged"], ids=len)
@pytest.mark.long
def test_a_databases_comment_hides_nothing_and_blocks_nothing(isolated: Isolated, comment: str) -> None:
    """S3 L7: a comment of 200,000 brackets used to stop the reading and destroying of every environment."""
    here = isolated.here
    url = environment_databases.create(here, SHOP, SHOP_DATABASE)
    environment_databases.create(here, BLOG, BLOG_DATABASE)
    if comment == "forged":
        comment = json.dumps({"eph": server_id(str(here.root)), "environment": BLOG, "state": "seeded"})
    with database_session(here, url, autocommit=True) as session:
        postgres.execute(session, "COMMENT ON DATABASE {} IS {note}", SHOP_DATABASE, note=comment)
    found = {(item.kind, item.name, item.environment) for item in environment_databases.list_owned(here)}
    assert found == {
        (kind, name, environment)
        for kind in ("ROLE", "DATABASE")
        for name, environment in ((SHOP_DATABASE, SHOP), (BLOG_DATABASE, BLOG))
    }
    cleanup.purge(here, SHOP)
    assert {item.environment for item in environment_databases.list_owned(here)} == {BLOG}


@pytest.mark.parametrize(
    "statement",
    [
        "COMMENT ON ROLE {} IS NULL",
        "COMMENT ON ROLE eph_blog_db IS NULL",
        "ALTER DATABASE {} RENAME TO kept",
        "ALTER DATABASE {} OWNER TO eph_blog_db",
        "ALTER ROLE {} RENAME TO kept",
        "CREATE DATABASE more",
    ],
)
def test_an_environments_role_cannot_change_who_owns_what(isolated: Isolated, statement: str) -> None:
    """S3: what Eph trusts is written by the administrator only."""
    url = environment_databases.create(isolated.here, SHOP, SHOP_DATABASE)
    environment_databases.create(isolated.here, BLOG, BLOG_DATABASE)
    with database_session(isolated.here, url, autocommit=True) as session, pytest.raises(psycopg.Error):
        postgres.execute(session, statement, *[SHOP_DATABASE] * statement.count("{}"))


@pytest.mark.parametrize("statement", ["IS_TEMPLATE true", "CONNECTION LIMIT 0"])
def test_an_owner_cannot_keep_its_database_from_being_dropped(isolated: Isolated, statement: str) -> None:
    """S3 C1: PostgreSQL doesn't drop a template, and an owner may declare its database as one."""
    here = isolated.here
    url = environment_databases.create(here, SHOP, SHOP_DATABASE)
    with database_session(here, url, autocommit=True) as session:
        postgres.execute(session, f"ALTER DATABASE {{}} WITH {statement}", SHOP_DATABASE)
    environment_databases.recreate(here, SHOP, SHOP_DATABASE)
    with postgres.connect(here) as session:
        postgres.execute(session, f"ALTER DATABASE {{}} WITH {statement}", SHOP_DATABASE)
    cleanup.purge(here, SHOP)
    assert environment_databases.list_owned(here) == []


def test_databases_of_earlier_versions_are_found_with_their_seeds(isolated: Isolated) -> None:
    """L2 D2: their seed's state is in the comment of the database, and a finished seed isn't repeated."""
    here = isolated.here
    environment_databases.create(here, SHOP, SHOP_DATABASE)
    note = {"eph": server_id(str(here.root)), "environment": SHOP, "state": environment_databases.SEEDED}
    with postgres.connect(here) as session:
        postgres.execute(session, "COMMENT ON DATABASE {} IS {note}", SHOP_DATABASE, note=json.dumps(note))
    assert environment_databases.seed_state(here, SHOP_DATABASE) == environment_databases.SEEDED
    owned = environment_databases.list_owned(here)
    assert OwnedObject("DATABASE", SHOP_DATABASE, SHOP, environment_databases.SEEDED) in owned
    environment_databases.recreate(here, SHOP, SHOP_DATABASE)
    assert environment_databases.seed_state(here, SHOP_DATABASE) == ""


def test_database_is_reached_through_the_domain_only(isolated: Isolated) -> None:
    """S3 T1: the URL works inside, also for drivers that require TLS by default, such as Go's lib/pq."""
    isolated.workspace(SHOP)
    url = environment_databases.create(isolated.here, SHOP, SHOP_DATABASE)
    with database_session(isolated.here, url) as session:
        session.execute("create table kept as select 42 as x")
    inside = connectivity.inside_url(isolated.here, url)
    found = isolated.run(SHOP, f"{psql()} -At -d $URL -c 'table kept'", URL=inside, PGSSLMODE="require")
    assert found.strip() == "42"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url).close()


def test_urls_in_older_states_get_an_sslmode(isolated: Isolated) -> None:
    """T1: the next update passes a URL that lib/pq accepts."""
    old = "postgresql://eph_x:secret@127.0.0.1:20000/eph_x"
    assert connectivity.inside_url(isolated.here, old).endswith("/eph_x?sslmode=disable")


def test_every_password_is_stored_and_checked_with_scram(isolated: Isolated) -> None:
    """S3 S4: neither a role nor a line of pg_hba.conf allows another method."""
    environment_databases.create(isolated.here, SHOP, SHOP_DATABASE)
    with postgres.connect(isolated.here) as session:
        stored = session.execute("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").fetchall()
        methods = session.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
    assert len(stored) == 2
    assert all(str(text).startswith("SCRAM-SHA-256$") for (text,) in stored)
    assert methods == [("scram-sha-256",)]


def test_the_administrators_password_is_never_sent_to_an_impostor() -> None:
    """S3 S4: a server that asks for a password in clear gets none."""
    received = bytearray()
    with tempfile.TemporaryDirectory(prefix="eph-") as short, socket.socket(socket.AF_UNIX) as listener:
        here = local_settings(Path(short))
        folder = files.make_folder(Path(postgres.socket_folder(here)))
        files.write(folder / "password", "the-secret")
        listener.bind(str(folder / f".s.PGSQL.{postgres.address(here)[1]}"))
        listener.listen()
        impostor = threading.Thread(target=_ask_for_a_password, args=(listener, received))
        impostor.start()
        with pytest.raises(psycopg.OperationalError), postgres.connect(here):
            pass
        impostor.join(10)
    assert b"user" in received
    assert b"the-secret" not in received


def _ask_for_a_password(listener: socket.socket, received: bytearray) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(10)
        received += connection.recv(4096)
        connection.sendall(CLEARTEXT_REQUEST)
        while data := connection.recv(4096):
            received += data


def test_a_port_stays_open_only_for_environments_of_earlier_versions(isolated: Isolated) -> None:
    """S3: their databases stay reachable until the last one is updated; then the server listens on no port."""
    here = isolated.here
    isolated.workspace(SHOP)
    url = environment_databases.create(here, SHOP, SHOP_DATABASE)
    domains.remove(here, SHOP)
    file = program_files.launch_file(here, postgres.PROGRAM)
    launch = json.loads(file.read_text())
    launch["argv"] = [word.replace("listen_addresses=", "listen_addresses=127.0.0.1") for word in launch["argv"]]
    launch["argv"].remove("unix_socket_permissions=0700")
    launch["argv"].remove("-c")
    file.write_text(json.dumps(launch))
    before = supervisor.info(here, postgres.PROGRAM)["pid"]

    TARGET.ensure(isolated.machine.raw_settings)
    assert supervisor.info(here, postgres.PROGRAM)["pid"] != before
    psycopg.connect(url).close()
    database_session(here, url).close()

    domains.ensure(here, SHOP)
    TARGET.ensure(isolated.machine.raw_settings)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url).close()
    database_session(here, url).close()
    pid = supervisor.info(here, postgres.PROGRAM)["pid"]
    TARGET.ensure(isolated.machine.raw_settings)
    assert supervisor.info(here, postgres.PROGRAM)["pid"] == pid, "it doesn't restart again"
