"""A suite's JUnit XML is a stranger's file: P4, S3."""

from __future__ import annotations

import pytest

from orchestrator.core.suites import junit
from orchestrator.core.suites.junit import InvalidReport, JUnitReport

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="999" failures="0">
<testcase classname="tests.test_shop" name="test_price" time="0.1"/>
<testcase classname="tests.test_shop" name="test_tea"><failure message="no tea">AssertionError</failure></testcase>
<testcase classname="tests.test_shop" name="test_cart"><error/><failure/></testcase>
<testcase classname="tests.test_shop" name="test_pay"><skipped/></testcase>
</testsuite></testsuites>"""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
OUTSIDE = b"""<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>"""


def test_cases_are_counted_and_headers_are_not_believed() -> None:
    report = junit.parse(PYTEST)
    assert report == JUnitReport(4, 1, 1, 1, ("tests.test_shop test_tea", "tests.test_shop test_cart"))
    assert report.passed == 1


def test_names_are_few_and_short() -> None:
    case = f'<testcase name="{"x" * 5000}"><failure/></testcase>'
    report = junit.parse(f"<testsuite>{case * 50}</testsuite>".encode())
    assert report.failures == 50
    assert len(report.names) == junit.MAX_NAMES
    assert max(map(len, report.names)) == junit.MAX_NAME_LENGTH


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (BOMB, "document type or an entity"),
        (OUTSIDE, "document type or an entity"),
        (b"<testsuite>" * (junit.MAX_DEPTH + 1), "levels deep"),
        (b" " * (junit.MAX_BYTES + 1), "larger than 2 MB"),
        (b"<html/>", "neither testsuites nor testsuite"),
        (b"<testsuite><testcase", "isn't valid XML"),
        (b"", "isn't valid XML"),
        (b"\xff\xfe\x00", "isn't valid XML"),
    ],
)
def test_an_unreadable_report_is_rejected_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(InvalidReport, match=why):
        junit.parse(data)
