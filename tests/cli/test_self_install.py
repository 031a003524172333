"""``eph self-install`` before it reaches Pulumi: what it refuses, and that nothing is applied unasked. Row: O4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import self_installation
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands import self_install
from programs import registry
from programs.installation import InstallationOptions, InstallationPlan
from stacks.backends import registry as backends
from stacks.operations.server_installation import PlannedChange, ServerInstallation
from stacks.operations.worker_settings import WorkerSettings

ABLE = {
    name: target
    for name, description in registry.descriptions().items()
    if isinstance(target := registry.get(name), registry.PreparesServers)
}
CREATE = PlannedChange("create", "cloud:index:Network", "network")


@pytest.mark.parametrize(
    ("target", "values", "words"),
    [
        ("nowhere", [], "nowhere"),
        (min(ABLE), ["no_such_option=1"], "no_such_option"),
        (min(ABLE), ["region"], "KEY=VALUE"),
        (min(ABLE), [], "required"),
    ],
)
def test_wrong_target_and_options_are_refused_by_name(target: str, values: list[str], words: str) -> None:
    with pytest.raises(CliError, match=words) as caught:
        self_install.self_install(target, values)
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize("target", ABLE)
def test_each_option_has_a_description(target: str) -> None:
    model = ABLE[target].installation_options
    assert issubclass(model, InstallationOptions)
    assert all(item.description for item in model.model_fields.values())


@dataclass
class RecordedInstallation(ServerInstallation):
    carried_out: list[str] = field(default_factory=list)

    def apply(self) -> Mapping[str, Any]:
        self.carried_out.append("apply")
        return {}

    def destroy(self) -> None:
        self.carried_out.append("destroy")


@pytest.mark.parametrize("destroy", [False, True])
def test_nothing_is_applied_without_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, destroy: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    backend = backends.open_backend(f"file://{tmp_path}/backend")
    settings = WorkerSettings(backend, tmp_path / "work", tmp_path / "pulumi", tmp_path / "passphrase")
    subject = RecordedInstallation("cloud", InstallationPlan("here", lambda: None, ()), settings, "3.0.0")
    with pytest.raises(CliError) as caught:
        self_installation._carry_out(subject, [CREATE], destroy, yes=False)
    assert caught.value.code is ExitCode.USAGE
    assert subject.carried_out == []

    self_installation._carry_out(subject, [CREATE], destroy, yes=True)
    assert subject.carried_out == ["destroy" if destroy else "apply"]
