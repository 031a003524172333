"""Names, the target's entry point, its settings and the sandbox's arguments (Y3, Y4, T1, S3)."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import registry
from programs.kit import host_settings, identifiers
from programs.kit.errors import TargetError
from programs.kit.identifiers import ProgramName
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.runtime_info import LogRequest
from programs.spec import DatabaseSpec, EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.local import settings
from programs.targets.local.target import TARGET, VERSION
from tests.targets.local_machine import local_settings

LABELS = st.from_regex(identifiers.LABEL, fullmatch=True)


def spec(**changes: Any) -> EnvironmentSpec:
    source = GitSource("/somewhere", "a" * 40, "main")
    base = EnvironmentSpec("shop-1", "shop-1.localhost", "local", "eph-shop", source, (ServiceSpec("web", "run"),))
    return dataclasses.replace(base, **changes)


@given(LABELS, LABELS, LABELS, LABELS)
def test_database_names_are_valid_and_never_shared(one: str, two: str, first: str, second: str) -> None:
    """Y3 D3: valid for PostgreSQL, stable, and different for another environment or database."""
    names = {identifiers.database_name(env, DatabaseSpec(name)) for env in (one, two) for name in (first, second)}
    assert len(names) == len({(env, name) for env in (one, two) for name in (first, second)})
    assert all(re.fullmatch(r"eph_[a-z0-9_]{1,59}", name) for name in names)


def test_a_new_seed_is_a_new_database() -> None:
    """D1: a seed is part of a database's identity; a migration isn't."""
    plain = DatabaseSpec("db", strategy="seed", scripts=("a.sql",))
    other = dataclasses.replace(plain, scripts=("b.sql",))
    assert identifiers.database_name("shop", plain) != identifiers.database_name("shop", other)
    assert identifiers.database_name("shop", plain) == identifiers.database_name(
        "shop", dataclasses.replace(plain, version="16")
    )


@given(LABELS, LABELS)
def test_program_name_can_be_parsed(environment: str, service: str) -> None:
    """T1: what supervisord runs names its environment."""
    made = ProgramName(environment, service, identifiers.generation(spec(), VERSION))
    assert identifiers.parse_program(str(made)) == made
    assert identifiers.parse_program("postgres") is None


def test_a_generation_is_commit_spec_and_program() -> None:
    first = identifiers.generation(spec(), "local-1")
    assert first.startswith("a" * 12 + "-")
    assert first != identifiers.generation(spec(), "local-2")
    assert first != identifiers.generation(spec(env={"A": "1"}), "local-1")
    assert first == identifiers.generation(spec(marks={"seen": "later"}), "local-1")


def test_hosts_of_services() -> None:
    """T1 T7: the first public service has the environment's host."""
    three = tuple(ServiceSpec(name, "run", public=name != "job") for name in ("job", "web", "api"))
    found = {name: identifiers.service_host(spec(services=three), name) for name in ("web", "api")}
    assert found == {"web": "shop-1.localhost", "api": "api--shop-1.localhost"}


@pytest.mark.parametrize("text", ["", "-x", "a/b", "..", "a.b", "A", "x" * 64, "a\nb", "--upload-pack=x"])
def test_invalid_names_are_rejected(text: str) -> None:
    """S3: no name leaves its folder, looks like an option or splits a line."""
    for check in (identifiers.check_commit, lambda name: identifiers.check_label(name, "service")):
        with pytest.raises(TargetError, match="must be"):
            check(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"services": ()}, "no service"),
        ({"services": (ServiceSpec("web", "x"), ServiceSpec("web", "y"))}, "'web' is defined twice"),
        ({"services": (ServiceSpec("../x", "x"),)}, "service '../x'"),
        (
            {"databases": (DatabaseSpec("db", strategy="snapshot"),)},
            "unknown strategy 'snapshot'. Use one of: empty, seed",
        ),
        ({"databases": (DatabaseSpec("a"), DatabaseSpec("b"))}, "'DATABASE_URL' is defined twice"),
        ({"env": {"A=B": "x"}}, "variable 'A=B'"),
        ({"source": GitSource("/x", "HEAD", "main")}, "commit 'HEAD'"),
    ],
)
def test_invalid_spec_is_rejected_before_anything_runs(changes: dict[str, object], said: str) -> None:
    """T1 S3: a clear sentence, before Pulumi starts."""
    with pytest.raises(TargetError, match=re.escape(said)):
        TARGET.program(spec(**changes))


