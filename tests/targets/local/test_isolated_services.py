"""Services in isolated environments: reached by the gateway, restored with their network, removed with all they hid."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import threading
import urllib.request
from pathlib import Path

import pytest
from yarl import URL

from orchestrator.config import file_names
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, running_gateway
from programs.kit import routes
from programs.kit.database import postgres
from programs.kit.errors import TargetError
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import domains, namespaces, servers, users
from programs.kit.processes import ports, process_table, sandbox, supervisor
from programs.kit.processes.sandbox import Workspace
from programs.targets.local import cleanup, supervised_services
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import BLOG, GENERATION, PORT, SHOP, Isolated
from tests.targets.local_machine import wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]

OLD_GENERATION = "aaaaaaaaaaaa-cccccc"


def test_gateway_connects_to_the_environments_own_process(isolated: Isolated) -> None:
    """P2 S3: requests with and without a body, through the real gateway."""
    isolated.serve(SHOP)
    isolated.route(SHOP)

    async def ask() -> list[str]:
        directory = isolated.here.routes.parent
        (directory / file_names.PREVIEW_STATES).write_text('{"hosts": {}}')
        settings = GatewaySettings("localhost", URL("http://127.0.0.1:1"))
        async with running_gateway(Address("127.0.0.1", 0), settings, directory) as address:
            found = [await asyncio.to_thread(_fetch, address.port, SHOP) for _ in range(3)]
            os.kill(namespaces.read(str(domains.record(isolated.here, SHOP)))["pid"], signal.SIGKILL)
            await asyncio.to_thread(wait_for, lambda: _answers(isolated, SHOP), 20)
            return [*found, await asyncio.to_thread(_fetch, address.port, SHOP)]

    assert asyncio.run(ask()) == ["one"] * 4


def test_services_follow_a_domain_that_was_killed(isolated: Isolated) -> None:
    """L2: no service stays behind in a network that nobody can reach."""
    isolated.serve(SHOP)
    before = isolated.process_ids(SHOP)
    os.kill(namespaces.read(str(domains.record(isolated.here, SHOP)))["pid"], signal.SIGKILL)
    assert wait_for(lambda: _answers(isolated, SHOP), 20)
    assert wait_for(lambda: not any(process_table.is_alive(pid) for pid in before), 5)


def test_a_service_that_ended_once_becomes_ready(isolated: Isolated) -> None:
    """T1: a service that needs a second attempt used to be waited for until its deadline, although it responded."""
    isolated.serve(SHOP, '[ -e "$HOME/tried" ] || { touch "$HOME/tried"; exit 1; }; exec python3 app.py')
    assert isolated.get(SHOP) == "one"


@pytest.mark.long
def test_a_worker_is_ready_when_it_keeps_running(isolated: Isolated) -> None:
    """T1: it listens nowhere. One that ends is restarted, and fails after a few times."""
    isolated.serve(SHOP, "echo $EPH_COMMIT > $HOME/seen; exec sleep 60", path="")
    worker = isolated.program(SHOP)
    assert (isolated.here.env(SHOP) / "home" / "seen").read_text().strip() == isolated.commit
    assert supervised_services.is_answering(isolated.here, worker, PORT, "")
    with pytest.raises(TargetError, match="ended 3 times"):
        isolated.serve(BLOG, "exit 3", path="", seconds=30)
    assert supervisor.info(isolated.here, str(isolated.program(BLOG))) == {}


def test_a_private_service_that_never_listens_learns_how_to_be_a_worker(isolated: Isolated) -> None:
    """Issue 14 item 6: on Kubernetes it is one without `health: none`."""
    port = f"nothing listens on port {PORT}"
    for public, hint in ((False, "needs health: none"), (True, "")):
        service = ServiceProcess(isolated.program(BLOG), "exec sleep 60", PORT, "/healthz", 1, {}, public=public)
        with pytest.raises(TargetError, match=port) as error:
            supervised_services.start(isolated.here, isolated.workspace(BLOG), service)
        assert error.value.sentence.endswith(hint)
        assert ("health: none" in error.value.sentence) is not public


def test_health_checks_name_the_public_host(isolated: Isolated) -> None:
    """P3 Y1: a framework that allows only its public host, as Django does, used to refuse the check."""
    strict = "s/def do_GET(self):/&\\n        assert self.headers['Host'] == 'shop.test:8080'/"
    command = f'sed "{strict}" app.py > strict.py; exec python3 strict.py'
    isolated.serve(SHOP, command, origin="http://shop.test:8080")
    assert supervised_services.is_answering(isolated.here, isolated.program(SHOP), PORT, "/version")
    supervised_services.wait_after_restart(isolated.here, isolated.program(SHOP))


def test_a_volume_outlives_its_process_and_belongs_to_one_service(isolated: Isolated) -> None:
    """T1: uploads used to vanish with every push, because a commit's checkout is a new folder."""
    write = "echo kept > /data/uploads/file; exec python3 app.py"
    isolated.serve(SHOP, write, volumes=("/data/uploads",))
    supervised_services.stop(isolated.here, [isolated.program(SHOP)])
    read = 'cat /data/uploads/file > "$HOME/read"; exec python3 app.py'
    isolated.serve(SHOP, read, volumes=("/data/uploads",))
    assert (isolated.here.env(SHOP) / "home" / "read").read_text() == "kept\n"
    assert isolated.run(SHOP, "ls /data 2>&1 || true").strip().endswith("No such file or directory")
    isolated.serve(BLOG, 'ls /data/uploads > "$HOME/read"; exec python3 app.py', volumes=("/data/uploads",))
    assert (isolated.here.env(BLOG) / "home" / "read").read_text() == ""


