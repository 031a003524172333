"""What a failed command's error shows of its output: stack traces don't push out the cause (D2, P1)."""

from __future__ import annotations

import pytest

from programs.kit.processes.last_lines import SHOWN_CALLS, LastLines

RUBY = "/srv/src/vendor/bundle/ruby/3.1.0/gems/activerecord-6.1/lib/active_record/migration.rb:{}:in `migrate'"
NODE = "    at async Runner.run (file:///srv/src/node_modules/runner/index.js:{}:7)"
JAVA = "\tat com.example.Runner.run(Runner.java:{})"


@pytest.mark.parametrize("call", [RUBY, NODE, JAVA, f"\tfrom {RUBY}"])
def test_a_long_stack_trace_keeps_the_cause_and_the_innermost_calls(call: str) -> None:
    lines = LastLines(10)
    calls = [call.format(number) for number in range(60)]
    lines.extend(['PG::UndefinedTable: ERROR:  relation "nowhere" does not exist', *calls, "Tasks: TOP => db:migrate"])
    cause, *shown, last = lines
    assert (cause.partition(" ")[0], last) == ("PG::UndefinedTable:", "Tasks: TOP => db:migrate")
    assert shown[:-1] == calls[:SHOWN_CALLS]
    assert str(len(calls) - SHOWN_CALLS) in shown[-1]


@pytest.mark.parametrize("count", [1, SHOWN_CALLS])
def test_a_short_stack_trace_stays(count: int) -> None:
    lines = LastLines(10)
    calls = [RUBY.format(number) for number in range(count)]
    lines.extend(["first", *calls, "second", *calls])
    assert list(lines) == ["first", *calls, "second", *calls]


def test_an_error_of_node_postgres_keeps_its_message() -> None:
    lines = LastLines(10)
    fields = ["severity: 'ERROR',", "code: '42P01',", *(f"{name}: undefined," for name in ("detail", "hint", "where"))]
    call = NODE.format(1)
    lines.extend(
        ["error: relation", *[call] * 30, f"{call} {{", *(f"  {field}" for field in fields), "  table: undefined", "}"]
    )
    first, *_, severity, code, end = lines
    assert (first, severity, code, end) == ("error: relation", "  severity: 'ERROR',", "  code: '42P01',", "}")


def test_other_lines_are_kept_as_they_are() -> None:
    output = [
        "12:30:01 in the log",
        "Installed at /srv/app",
        "app.py:12: in test_x",
        "at the end",
        "a.rb:1:in `x': no (E)",
    ] * 3
    lines = LastLines(4)
    lines.extend(output)
    assert list(lines) == output[-4:]
