"""An environment is created, updated, broken by a commit, and destroyed, next to a neighbour."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.conformance import wording
from orchestrator.conformance.machine import ConformanceMachine
from orchestrator.conformance.shared import SuiteDeclarations
from programs.kit.processes import process_table
from programs.runtime_info import LogRequest
from stacks.model import Outcome

NUMBER, NEIGHBOUR = 1, 2
OUTPUTS = {"url", "urls", "database_urls", "logs", "inspect", "built"}


class LifecycleChecks(SuiteDeclarations):
    """The tests share one environment: each first makes sure that it runs the commit it needs."""

    def test_environment_answers_and_is_listed(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        assert self.first.answers in conformance_machine.get(environment)
        assert environment.name in conformance_machine.names()
        assert conformance_machine.remaining(environment.name), wording.LEAVES_NOTHING

    def test_outputs_have_one_shape(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        outputs = conformance_machine.outputs(environment)
        assert outputs.keys() == OUTPUTS
        assert urlsplit(outputs["url"]).scheme in ("http", "https")
        assert outputs["url"] in outputs["urls"].values()
        assert all(isinstance(url, str) for url in outputs["database_urls"].values())
        assert isinstance(outputs["logs"], str)
        assert all(isinstance(hint, str) for hint in outputs["inspect"])
        built = environment.record.built
        assert built
        assert (built.commit, built.target) == (environment.spec.source.commit, self.target)
        assert (built.spec_digest, built.program_version) == (
            environment.spec.digest,
            conformance_machine.target.version,
        )

    def test_state_names_its_environment_and_target(self, conformance_machine: ConformanceMachine) -> None:
        """So Eph knows whose a stack is when everything else about it is lost."""
        record = conformance_machine.deployed(self.first, NUMBER).record
        assert record.name_from_state == conformance_machine.name(NUMBER)
        assert record.target == self.target

    def test_logs_are_lines(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        settings = conformance_machine.settings
        found = conformance_machine.read(
            lambda: conformance_machine.target.logs(environment.name, settings, LogRequest(lines=5))
        )
        assert "\n" not in "".join(found.lines)
        assert len(found.lines) <= 5

    def test_unchanged_spec_changes_nothing(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        finished = conformance_machine.run(conformance_machine.repeat(environment), NUMBER)
        assert finished.result.outcome is Outcome.SUCCEEDED, finished.result.error
        assert finished.result.changes.keys() == {"same"}, finished.progress

    def test_update_is_in_place(self, conformance_machine: ConformanceMachine) -> None:
        before = conformance_machine.deployed(self.first, NUMBER)
        after = conformance_machine.deployed(self.second, NUMBER)
        assert after.url == before.url
        assert self.first.answers not in conformance_machine.get(after)
        assert after.record.built
        assert after.record.built.commit == after.spec.source.commit

    def test_failed_update_leaves_the_previous_commit_answering(self, conformance_machine: ConformanceMachine) -> None:
        before = conformance_machine.deployed(self.second, NUMBER)
        failed = conformance_machine.run(conformance_machine.update(self.broken, NUMBER), NUMBER).result
        assert failed.outcome is Outcome.FAILED, wording.BROKEN_SUCCEEDED
        assert failed.error, wording.UNEXPLAINED_FAILURE
        record = conformance_machine.record(before.ref)
        assert record
        assert record.built == before.record.built
        assert self.second.answers in conformance_machine.get(before)
        conformance_machine.deployed(self.first, NUMBER)

    def test_secrets_are_in_no_state_log_or_command_line(self, conformance_machine: ConformanceMachine) -> None:
        """A secret of the environment, the passwords in its database URLs, and the secrets among the settings."""
        environment = conformance_machine.deployed(self.first, NUMBER)
        secrets = {conformance_machine.secret, *self._passwords(conformance_machine.outputs(environment))}
        secrets |= {
            str(value)
            for name, value in conformance_machine.options.settings.items()
            if name in self._secret_settings()
        }
        finished = environment.finished
        settings, target = conformance_machine.settings, conformance_machine.target
        texts: list[tuple[Path | str, str]] = [
            *conformance_machine.kept_texts(),
            ("progress", "\n".join(finished.progress)),
            ("result", repr(finished.result)),
            ("logs", "\n".join(target.logs(environment.name, settings, LogRequest(lines=1000)).lines)),
            ("remaining", "\n".join(conformance_machine.remaining())),
            *((f"process {pid}", process_table.command_line(pid)) for pid in process_table.pids()),
        ]
        assert any(environment.spec.source.commit in text for _, text in texts), wording.READ_NOTHING
        assert [place for place, text in texts if any(secret in text for secret in secrets)] == []

    def test_neighbours_are_independent_and_a_destroy_leaves_nothing(
        self, conformance_machine: ConformanceMachine
    ) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        neighbour = conformance_machine.deployed(self.second, NEIGHBOUR)
        assert {environment.name, neighbour.name} <= conformance_machine.names()
        assert self.first.answers in conformance_machine.get(environment)
        assert self.second.answers in conformance_machine.get(neighbour)
        conformance_machine.destroy(NEIGHBOUR)
        assert conformance_machine.record(neighbour.ref) is None
        assert neighbour.name not in conformance_machine.names()
        assert conformance_machine.remaining(neighbour.name) == []
        assert self.second.answers not in conformance_machine.get(neighbour)
        assert self.first.answers in conformance_machine.get(environment)
        conformance_machine.destroy(NEIGHBOUR)  # nothing is there any more

    def _secret_settings(self) -> set[str]:
        from programs import registry

        fields = registry.get(self.target).description.settings_model.model_fields
        return {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}

    def _passwords(self, outputs: dict[str, Any]) -> set[str]:
        found = (re.search(r"://[^:/@]*:([^@/]+)@", url) for url in outputs["database_urls"].values())
        return {match[1] for match in found if match}
