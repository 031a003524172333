"""Commands of the repository, and the files, ports and routes of an environment (T1, D2, L5)."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import wording
from programs.kit import files, host_settings, routes, waiting
from programs.kit.errors import Cancelled, TargetError
from programs.kit.processes import command_runner, ports, process_table
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.kit.routes import RouteRecord
from programs.targets.local import cleanup
from programs.targets.local.v1.serving import RouteProvider
from tests.targets.local_machine import local_settings


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "root" / "envs" / "shop" / "src" / "x", tmp_path / "root" / "envs" / "shop" / "home")
    for folder in (made.checkout, made.home, made.home / "tmp"):
        files.make_folder(folder)
    return made


def run(tmp_path: Path, place: Workspace, line: str, timeout: int = 20, **changes: str) -> None:
    command_runner.run(
        local_settings(tmp_path, **changes),
        "shop",
        place,
        CommandRun("build", "build", line, timeout, {"WORD": "hello"}),
    )


def test_a_command_runs_in_its_checkout(tmp_path: Path, place: Workspace) -> None:
    run(tmp_path, place, "echo $WORD > made.txt; echo said; pwd")
    assert (place.checkout / "made.txt").read_text() == "hello\n"
    assert (place.checkout.parents[1] / "logs" / "build.log").read_text() == f"said\n{place.checkout}\n"


def test_operators_variables_and_authorities_are_for_every_command(tmp_path: Path, place: Workspace) -> None:
    """T1: a company's package index and its certificates, which the repository may override."""
    authorities = tmp_path / "company.pem"
    authorities.write_text("the company's authorities")
    variables, file = '{"PIP_INDEX_URL": "https://one", "WORD": "bye"}', str(authorities)
    given = local_settings(tmp_path, env=variables, ca_file=file)
    assert host_settings.from_mapping(host_settings.to_mapping(given)).variables == given.variables
    run(tmp_path, place, 'cat "$PIP_CERT" "$SSL_CERT_FILE"; echo "$PIP_INDEX_URL $WORD"', env=variables, ca_file=file)
    expected = "the company's authorities" * 2 + "https://one hello\n"
    assert (place.checkout.parents[1] / "logs" / "build.log").read_text() == expected


def test_missing_authorities_stop_commands_and_no_removal(tmp_path: Path, place: Workspace) -> None:
    """L7: a destroy reads the same settings, and must not need a file that someone removed."""
    given = local_settings(tmp_path, ca_file=str(tmp_path / "gone.pem"))
    cleanup.purge(given, "shop")
    assert not place.checkout.exists()
    with pytest.raises(TargetError, match="ca_file"):
        run(tmp_path, place, "true", ca_file=given.ca_file)


def test_failing_command_reports_its_last_lines(tmp_path: Path, place: Workspace) -> None:
    """D2: the output of what failed, redacted and truncated."""
    with pytest.raises(TargetError) as caught:
        run(tmp_path, place, "seq 1 100000; echo postgresql://me:s3cret@host/db; exit 7", log_bytes="1000")
    assert caught.value.sentence.startswith("build failed with exit status 7 after ")
    assert caught.value.tail[-2:] == ("100000", "postgresql://me:***@host/db")
    assert len(caught.value.tail) == command_runner.TAIL_LINES
    assert (place.checkout.parents[1] / "logs" / "build.log").stat().st_size == 1000
    assert str(caught.value).splitlines()[1].startswith("| ")


@pytest.mark.parametrize(
    ("command", "permanent"),
    [("exit 3", True), ("exit 75", False), ("kill -9 $$", False), ("exit 137", False), ("no-such-command", False)],
)
def test_an_error_of_the_build_itself_is_not_retried(
    tmp_path: Path, place: Workspace, command: str, permanent: bool
) -> None:
    """L5: unlike a signal, such as that of a machine without memory. With 75, a command asks for another attempt."""
    with pytest.raises(TargetError) as caught:
        run(tmp_path, place, command)
    assert caught.value.permanent is permanent
    assert (str(caught.value).splitlines()[-1] == wording.NOT_RETRIED) is permanent


