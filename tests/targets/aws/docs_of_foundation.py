"""What the how-to says about an account's foundation, so that tests compare it with what is created."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "aws-account.md"


def section(title: str) -> str:
    return PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def resources() -> dict[str, int]:
    """How many of each type are created."""
    rows = re.findall(r"\| `([a-zA-Z0-9/]+)` \| (\d+) \|", section("What is created"))
    return {kind: int(count) for kind, count in rows}


def permissions() -> list[tuple[str, str]]:
    """Without the markup."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", section("What Eph's role can do"), re.MULTILINE)
    plain = [(what.replace("`", ""), re.sub(r"\[(.+?)\]\(.+?\)", r"\1", why)) for what, why in rows]
    return [row for row in plain if row[0] not in ("Services", "---")]


def monthly_cost() -> str:
    """In eu-central-1."""
    found = re.search(r"^\| Together \| \| (\$[0-9.]+) \|$", section("Monthly cost"), re.MULTILINE)
    assert found
    return found[1]
