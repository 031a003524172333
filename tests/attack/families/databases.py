"""An environment's role and code against PostgreSQL, the victim's database, and what Eph knows about databases."""

from __future__ import annotations

import psycopg

from tests.attack.arena import Arena, lines
from tests.attack.attack import Family, NotTried
from tests.e2e.previews import Preview

FAMILY = Family("PostgreSQL")
RAN = "the statement runs"
SESSION = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=10, autocommit=True) as session:
    own = session.info.dbname
    assert session.execute("SELECT count(*) FROM goods").fetchone()
    {body}
"""
TRY = """
    try:
        found = session.execute({statement!r}.replace("OWN", own).replace("VICTIM", {victim!r}))
        print("RAN", found.fetchmany(3) if found.description else "")
    except psycopg.Error as error:
        print("refused", error)
"""


def execute(arena: Arena, statement: str, preview: Preview | None = None) -> str:
    """What the statement returned if it ran, as the role of the attacker's environment."""
    code = SESSION.format(body=TRY.format(statement=statement, victim=victim_database(arena)).strip())
    return "\n".join(lines(arena.run_code(code, preview), "RAN"))


def victim_database(arena: Arena) -> str:
    """Its name, which isn't secret: every role can list databases."""
    return victim_url(arena).rpartition("/")[2].partition("?")[0]


def victim_url(arena: Arena) -> str:
    return str(arena.site.page(arena.victim.host, "/environ").data["DATABASE_URL"])


FORBIDDEN = {
    "rename its role": "ALTER ROLE OWN RENAME TO kept",
    "become a superuser": "ALTER ROLE OWN SUPERUSER",
    "create roles": "CREATE ROLE more LOGIN",
    "create databases": "CREATE DATABASE more",
    "rename its database": "ALTER DATABASE OWN RENAME TO kept",
    "give its database to the victim": "ALTER DATABASE OWN OWNER TO VICTIM",
    "change the comment of its role": "COMMENT ON ROLE OWN IS NULL",
    "change the comment of the victim's role": "COMMENT ON ROLE VICTIM IS NULL",
    "change the comment of the victim's database": "COMMENT ON DATABASE VICTIM IS 'x'",
    "change the victim's password": "ALTER ROLE VICTIM PASSWORD 'x'",
    "act as the victim": "SET ROLE VICTIM",
    "act as the administrator": "SET ROLE postgres",
    "drop the victim's database": "DROP DATABASE VICTIM",
    "read password hashes": "SELECT rolpassword FROM pg_authid",
    "read files": "SELECT pg_read_file('postgresql.conf')",
    "list files": "SELECT pg_ls_dir('.')",
    "run a program": "COPY goods FROM PROGRAM 'id'",
    "write a file": "COPY goods TO '/tmp/attack'",
    "import a large object from a file": "SELECT lo_import('/etc/passwd')",
    "load a library": "LOAD '/tmp/evil.so'",
    "create an untrusted language": "CREATE EXTENSION plpython3u",
    "change the server's settings": "ALTER SYSTEM SET listen_addresses = '*'",
    "reload the server's settings": "SELECT pg_reload_conf()",
}


@FAMILY.each("S3", "{}", RAN, FORBIDDEN)
def statement(arena: Arena, text: str) -> str:
    return execute(arena, text)


@FAMILY.attack("S3", "end the victim's sessions", "a session of another role ends")
def terminate(arena: Arena) -> str:
    arena.site.page(arena.victim.host)
    found = execute(
        arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS DISTINCT FROM current_user"
    )
    return found if "True" in found else ""


@FAMILY.attack("S3 S4", "read what other roles are running", "a statement of another role")
def activity(arena: Arena) -> str:
    found = execute(
        arena,
        "SELECT query FROM pg_stat_activity WHERE usename <> current_user"
        " AND query NOT IN ('', '<insufficient privilege>')",
    )
    return "" if found == "RAN []" else found


CONNECT = """
import os, psycopg
from urllib.parse import urlsplit
own = urlsplit(os.environ["DATABASE_URL"])
for database, user, password in {cases!r}:
    try:
        psycopg.connect(host=own.hostname, port=own.port, dbname=database or own.path[1:], user=user or own.username,
                        password=own.password if password is None else password, connect_timeout=10).close()
        print("CONNECTED", database, user)
    except psycopg.OperationalError as error:
        print("refused", error)
"""


@FAMILY.each(
    "S3 S4",
    "connect {}",
    "a session opens",
    {
        "to the victim's database with its own role": ("VICTIM", "", None),
        "as the victim without a password": ("VICTIM", "VICTIM", ""),
        "as the victim with its own password": ("VICTIM", "VICTIM", None),
        "as the administrator without a password": ("postgres", "postgres", ""),
        "as the administrator with its own password": ("postgres", "postgres", None),
        "to the maintenance database": ("postgres", "", None),
        "to the template": ("template1", "", None),
    },
)
def connect(arena: Arena, case: tuple[str, str, str | None]) -> str:
    if execute(arena, "SELECT 1") != "RAN [(1,)]":
        raise NotTried("the attacker's own session doesn't work")
    victim = victim_database(arena)
    database, user = (word.replace("VICTIM", victim) for word in case[:2])
    return "\n".join(lines(arena.run_code(CONNECT.format(cases=[(database, user, case[2])])), "CONNECTED"))


@FAMILY.attack("S3", "use the victim's URL from outside of its environment", "a session opens")
def outside(arena: Arena) -> str:
    try:
        psycopg.connect(victim_url(arena), connect_timeout=3).close()
    except psycopg.OperationalError:
        return ""
    return "connected from the machine"
