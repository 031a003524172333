"""Messages that the how-to pages quote are the ones that the product prints."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from orchestrator.cli.commands import maintenance
from orchestrator.surfaces.api.schemas.environment_schemas import AuditResponse, OrphanItem

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
GAP = "…"

QUOTING_TABLES = {
    "github-app.md": ("| Message | What to do |", 0),
    "kubernetes.md": ("| Problem | What Eph does | What you see |", 2),
}
"""By page: the head of a table, and the column whose code spans are messages."""

COMMANDS = ("kubectl ", "eph ", "environment.")


def quoted_messages(page: str) -> list[str]:
    head, column = QUOTING_TABLES[page]
    rows = (HOW_TO / page).read_text().partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [row.strip("|").split(" | ")[column] for row in rows]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell) if not text.startswith(COMMANDS)]


@cache
def product_messages() -> str:
    """The text of every string in the product, with a gap for each value that is filled in."""
    files = (file for room in ("orchestrator", "stacks", "programs") for file in (ROOT / room).rglob("*.py"))
    return "\n".join(message for file in files for message in _messages(ast.parse(file.read_text())))


def _messages(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.mark.parametrize("page", QUOTING_TABLES)
def test_quoted_messages_exist_in_the_product(page: str) -> None:
    messages = quoted_messages(page)
    assert messages
    for message in messages:
        parts = [part.strip() for part in re.split(r"\s?…\s?|\bacme\b|^\d{3}\b", message)]
        missing = [part for part in parts if part and part not in product_messages()]
        assert not missing, f"docs/how-to/{page} quotes {message!r}; the product has no {missing}"


def test_the_audit_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    block = (HOW_TO / "audit.md").read_text().partition("```\nlocal: ")[2].partition("\n```")[0]
    first, owner, why, remove = block.splitlines()[:4]
    kind, name = first.split()
    orphan = OrphanItem(
        kind=kind,
        name=name,
        where="local",
        whose=owner.removeprefix("  owner: "),
        why=why.removeprefix("  why: "),
        command=remove.removeprefix("  remove: "),
        swept=False,
    )
    looked = {"stacks": 3, "local": 41, "other files": 3}
    maintenance.print_audit(AuditResponse(clean=False, orphans=[orphan], unread=[], looked=looked))
    assert capsys.readouterr().out == f"local: {block}\n"