def test_hanging_command_is_killed_with_its_children(tmp_path: Path, place: Workspace) -> None:
    """Y1 T1: a timeout, and nothing left in the background."""
    with pytest.raises(TargetError, match="exceeded its timeout of 1 s"):
        run(tmp_path, place, "sleep 987 & sleep 987", timeout=1)
    run(tmp_path, place, "(sleep 986 &) ; echo done")
    # The kernel ends what is left in a namespace after the sandbox's own process has ended.
    assert waiting.wait_until(lambda: not any(map(_is_sleep, process_table.pids())), timeout=5)


def _is_sleep(pid: int) -> bool:
    return process_table.command_line(pid) in ("sleep 987", "sleep 986")


@pytest.fixture
def cancelled() -> Iterator[threading.Event]:
    """The process's own switch, off again at the end."""
    yield waiting.CANCELLED
    waiting.CANCELLED.clear()


def test_cancelled_operation_ends_its_command_immediately(
    tmp_path: Path, place: Workspace, cancelled: threading.Event
) -> None:
    """L5 L6: a newer commit or a close doesn't wait for a build."""
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(tmp_path, place, "sleep 30")
    timer.join()
    assert time.monotonic() - began < 5
    with pytest.raises(Cancelled):
        waiting.pause(10)


def test_trees_are_removed_whatever_their_modes(tmp_path: Path) -> None:
    """T1: a preview can't create a folder that can't be removed."""
    deep = tmp_path / "tree" / "locked"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (tmp_path / "outside").write_text("stays")
    (deep / "link").symlink_to(tmp_path / "outside")
    deep.chmod(0)
    files.remove(tmp_path / "tree")
    files.remove(tmp_path / "tree")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]


def test_the_tail_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(20000)))
    assert files.tail(path, 2) == ["line 19998", "line 19999"]
    assert files.tail(path, 0) == []
    assert files.tail(tmp_path / "none", 5) == []


def test_ports_are_kept_by_their_owner(tmp_path: Path) -> None:
    """T1: the same across restarts, never two owners, released by name."""
    made = local_settings(tmp_path, first_port="21000", last_port="21050")
    found = {ports.reserve(made, f"shop.web.{number}") for number in range(10)}
    assert len(found) == 10
    assert ports.reserve(made, "shop.web.3") in found
    ports.release(made, {f"shop.web.{number}" for number in range(10)})
    assert list(ports.list_reserved(made)) == []


def test_route_files_are_complete_and_have_one_owner(tmp_path: Path) -> None:
    made = local_settings(tmp_path)
    route = RouteRecord("shop-1.localhost", "http://127.0.0.1:1", "shop-1", "web", "c")
    routes.write(made.routes, route)
    stored = json.loads((made.routes / "shop-1.localhost.json").read_text())
    assert stored == {
        "host": "shop-1.localhost",
        "upstream": "http://127.0.0.1:1",
        "environment": "shop-1",
        "service": "web",
        "commit": "c",
        "sign_in": False,
        "asleep": False,
        "health": "",
        "sole": True,
        "isolated": False,
        "target": "local",
        "allow": [],
        "paths": [],
    }
    routes.delete(made.routes, route.host, "another", "web")
    assert list(routes.list_routes(made.routes)) == [route]
    (made.routes / "foreign.json").write_text("[]")
    assert list(routes.list_routes(made.routes)) == [route]
    with pytest.raises(TargetError):
        routes.write(made.routes, dataclasses.replace(route, host="../x"))


def test_route_lists_the_people_with_access(tmp_path: Path) -> None:
    """S5: the gateway reads the list from the route; a state from before has none."""
    made = local_settings(tmp_path)
    props = {"host": "a.localhost", "port": 1, "environment": "a", "service": "web", "commit": "c", "sign_in": True}
    for allow, expected in (([], ()), (["ada", "@team"], ("ada", "@team")), (None, ())):
        RouteProvider().make(made, {**props, "allow": allow} if allow is not None else props)
        assert [route.allow for route in routes.list_routes(made.routes)] == [expected]
