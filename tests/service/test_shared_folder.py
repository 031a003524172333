"""Who may use the folder that replicas share (O2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.shared_folder import lock_shared_folder

URL = "postgresql://eph@db/eph"


def replica(folder: Path, name: str, lease: str = "postgres") -> ServerSettings:
    return ServerSettings(home=folder / name, ledger_url=URL, replicas={"lease": lease, "shared": folder / "shared"})


def test_replicas_with_a_lease_share_a_folder(tmp_path: Path) -> None:
    with lock_shared_folder(replica(tmp_path, "a")), lock_shared_folder(replica(tmp_path, "b")):
        pass


@pytest.mark.parametrize(("first", "second"), [("postgres", "none"), ("none", "postgres"), ("none", "none")])
def test_a_replica_without_a_lease_must_be_alone(tmp_path: Path, first: str, second: str) -> None:
    with (
        lock_shared_folder(replica(tmp_path, "a", first)),
        pytest.raises(StartupError, match=r"set replicas\.lease = postgres"),
        lock_shared_folder(replica(tmp_path, "b", second)),
    ):
        pass
    with lock_shared_folder(replica(tmp_path, "b", second)):
        pass


def test_the_target_local_is_bound_to_one_machine(tmp_path: Path) -> None:
    with lock_shared_folder(replica(tmp_path, "a")):
        pass
    machine = tmp_path / "shared" / "local" / "machine"
    assert machine.exists()
    machine.write_text("another-machine\n")
    with (
        pytest.raises(StartupError, match="on another-machine, but this is"),
        lock_shared_folder(replica(tmp_path, "a")),
    ):
        pass


def test_a_single_replica_needs_no_shared_folder(tmp_path: Path) -> None:
    with lock_shared_folder(ServerSettings(home=tmp_path)):
        assert list(tmp_path.iterdir()) == []