def test_a_volume_in_the_checkout_survives_a_push(isolated: Isolated) -> None:
    """T1, issue 14: an app that keeps uploads in a folder next to its code needs no change. The volume begins with the
    files of the commit."""
    (isolated.repository.work / "app" / "media").mkdir(parents=True)
    isolated.push({"app/media/sample.txt": "from the commit"})
    write = "cat app/media/sample.txt > $HOME/first; echo kept > app/media/upload; exec python3 app.py"
    isolated.serve(SHOP, write, volumes=("app/media", "new/files"))
    home = isolated.here.env(SHOP) / "home"
    assert (home / "first").read_text() == "from the commit"
    supervised_services.stop(isolated.here, [isolated.program(SHOP)])
    isolated.push({"version.txt": "two", "app/media/sample.txt": "changed"})
    read = "cat app/media/sample.txt app/media/upload > $HOME/second; exec python3 app.py"
    isolated.serve(SHOP, read, volumes=("app/media", "new/files"))
    assert isolated.get(SHOP) == "two"
    assert (home / "second").read_text() == "from the commitkept\n"
    assert isolated.run(SHOP, "cat app/media/*") == "changed\n", "a command that has no volumes sees the commit"


@pytest.mark.parametrize("place", ["link/media", "app.py", "app.py/media"])
def test_a_volume_needs_a_real_folder_of_the_checkout(isolated: Isolated, place: str) -> None:
    """S3 L5: a link could lead anywhere. Only another commit can help."""
    (isolated.repository.work / "link").symlink_to(".")
    isolated.push({})
    with pytest.raises(TargetError, match="is a link or a file") as caught:
        isolated.serve(SHOP, volumes=(place,))
    assert caught.value.permanent


def test_a_volume_above_ephs_own_folder_hides_nothing(isolated: Isolated) -> None:
    """T1: with the server's files in /data/eph, a volume /data used to hide the checkout."""
    above, inner = isolated.here.root.parent, isolated.here.env(SHOP) / "home" / "inner"
    command = f"echo kept > {above}/file; echo kept > {inner}/file; exec python3 app.py"
    isolated.serve(SHOP, command, volumes=(str(inner), str(above)))
    assert isolated.get(SHOP) == "one"
    assert not (above / "file").exists()
    assert len(list((isolated.here.env(SHOP) / "volumes").glob("web/*/file"))) == 2


def test_a_process_whose_folder_is_too_deep_to_name_is_found_and_blocks_nothing(isolated: Isolated) -> None:
    """S3 L7: the kernel doesn't return the path of its working folder, which stopped the reading of all processes."""
    deep = "import os, time\nfor _ in range(100):\n    os.mkdir(50 * 'd'); os.chdir(50 * 'd')\ntime.sleep(60)"
    isolated.serve(SHOP, f'python3 -c "{deep}" & exec python3 app.py')
    assert wait_for(lambda: any(map(has_unnamed_folder, process_table.pids())))
    assert process_table.mentioning("text that no process mentions") == []
    hidden = [pid for pid in process_table.pids() if has_unnamed_folder(pid)]
    cleanup.purge(isolated.here, SHOP)
    assert [pid for pid in hidden if process_table.is_alive(pid)] == []


