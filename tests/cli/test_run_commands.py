"""``eph exec``, ``eph psql`` and ``eph run`` with a real server: output, input, exit status (P5, P11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import Result

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.service.fake import FakeEnvironmentService

Eph = Callable[..., Result]
NAME = "shop-gentle-stream-42"


def test_exec_passes_on_output_input_and_exit_status(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.exec_code = 3
    done = eph("exec", NAME, "--", "ls", "-l", "--all", input="some text\n")
    assert (done.exit_code, done.stdout, done.stderr) == (3, "ls -l --all\nSOME TEXT\n", "warning: a fake\n")
    assert desk.calls[0] == ("exec", NAME, "admin-name", "", "ls", "-l", "--all")


def test_the_service_can_be_chosen(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("exec", "--service", "api", NAME, "env", input="").exit_code == 0
    assert desk.calls[0] == ("exec", NAME, "admin-name", "api", "env")


def test_large_input_arrives_in_parts(eph: Eph) -> None:
    text = "x" * 200_000
    assert text.upper() in eph("exec", NAME, "--", "cat", input=text).stdout


def test_psql_uses_the_variable_with_the_url(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("psql", NAME, "--", "-c", "select 1", input="").exit_code == 0
    assert desk.calls[0] == ("exec", NAME, "admin-name", "", "psql", "-c", "select 1")
    assert desk.exec_database == "DATABASE_URL"
    assert eph("psql", "--variable", "REPORTS_URL", NAME, input="").exit_code == 0
    assert desk.exec_database == "REPORTS_URL"
    refused = eph("psql", "--variable", "$(reboot)", NAME)
    assert (refused.exit_code, len(desk.calls)) == (ExitCode.USAGE, 4)


@pytest.mark.parametrize("code", [None, -9])
def test_a_stopped_or_killed_command_fails(eph: Eph, desk: FakeEnvironmentService, code: int | None) -> None:
    desk.exec_code = code
    done = eph("exec", NAME, "--", "sleep", "9", input="")
    assert done.exit_code == (1 if code is None else 137)


def test_a_refusal_and_a_missing_command_say_what_to_do(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("exec", NAME).exit_code == ExitCode.USAGE
    desk.refusal = "Nothing of it runs."
    refused = eph("exec", NAME, "--", "ls", input="")
    assert refused.exit_code != 0
    assert "Nothing of it runs." in refused.stderr


def test_a_terminal_needs_one(eph: Eph, desk: FakeEnvironmentService) -> None:
    for option in ("-t", "-it", "--tty"):
        refused = eph("exec", option, NAME, "--", "bash", input="")
        assert (refused.exit_code, desk.calls) == (ExitCode.USAGE, [])
    assert eph("exec", "-i", NAME, "--", "cat", input="").exit_code == 0
    assert desk.exec_terminal is None


def test_run_starts_a_job_with_its_parameters_and_ends_with_it(eph: Eph, desk: FakeEnvironmentService) -> None:
    """T5: no input is sent, so a job in a script doesn't take the script's."""
    desk.exec_code = 1
    done = eph("run", NAME, "orders", "--parameters", '{"day": "2026-11-01"}', input="not for the job\n")
    assert (done.exit_code, done.stdout) == (1, "orders succeeded\n")
    assert desk.calls == [("job", NAME, "admin-name", "orders", '{"day": "2026-11-01"}')]


@pytest.mark.parametrize("text", ["[]", "day=1", '"x"'])
def test_parameters_that_are_no_object_are_refused_before_anything_starts(
    eph: Eph, desk: FakeEnvironmentService, text: str
) -> None:
    assert eph("run", NAME, "orders", "-p", text).exit_code == ExitCode.USAGE
    assert desk.calls == []


def test_a_refused_job_says_why(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.refusal = "Nothing of it runs."
    refused = eph("run", NAME, "orders")
    assert refused.exit_code != 0
    assert "Nothing of it runs." in refused.stderr
