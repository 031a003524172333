"""``eph validate``, ``init``, ``doctor``: without a server. Rows: P5, Y1 (file, line, what was expected)."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import discovery
from orchestrator.cli.commands import doctor
from orchestrator.cli.main import app
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.settings.server_settings import ServerSettings
from programs.kit.server_engines import engines, redis


@pytest.fixture
def eph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in its own repository."""
    folder = tmp_path / "My Shop_2"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return lambda *args: CliRunner().invoke(app, list(args))


Eph = Callable[..., Result]


HEAD = 'version: "1.0"\nname: shop\n'
WEB = "services: [{name: web, command: run}]\n"


def checked(eph: Eph, text: str, *options: str) -> dict[str, Any]:
    Path("eph.yaml").write_text(text)
    result = eph("validate", "-o", "json", *options)
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if found["valid"] else 1)
    return found


def test_the_file_is_checked_for_its_target(eph: Eph) -> None:
    """Y1: what a server with that target would refuse."""
    assert checked(eph, HEAD + WEB)["target"] == "local"
    nothing = checked(eph, HEAD)
    assert (len(nothing["problems"]), nothing["target"]) == (1, "local")
    image = "services: [{name: web, image: a}]\nimages: [{name: a, repository: r.test/a, tag_template: x}]\n"
    (no_command,) = checked(eph, HEAD + image)["problems"]
    assert no_command.startswith("eph.yaml:3:12: services[0]")
    assert checked(eph, HEAD + image, "--target", "kubernetes")["valid"]
    assert checked(eph, f"{HEAD}target: kubernetes\n{image}")["valid"]
    assert not checked(eph, f"{HEAD}target: kubernetes\n{WEB}")["valid"]
    (unknown,) = checked(eph, f"{HEAD}target: ecs\n{WEB}")["problems"]
    assert unknown.startswith("eph.yaml:3:9: target")
    assert "kubernetes, local" in unknown


def test_a_guessed_target_is_mentioned_where_it_matters(eph: Eph) -> None:
    Path("eph.yaml").write_text(HEAD)
    assert "--target" in eph("validate").stderr
    Path("eph.yaml").write_text(HEAD + "target: local\n")
    assert "--target" not in eph("validate").stderr


def test_all_problems_are_reported_in_one_run(eph: Eph) -> None:
    """Y1: those of the target, of image tags and of named files."""
    text = (
        f"{HEAD}target: kubernetes\n{WEB}"
        "images: [{name: a, repository: r.test/a, tag_template: '{branch}:x'}]\n"
        "kubernetes: {manifests: [./k8s/base, ./k8s/missing], values_files: [values.yaml]}\n"
        "database: {instances: [{name: main, template: {strategy: seed, seed: {scripts: [./db/none.sql]}}}]}\n"
    )
    Path("k8s/base").mkdir(parents=True)
    lines = [problem.split(":")[1] for problem in checked(eph, text)["problems"]]
    assert lines == ["4", "5", "6", "6", "7"]


def test_files_of_unused_parts_and_of_other_files_are_not_checked(eph: Eph) -> None:
    seed = "database: {%sinstances: [{name: main, template: {strategy: seed, seed: {scripts: [./none.sql]}}}]}\n"
    other = "kubernetes: {manifests: [./none]}\n"
    assert checked(eph, f"{HEAD}target: local\n{WEB}{seed % 'enabled: false, '}{other}")["valid"]
    Path("other.yaml").write_text(HEAD + WEB + seed % "")
    assert eph("validate", "other.yaml").exit_code == 0
    assert not checked(eph, HEAD + WEB + seed % "")["valid"]


def test_what_has_no_effect_is_a_notice_and_no_error(eph: Eph) -> None:
    """Y2"""
    found = checked(eph, HEAD + WEB + "environment: {alias_template: 'shop-{number}', resources: {cpu: 1}}\n")
    assert (found["valid"], len(found["notices"])) == (True, 2)
    assert all(notice.startswith("eph.yaml:4:") for notice in found["notices"])
    assert "notice: eph.yaml:4:" in eph("validate").stdout


@pytest.mark.parametrize("text", ["app: {route: app.example.com}", "environment: {secrets: {KEY: key}, ttl: 60d}"])
def test_what_only_a_server_knows_is_no_problem(eph: Eph, text: str) -> None:
    assert checked(eph, f"{HEAD}{WEB}{text}\n")["valid"]


def test_what_a_server_with_default_limits_refuses_is_a_notice(eph: Eph) -> None:
    """Issue 14 item 16: a server may allow more, so it is no error."""
    services = "".join(f"  - {{name: s{number}, command: run, health: {{deadline: 20m}}}}\n" for number in range(12))
    text = f"{HEAD}target: local\nenvironment:\n  ttl: 90d\nservices:\n{services}build: {{command: x, timeout: 1h}}\n"
    found = checked(eph, text)
    assert found["valid"]
    over = [notice for notice in found["notices"] if "default limits" in notice]
    # Services and public services, each deadline, the lifetime and the build's timeout.
    assert len(over) == 2 + 12 + 2
    assert [notice for notice in over if "environment.ttl" in notice and "30d" in notice]
    assert checked(eph, f"{HEAD}target: local\n{WEB}environment: {{ttl: 30d}}\n")["notices"] == []


def test_default_limits_are_those_of_a_server_without_settings(tmp_path: Path) -> None:
    limits = ("max_ttl", "max_services", "max_public_services", "max_databases", "max_command_timeout")
    ours, server = AdmissionPolicy(), ServerSettings(home=tmp_path).admission_policy()
    for name in (*limits, "max_health_deadline"):
        assert getattr(ours, name) == getattr(server, name), name


