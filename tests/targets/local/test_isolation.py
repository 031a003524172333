"""Attacks of one environment on the machine and on its neighbour, each tried with real processes."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from programs.kit import identifiers
from programs.kit.database import postgres
from programs.kit.errors import TargetError
from programs.kit.isolation import limits, servers, sockets, users
from programs.kit.processes import process_table, sandbox
from programs.kit.processes.sandbox import Workspace
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets import escapes
from tests.targets.isolated_machine import BLOG, PORT, SHOP, Isolated
from tests.targets.local_machine import LocalMachine, Repository

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]

BAD_ADDRESSES = [("127.0.0.1", 22), ("169.254.169.254", 80), ("10.0.0.1", 80), ("192.0.2.1", 80)]


def test_a_service_is_reachable_only_by_its_own_environments_sockets(isolated: Isolated) -> None:
    """S3 T1: nothing of an environment listens on the machine."""
    isolated.serve(SHOP)
    assert isolated.get(SHOP) == "one"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT), 1)


def test_a_neighbour_on_the_same_port_is_never_called_ready(isolated: Isolated) -> None:
    """S3: a squatter used to be called ready in 0.03 s, and served the victim's visitors."""
    isolated.serve(SHOP)
    with pytest.raises(TargetError, match=r"didn't respond|ended"):
        isolated.serve(BLOG, "exec sleep 60", seconds=2)
    assert isolated.get(SHOP) == "one"


def test_an_environment_reaches_nothing_but_itself(isolated: Isolated) -> None:
    """S3: neither the machine's loopback, nor a neighbour, nor metadata endpoints, nor private networks."""
    isolated.serve(SHOP)
    with socket.create_server(("127.0.0.1", 0)) as control, socket.create_server(("0.0.0.0", 0)) as public:
        targets = [*BAD_ADDRESSES, ("127.0.0.1", PORT)]
        targets += [("127.0.0.1", control.getsockname()[1]), (escapes.own_address(), public.getsockname()[1])]
        code = f"""
import socket
for place in {targets!r}:
    try:
        socket.create_connection(place, 2)
        print("REACHED", place)
    except OSError as error:
        print("blocked", place, error)
"""
        output = isolated.python(BLOG, code)
    assert output.count("blocked") == len(targets), output


def test_abstract_sockets_of_the_machine_are_out_of_reach(isolated: Isolated) -> None:
    """S3: abstract unix sockets belong to the network namespace."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0eph-test-{os.getpid()}")
        server.listen()
        code = f"import socket; print(socket.socket(socket.AF_UNIX).connect_ex(chr(0) + 'eph-test-{os.getpid()}'))"
        assert isolated.python(BLOG, code).strip() != "0"


def test_variables_of_a_repository_never_reach_a_launcher(isolated: Isolated) -> None:
    """S3: LD_PRELOAD used to load code into bubblewrap itself, outside the sandbox."""
    isolated.serve(SHOP, LD_PRELOAD="/tmp/evil.so", BASH_ENV="/tmp/evil", PYTHONPATH="/tmp/evil")
    assert "evil.so" in isolated.get(SHOP, "/environ")
    launchers = [pid for pid in process_table.pids() if process_table.process_name(pid) == "bwrap"]
    own = [pid for pid in launchers if process_table.environment_variable(pid, "HOME") == _home(isolated, SHOP)]
    outside = [pid for pid in own if not _is_inside(pid)]
    assert outside
    for pid in outside:
        assert set(process_table.environment(pid)) == {"PATH", "LANG", "HOME"}
        assert "evil" not in process_table.command_line(pid)


def test_commands_also_start_from_a_fixed_environment(isolated: Isolated) -> None:
    """S3: a preloaded library that doesn't exist makes each program that loads it complain: bubblewrap must not."""
    output = isolated.run(SHOP, "true", LD_PRELOAD="/nowhere/evil.so")
    assert "bwrap" not in output
    log = json.loads((isolated.here.env(SHOP) / "run" / "attack.json").read_text())
    assert "LD_PRELOAD" not in log["env"]
    assert log["inside"]["LD_PRELOAD"] == "/nowhere/evil.so"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give environments users of their own")
def test_environments_have_users_of_their_own_outside(isolated: Isolated) -> None:
    """S3: two environments and the server are three different users on the machine."""
    isolated.serve(SHOP)
    isolated.serve(BLOG)
    owners = {name: _owners(isolated, name) for name in (SHOP, BLOG)}
    assert owners[SHOP] == {users.reserve(isolated.here, SHOP)}
    assert owners[BLOG] == {users.reserve(isolated.here, BLOG)}
    assert not owners[SHOP] & owners[BLOG]
    assert 0 not in owners[SHOP] | owners[BLOG]
    isolated.run(SHOP, 'echo x > "$HOME/mine"')
    assert Path(_home(isolated, SHOP), "mine").stat().st_uid == users.reserve(isolated.here, SHOP)


@pytest.mark.parametrize("attack", escapes.SYSTEM_CALLS.values(), ids=escapes.SYSTEM_CALLS)
def test_the_sandbox_refuses(isolated: Isolated, attack: str) -> None:
    """S3: no further namespaces, no dangerous system calls, no private files of the machine."""
    assert isolated.python(SHOP, attack).strip() == "-1"


