"""The pods' own commands, with a real Redis, MariaDB and mail catcher in place of their containers (D5).

Kubernetes' part is played: it expands ``$(NAME)``, mounts an empty folder at /data, and runs the readiness probe.
"""

from __future__ import annotations

import re
import shlex
import shutil
import smtplib
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.demo.free_ports import free_port
from programs.kit import waiting
from programs.kit.processes import sandbox
from programs.spec import DatabaseSpec
from programs.targets.kubernetes.rendering import servers
from tests.targets.kubernetes.recorded_program import SETTINGS

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
PASSWORD = "correct-horse_battery"
SECONDS = 60
ROOT = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc")
CASES = {
    "redis": ("redis-server", "redis-cli -u '{url}' {words}", "set visits 7", "get visits", "7"),
    "mysql": (
        "mariadbd",
        "MYSQL_PWD={password} mariadb --no-defaults -NB -h 127.0.0.1 -u app orders -e '{words}'",
        'CREATE TABLE fruit (name text); INSERT INTO fruit VALUES ("apple")',
        "SELECT name FROM fruit",
        "apple",
    ),
}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """As Kubernetes expands a container's command, variables and probe."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: "$" if found[1] is None else values.get(found[1], found[0]), text)


def run(container: Mapping[str, Any], folder: Path, command: str) -> str:
    """Starts the container's command, waits until its probe succeeds, and runs another one. All end together."""
    values: dict[str, str] = {}
    for item in container["env"]:
        values[item["name"]] = PASSWORD if "valueFrom" in item else expanded(item["value"], values)
    words = [expanded(word, values) for word in container["command"]]
    probe = container["readinessProbe"]["exec"]["command"]
    ready = shlex.join(expanded(word, values) for word in probe)
    script = (
        f"{shlex.join(words)} >/data/log 2>&1 & n=0; until {ready} >/dev/null 2>&1; do "
        f"n=$((n + 1)); [ $n -lt {SECONDS * 10} ] || {{ cat /data/log; exit 1; }}; sleep 0.1; done; {command}"
    )
    binds = [word for path in ROOT for word in ("--ro-bind-try", path, path)]
    outer = ["bwrap", *binds, "--bind", str(folder), "/data", "--chdir", "/data", "--tmpfs", "/tmp", "--dev", "/dev"]
    outer += ["--proc", "/proc", "--unshare-net", "--unshare-pid", "--unshare-user", "--uid", "999"]
    outer += ["--die-with-parent", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"]
    outer += [word for name, value in values.items() for word in ("--setenv", name, value)]
    done = subprocess.run([*outer, "sh", "-c", script], capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


needs_sandbox = pytest.mark.skipif(not sandbox.works(), reason="needs bubblewrap")


@needs_sandbox
@pytest.mark.parametrize("engine", ["redis", pytest.param("mysql", marks=pytest.mark.long)])
def test_server_answers_its_url_and_keeps_its_data(tmp_path: Path, engine: str) -> None:
    program, client, write, read, expected = CASES[engine]
    if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
        pytest.skip(f"needs {program}: run `make databases`")
    item = DatabaseSpec("orders", engine=engine)
    [container] = servers.stateful_set(item, SETTINGS, {})["spec"]["template"]["spec"]["containers"]
    url = re.sub("@[^:]+:", "@127.0.0.1:", servers.url(item, PASSWORD))

    def ask(words: str) -> str:
        return run(container, tmp_path, client.format(url=url, password=PASSWORD, words=words))

    ask(write)
    assert ask(read) == expected


def test_mail_catcher_listens_on_the_pods_address(tmp_path: Path) -> None:
    [container] = servers.mail_stateful_set(SETTINGS, {})["spec"]["template"]["spec"]["containers"]
    smtp, web = free_port(), free_port()
    env = {item["name"]: item["value"] for item in container["env"]}
    argv = [sys.executable, *container["command"][1:], str(tmp_path), str(smtp), str(web)]
    pod_address = "127.0.0.2"  # one of this machine's, and not the one that it listens on by default
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            assert waiting.wait_until(lambda: connects(pod_address, smtp) and connects(pod_address, web), SECONDS, 0.05)
            with smtplib.SMTP(pod_address, smtp, timeout=SECONDS) as client:
                client.sendmail("shop@preview.test", ["ada@example.com"], "Subject: Welcome\r\n\r\nHello")
            found = httpx.get(f"http://{pod_address}:{web}/messages.json", trust_env=False).json()
        finally:
            process.kill()
    assert [item["subject"] for item in found] == ["Welcome"]


def connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 5).close()
    except OSError:
        return False
    return True