def has_unnamed_folder(pid: int) -> bool:
    try:
        Path(f"/proc/{pid}/cwd").readlink()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def test_purge_ends_processes_that_hide(isolated: Isolated) -> None:
    """L7 S3: a process that left its session, cleared its environment and ignores signals ends with its environment."""
    hide = "setsid env -i /bin/sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' >/dev/null 2>&1 & "
    isolated.serve(SHOP, f"{hide} exec python3 app.py")
    members = isolated.process_ids(SHOP)
    assert members
    cleanup.purge(isolated.here, SHOP)
    assert wait_for(lambda: not any(process_table.is_alive(pid) for pid in members), 5)


def test_an_environment_of_an_earlier_version_is_taken_over_by_its_next_update(isolated: Isolated) -> None:
    """T1: it has no domain, and its files belong to Eph; the update creates the domain, and the route follows."""
    place = isolated.workspace(SHOP)
    domains.remove(isolated.here, SHOP)
    users.give(place.home, os.geteuid())
    port = ports.reserve(isolated.here, f"{SHOP}.web.{OLD_GENERATION}")
    old = ServiceProcess(
        ProgramName(SHOP, "web", OLD_GENERATION),
        "exec python3 app.py",
        port,
        "/version",
        20,
        {"PORT": str(port), "EPH_COMMIT": isolated.commit},
    )
    checkout = place.checkout.with_name(OLD_GENERATION)
    shutil.copytree(place.checkout, checkout)
    supervised_services.start(isolated.here, Workspace(checkout, place.home), old)
    assert supervised_services.is_answering(isolated.here, old.program, port, "/version")
    assert not domains.exists(isolated.here, SHOP)

    isolated.serve(SHOP, 'touch "$HOME/new"; exec python3 app.py')
    isolated.route(SHOP)
    assert supervised_services.is_answering(isolated.here, old.program, port, "/version"), "until the route switches"
    cleanup.remove_other_generations(isolated.here, SHOP, GENERATION)
    assert isolated.get(SHOP) == "one"
    assert next(routes.list_routes(isolated.here.routes)).isolated


def test_a_suite_that_keeps_writing_does_not_block_the_removal(isolated: Isolated) -> None:
    """L7 S3: a suite, a build or an exec session isn't supervised. It ends before its checkout is removed."""
    code = """
import os
for number in range(10**9):
    try:
        os.mkdir(f"x{number}")
    except OSError:
        pass
    if number == 1:
        print("started", flush=True)
    if number > 100:
        try:
            os.rmdir(f"x{number - 100}")
        except OSError:
            pass
"""
    isolated.workspace(SHOP)
    suite = threading.Thread(target=_ignore_failure, args=(isolated, code))
    suite.start()
    log = isolated.here.env(SHOP) / "logs" / "attack.log"
    assert wait_for(lambda: log.exists() and "started" in log.read_text(), 20)
    cleanup.purge(isolated.here, SHOP)
    suite.join()
    assert not isolated.here.env(SHOP).exists()


def _ignore_failure(isolated: Isolated, code: str) -> None:
    with contextlib.suppress(TargetError, OSError):
        isolated.python(SHOP, code)


def test_an_environment_without_a_domain_is_still_removed(isolated: Isolated) -> None:
    """L7: a destroy needs nothing that an earlier version didn't create."""
    isolated.workspace(SHOP)
    domains.remove(isolated.here, SHOP)
    users.release(isolated.here, SHOP)
    cleanup.purge(isolated.here, SHOP)
    assert SHOP not in TARGET.list_environments(isolated.machine.raw_settings)


@pytest.mark.long
def test_stopped_servers_are_restored(isolated: Isolated) -> None:
    """L2: the broker and the relay come back, and with them the database's address inside."""
    isolated.serve(SHOP)
    for name in (servers.BROKER, servers.RELAY):
        os.kill(supervisor.info(isolated.here, name)["pid"], signal.SIGKILL)
    port = postgres.address(isolated.here)[1]
    code = f"""
import socket, time
end = time.monotonic() + 15
while socket.socket().connect_ex(("127.0.0.1", {port})) and time.monotonic() < end:
    time.sleep(0.05)
print("back" if time.monotonic() < end else "gone")
"""
    assert isolated.python(SHOP, code).strip() == "back"
    assert wait_for(lambda: _answers(isolated, SHOP), 15)


def _answers(isolated: Isolated, name: str) -> bool:
    try:
        return isolated.get(name) == "one"
    except OSError:
        return False


def _fetch(port: int, name: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/version", headers={"Host": f"{name}.localhost"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())