def test_the_registry_finds_it() -> None:
    assert registry.get("local") is TARGET


def test_looking_starts_and_creates_nothing(tmp_path: Path) -> None:
    """T1: list and purge of a root that was never used."""
    strings = host_settings.to_mapping(local_settings(tmp_path))
    assert TARGET.list_environments(strings) == frozenset()
    TARGET.purge("shop", strings)
    assert TARGET.list_remaining(strings, including_server=True) == []
    assert TARGET.logs("shop", strings, LogRequest(lines=10)).lines == ()
    assert list(tmp_path.iterdir()) == []


def test_settings_survive_a_round_trip_through_strings(tmp_path: Path) -> None:
    made = local_settings(tmp_path, toolbox=f"/opt/a{os.pathsep}/opt/b", drain="0.5", sandbox="none")
    assert settings.from_mapping(host_settings.to_mapping(made)) == made
    host_settings.save(made)
    assert settings.load(str(made.root)) == made
    assert (made.root / "settings.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sandbox": "docker"}, "auto, bubblewrap, none"),
        ({"url": "http://localhost"}, "{host}"),
        ({"toolbox": "/"}, "narrower"),
    ],
)
def test_wrong_settings_are_rejected(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    """S3: a toolbox never exposes the server's own folders."""
    with pytest.raises(TargetError, match=re.escape(said)):
        local_settings(tmp_path, **changes)


@pytest.mark.skipif(not sandbox.works(), reason="bubblewrap cannot make its namespaces here")
def test_sandbox_arguments(tmp_path: Path) -> None:
    """T1 S3: own namespaces, read-only machine, nothing of the server's folder except checkout and home."""
    made = local_settings(tmp_path, toolbox="/opt/tools")
    place = Workspace(made.env("shop") / "src" / "x", made.env("shop") / "home")
    launch = sandbox.sandboxed(made, place, "run me", {"PORT": "1", "PATH": "/mine"})
    words = list(launch.argv)
    for needed in ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"):
        assert needed in words
    assert words[-3:] == ["/bin/sh", "-c", "run me"]
    writable = [words[index + 1] for index, word in enumerate(words) if word == "--bind"]
    assert writable == [str(place.home), str(place.checkout)]
    shown = [words[index + 1] for index, word in enumerate(words) if word.startswith("--ro-bind")]
    assert "/opt/tools" in shown
    assert not [path for path in shown if path in ("/", "/etc", "/root", "/home", "/var", "/tmp", "/run")]
    assert set(launch.env) == {"PATH", "HOME", "LANG"}
    assert launch.env["PATH"] == os.defpath
    assert launch.inside is not None
    assert launch.inside["PATH"] == "/mine"
    assert set(launch.inside) == {"PATH", "HOME", "TMPDIR", "LANG", "USER", "LOGNAME", "SHELL", "PORT"}


def test_without_a_sandbox_the_environment_variables_are_still_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: no variable of the server reaches a preview."""
    monkeypatch.setenv("EPH_SECRET", "x")
    place = Workspace(tmp_path / "src", tmp_path / "home")
    launch = sandbox.sandboxed(local_settings(tmp_path, sandbox="none"), place, "run", {})
    assert (launch.argv, launch.cwd) == (("/bin/sh", "-c", "run"), str(place.checkout))
    assert "EPH_SECRET" not in launch.env