@pytest.mark.parametrize(
    ("service", "count"),
    [
        ("public: false", 1),
        ("public: false, health: none", 0),
        ("public: false, health: {path: /healthz}", 0),
        ("schedule: '0 3 * * *'", 0),
        ("public: true", 0),
    ],
)
def test_a_service_that_could_be_a_worker_is_pointed_out(eph: Eph, service: str, count: int) -> None:
    """Issue 14 item 6: it is one on Kubernetes, and on `local` it would fail after its health check's deadline."""
    text = f"{HEAD}target: local\nservices: [{{name: web, command: run}}, {{name: w, command: y, {service}}}]\n"
    found = checked(eph, text)
    assert (found["valid"], len(found["notices"])) == (True, count)
    assert all("services[1]" in notice and "health: none" in notice for notice in found["notices"])


def test_valid_and_invalid_file(eph: Eph) -> None:
    Path("eph.yaml").write_text(HEAD + WEB)
    assert eph("validate").stdout.startswith("eph.yaml is valid")
    Path("bad.yaml").write_text('version: "1.0"\nname: shop\nenvironment:\n  ttl: soon\n')
    result = eph("validate", "bad.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("bad.yaml:4:")
    found = json.loads(eph("validate", "bad.yaml", "-o", "json").stdout)
    assert found["valid"] is False
    assert len(found["problems"]) == 1


def test_missing_file(eph: Eph) -> None:
    missing = eph("validate")
    assert missing.exit_code == 2
    assert "eph init" in missing.stderr
    assert eph("validate", ".").exit_code == 2
    Path("huge.yaml").write_bytes(b"a" * 10_000_000)
    assert eph("validate", "huge.yaml").exit_code == 1
    Path("binary.yaml").write_bytes(bytes(range(256)))
    assert eph("validate", "binary.yaml").exit_code == 1


def test_file_from_standard_input(eph: Eph) -> None:
    done = CliRunner().invoke(app, ["validate", "-"], input=HEAD + WEB)
    assert done.exit_code == 0, done.output


def test_init_writes_at_the_root_once_and_it_validates(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path.cwd()
    (root / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(root / "deep" / "down")
    (root / "Procfile").write_text("web: run\n")
    assert eph("init").exit_code == 0
    written = (root / "eph.yaml").read_text()
    assert "name: my-shop-2" in written
    again = eph("init")
    assert again.exit_code == 6
    assert (root / "eph.yaml").read_text() == written
    monkeypatch.chdir(root)
    assert eph("validate").exit_code == 0


def test_doctor_finds_what_is_missing_and_says_what_to_do(
    eph: Eph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("EPH_CACHE", str(tmp_path / "cache"))
    result = eph("doctor", "-o", "json")
    assert result.exit_code == 1
    checks = {item["name"]: item for item in json.loads(result.stdout)}
    assert checks["git"]["verdict"] == "fail"
    assert checks["Pulumi"]["verdict"] == "fail"
    assert "make toolchain" in checks["Pulumi"]["todo"]
    assert checks["bubblewrap"]["verdict"] == "warn"
    assert checks["kustomize"]["verdict"] == "warn"
    assert "make kustomize" in checks["kustomize"]["todo"]
    assert {checks[name]["verdict"] for name in ("Redis", "MariaDB")} <= {"ok", "warn"}, "few repositories need them"
    assert checks["server"]["verdict"] == "warn"
    assert "eph demo" in checks["server"]["todo"]


def test_doctor_names_the_package_of_a_database_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """D5: only repositories that ask for one need it."""
    absent = replace(redis.ENGINE, program="no-such-server")
    monkeypatch.setattr(engines, "ENGINES", {"redis": absent})
    [check] = doctor._database_servers()
    assert (check.name, check.verdict) == ("Redis", doctor.CheckStatus.WARN)
    assert "redis-server" in check.todo


def test_doctor_lists_the_languages_that_previews_can_use() -> None:
    check = doctor._languages()
    assert check.verdict is doctor.CheckStatus.OK
    assert "Python (/" in check.found


def test_doctor_lists_the_versions_of_mise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1: those that a repository's mise.toml can choose."""
    monkeypatch.setenv("MISE_DATA_DIR", str(tmp_path))
    for version in ("20.10.0", "20.9.1"):
        (tmp_path / "installs" / "node" / version).mkdir(parents=True)
    [check] = doctor._versions()
    assert (check.verdict, check.found) == (doctor.CheckStatus.OK, "node 20.9.1 20.10.0")


def test_doctor_reports_a_sandbox_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    check = doctor._bubblewrap()
    assert check.verdict is doctor.CheckStatus.WARN
    assert "No permissions" in check.found


def test_doctor_reports_a_port_in_use(eph: Eph) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert doctor._port(port, None).verdict is doctor.CheckStatus.WARN
    assert doctor._port(port, None).verdict is doctor.CheckStatus.OK


def test_doctor_accepts_the_ports_of_a_running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as gateway:
        ports = [listener.getsockname()[1] for listener in (api, gateway)]
        config = tmp_path / "eph.toml"
        config.write_text(f'gateway_listen = "127.0.0.1:{ports[1]}"\n')
        assert [doctor._port(port, config).verdict for port in ports] == [doctor.CheckStatus.WARN] * 2
        discovery.write(f"http://127.0.0.1:{ports[0]}", tmp_path / "token")
        assert [doctor._port(port, config).verdict for port in ports] == [doctor.CheckStatus.OK] * 2


def test_doctor_fails_for_a_configured_server_that_does_not_respond(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("EPH_URL", f"http://127.0.0.1:{port}")
    assert doctor._server().verdict is doctor.CheckStatus.FAIL