def test_the_administrator_connects_by_a_socket_that_no_environment_can_take(isolated: Isolated) -> None:
    """S3 S4: a preview that took PostgreSQL's port used to receive the administrator's password in clear."""
    folder = postgres.socket_folder(isolated.here)
    assert folder
    assert Path(folder).stat().st_mode & 0o077 == 0
    with postgres.connect(isolated.here) as session:
        assert session.info.host == folder
        assert session.execute("select inet_client_addr()").fetchone() == (None,)
    assert isolated.python(SHOP, f"import os; print(os.path.exists({folder!r}))").strip() == "False"


def test_outbound_requests_go_through_a_proxy_that_knows_private_addresses(isolated: Isolated) -> None:
    """S3: through the proxy, an environment reaches no address of the machine or its networks, by name or number."""
    with socket.create_server(("127.0.0.1", 0)) as control:
        port = control.getsockname()[1]
        code = escapes.proxy_requests([*escapes.PRIVATE_NAMES, escapes.own_address()], port)
        assert set(isolated.python(SHOP, code, **connectivity.proxy_variables(isolated.here)).split()) == {"403"}


def test_an_allowed_network_is_reached_through_the_proxy(machine: LocalMachine, repository: Repository) -> None:
    machine.raw_settings["egress_allow"] = "127.0.0.0/8"
    isolated = Isolated(machine, repository)
    isolated.serve(BLOG)
    with socket.create_server(("127.0.0.1", 0)) as registry:
        registry.settimeout(10)
        code = f"""
import socket
made = socket.create_connection(("127.0.0.1", 3128), 5)
made.sendall(b"CONNECT 127.0.0.1:{registry.getsockname()[1]} HTTP/1.1\\r\\n\\r\\n")
print(made.recv(100).split()[1].decode())
"""
        assert isolated.python(SHOP, code).strip() == "200"
    for name in (SHOP, BLOG):
        cleanup.purge(machine.settings, name)


def test_memory_of_an_environment_is_bounded(machine: LocalMachine, repository: Repository) -> None:
    """S3: a process that takes more than the limit ends; the neighbour and the server stay."""
    machine.raw_settings["memory_bytes"] = str(256 * 1024**2)
    isolated = Isolated(machine, repository)
    isolated.serve(BLOG)
    with pytest.raises(TargetError, match=r"failed|killed"):
        isolated.python(SHOP, "held = [bytearray(2**20) for _ in range(1024)]")
    assert isolated.get(BLOG) == "one"
    for name in (SHOP, BLOG):
        cleanup.purge(machine.settings, name)


def test_a_fork_bomb_stays_within_the_process_limit(machine: LocalMachine, repository: Repository) -> None:
    """S3: processes are counted for the environment as a whole."""
    machine.raw_settings["process_limit"] = "64"
    isolated = Isolated(machine, repository)
    isolated.serve(BLOG)
    code = """
import os, time
made = 0
try:
    for made in range(2000):
        if os.fork() == 0:
            time.sleep(15)
            os._exit(0)
except OSError as error:
    print("stopped", made < 64, flush=True)
os._exit(0)
"""
    assert isolated.python(SHOP, code).split() == ["stopped", "True"]
    assert isolated.get(BLOG) == "one"
    for name in (SHOP, BLOG):
        cleanup.purge(machine.settings, name)
    if limits.method() != "rlimits":
        ours = f"eph-{identifiers.server_id(str(machine.settings.root))}-"
        assert {path.name for path in limits.ROOT.glob(f"**/{ours}*")} == {f"{ours}.{postgres.PROGRAM}"}
        TARGET.stop(machine.raw_settings)
        assert list(limits.ROOT.glob(f"**/{ours}*")) == []


def test_without_egress_there_is_no_proxy(machine: LocalMachine, repository: Repository) -> None:
    """S3: the setting none leaves no way out."""
    machine.raw_settings["egress"] = "none"
    isolated = Isolated(machine, repository)
    code = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 3128)))"
    assert isolated.python(SHOP, code).strip() == "111"
    assert connectivity.proxy_variables(isolated.here) == {}
    cleanup.purge(machine.settings, SHOP)


def test_own_urls_work_inside_and_only_they(isolated: Isolated) -> None:
    """T1: a suite reaches its own services by their URLs, and neither a neighbour nor Eph's API."""
    for name in (SHOP, BLOG):
        isolated.serve(name)
        isolated.route(name)
    hosts = [f"{SHOP}.localhost", f"{BLOG}.localhost", "localhost"]
    code = f"""
import http.client
for host in {hosts!r}:
    made = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
    made.request("GET", "/version", headers={{"Host": host + ":8080"}})
    print(made.getresponse().status)
"""
    assert isolated.python(SHOP, code).split() == ["200", "404", "404"]


def test_without_a_sandbox_nothing_of_a_repository_runs(
    machine: LocalMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S3: auto never falls back to no sandbox."""
    monkeypatch.setattr(sandbox, "works", lambda: False)
    with pytest.raises(TargetError, match="doesn't run code of pull requests"):
        sandbox.sandboxed(machine.settings, Workspace(tmp_path, tmp_path), "true", {})


def test_the_broker_accepts_no_invalid_names(isolated: Isolated) -> None:
    for name in ("../x", "", "a/b", "nowhere"):
        with pytest.raises(sockets.NoDomain):
            sockets.request(servers.folder(isolated.here), name)


def _home(isolated: Isolated, name: str) -> str:
    return str(isolated.here.env(name) / "home")


def _owners(isolated: Isolated, name: str) -> set[int]:
    return {Path(f"/proc/{pid}").stat().st_uid for pid in isolated.process_ids(name) if process_table.is_alive(pid)}


def _is_inside(pid: int) -> bool:
    """Whether it is in a process namespace of its own."""
    return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
