"""The first line of a failed run is the one that people need. Row: T8."""

from __future__ import annotations

import pytest

from programs.targets.program import error_lines

PYTHON = """Program failed with an unhandled exception:
Traceback (most recent call last):
  File "__main__.py", line 3, in <module>
    raise ValueError("no such size")
ValueError: no such size
"""
NODEJS = """Running program '/shop' failed with an unhandled exception:
Error: no such size
    at Object.<anonymous> (/shop/index.js:3:7)
"""
GO = "an unhandled error occurred: program failed: \n1 error occurred:\n\t* no such size\n"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (PYTHON, "ValueError: no such size"),
        (NODEJS, "Error: no such size"),
        (GO, "no such size"),
        ("page: the content is empty\nask the cloud", "page: the content is empty"),
    ],
)
def test_first_line_says_what_happened(text: str, first: str) -> None:
    lines = error_lines.arrange([text], 20)
    assert lines[0] == first
    assert lines[-1] == text.splitlines()[-1]


def test_long_trace_keeps_its_first_and_its_last_lines() -> None:
    trace = "\n".join(["Traceback (most recent call last):", *(f"  line {n}" for n in range(100)), "KeyError: 'x'"])
    lines = error_lines.arrange([trace], 5)
    assert lines == ("KeyError: 'x'", "  line 97", "  line 98", "  line 99", "KeyError: 'x'")
    assert error_lines.arrange([], 5) == ()
