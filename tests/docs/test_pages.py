"""The documentation matches the code: links resolve, every target and setting is documented, tables are up to date."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import generate
from tests.docs.test_dependencies import LOCKS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
ROWS = {"L": 10, "Y": 5, "I": 2, "T": 9, "D": 5, "P": 14, "M": 6, "C": 2, "O": 7, "S": 6}

# Split, so that this file doesn't match its own search.
REGISTRIES = [
    "pypi." + "org",
    "python" + "hosted",
    "proxy." + "golang",
    "sum." + "golang",
    "npm" + "js",
    "deb." + "debian",
]
LOCAL_PATHS = [
    *(f"/root/{name}" for name in (".pyenv", ".cache", ".venv", "go/")),
    "/" + "work/",
    "/tmp/" + "venv",
    "/tmp/" + "eph-tools",
]


def committed_files() -> list[Path]:
    """The files in git; in an unpacked archive, all text files that weren't generated here."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    made = {".venv", ".git", "build", "dist", "__pycache__"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not made & set(path.relative_to(ROOT).parts)]


def text_of(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def without_code(page: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_stray_lies_at_the_top() -> None:
    folders = {"orchestrator", "stacks", "programs", "tests", "infra", "docs", "examples"}
    names = {path.relative_to(ROOT).parts[0] for path in committed_files()}
    stray = {name for name in names - folders if not re.fullmatch(r"[A-Z]+\.md|LICENSE|Makefile|\..+", name)}
    assert stray == {"pyproject.toml", *LOCKS, "eph.example.yaml"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_resolves(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target.read_text()), f"{link}: no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = (link.partition("#")[0] for link in re.findall(r"\]\(([^)\s:]+)\)", without_code(page.read_text())))
        linked = {(page.parent / link).resolve() for link in links if link.endswith(".md")}
        waiting.extend(linked - seen - set(waiting))
    assert set(PAGES) - seen == set()


def make_targets() -> list[str]:
    phony = re.findall(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return sorted({name for line in phony for name in line.split()} - {"help", "venv", "pulumi"})


def test_every_target_of_make_is_in_contributing() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in make_targets() if f"| `make {name}` |" not in page] == []


def test_every_make_command_in_a_page_is_a_target() -> None:
    for page in PAGES:
        told = re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.MULTILINE)
        assert {first or second for first, second in told} <= {*make_targets(), "help"}, page


def test_every_decision_is_in_the_index_and_numbered_in_order() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    numbers = [path.name[:4] for path in DECISIONS]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    for path in DECISIONS:
        title = path.read_text().split("\n")[0].removeprefix(f"# {path.name[:4]} ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in index


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_has_its_three_parts_on_one_page(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
    assert len(text.split("\n")) <= 60


def states() -> dict[str, str]:
    return generate.requirements(generate.REQUIREMENTS.read_text())


def test_every_requirement_is_listed_with_a_state() -> None:
    assert list(states()) == [f"{letter}{number}" for letter, count in ROWS.items() for number in range(1, count + 1)]
    unclear = {row: state for row, state in states().items() if not re.fullmatch("done|not yet|partly: .+", state)}
    assert unclear == {}, "a state is `done`, `not yet`, or `partly: ` and what is missing"


def test_every_requirement_that_is_done_has_a_test() -> None:
    cited = generate.cited_rows(ROOT)
    assert [row for row, state in states().items() if state == "done" and row not in cited] == []


def test_no_test_cites_an_unknown_requirement() -> None:
    known = states()
    unknown = {row: files for row, files in generate.cited_rows(ROOT).items() if row not in known}
    assert unknown == {}


def test_requirement_ids_are_found_in_docstrings_and_comments_only(tmp_path: Path) -> None:
    tests = tmp_path / "tests" / "core"
    tests.mkdir(parents=True)
    (tests / "test_a.py").write_text('"""Proves L1 and Y1–Y3."""\nT1 = "P9"  # and S5\n')
    assert sorted(generate.cited_rows(tmp_path)) == ["L1", "S5", "Y1", "Y2", "Y3"]
    rows = generate.requirements("| L1 | a \\| b | done |\n| L2 | c | partly: no d |")
    assert rows == {"L1": "done", "L2": "partly: no d"}
    page = generate.requirement_tests(rows, tmp_path)
    assert page.endswith("| L1 | [core/a](../../tests/core/test_a.py) |\n| L2 | none |\n")


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(page: Path) -> None:
    assert page.read_text() == generate.PAGES[page](), "run `make docs` and commit what it writes"


def test_every_variable_of_ours_is_documented() -> None:
    page = generate.CONFIGURATION.read_text()
    known = set(re.findall(r"`(EPH_[A-Z0-9_]+)`", page))
    assert {name: places for name, places in environment_variables().items() if name not in known} == {}


def environment_variables() -> dict[str, str]:
    """Each EPH_ variable that occurs in code or a script, and one file in which it does."""
    found: dict[str, str] = {}
    for path in committed_files():
        if path.suffix in {".py", ".sh", ".toml"} or path.name in {"Makefile", "run"}:
            inside = path.relative_to(ROOT)
            if inside.parts[0] != "tests":
                names = re.findall(r"\bEPH_[A-Z0-9]+(?:_[A-Z0-9]+)*\b", text_of(path))
                found.update({name: inside.as_posix() for name in names})
    return found


def findings(words: list[str]) -> Iterator[str]:
    for path in committed_files():
        text = text_of(path)
        yield from (f"{path.relative_to(ROOT)}: {word}" for word in words if word in text)


def test_no_committed_file_names_a_package_registry() -> None:
    assert list(findings(REGISTRIES)) == []


def test_no_committed_file_names_a_path_of_one_machine() -> None:
    assert list(findings(LOCAL_PATHS)) == []


def test_locks_name_no_address() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"--(?!hash=)", text), "an option of pip got into the lock"
