"""Every kind of bad eph.yaml, pushed to a pull request that is already running (Y1): one clear message with file and
line, the running environment unchanged, and all well after the next good push."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from programs.kit.processes import process_table
from tests.e2e import site as sites
from tests.e2e.previews import Preview
from tests.e2e.site import REPOSITORY, Git, Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

GOOD = (sites.SHOP / "eph.yaml").read_text()
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def replace_in_good(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def location(text: str, part: str) -> str:
    return f"eph.yaml:{line_of(text, part)}"


def bad_files() -> dict[str, tuple[str | bytes, tuple[str, ...]]]:
    """The content of the file, and what the pull request must show."""
    broken = GOOD + "\ttabbed: [\n"
    unknown = replace_in_good("name: shop\n", "name: shop\ndatabse: {}\n")
    mistyped = replace_in_good("command: exec python3 app.py", "command: [python3, app.py]")
    duration = replace_in_good("deadline: 30s", "deadline: half an hour")
    image = replace_in_good("build:", "environment:\n  images:\n    - name: api\n\nbuild:")
    outside = replace_in_good("./db/schema.sql", "../../../etc/passwd")
    return {
        "not YAML": (broken, (location(broken, "tabbed"), "tab")),
        "unknown key": (unknown, (location(unknown, "databse"), "databse", "database")),
        "wrong type": (mistyped, (location(mistyped, "command: [python3"), "command")),
        "bad duration": (duration, (location(duration, "half an hour"), "30m")),
        "image without a repository": (image, (location(image, "- name: api"), "repository")),
        "a path out of the repository": (outside, (location(outside, "etc/passwd"), "../../../etc/passwd")),
        "ten megabytes": ("# " + "x" * 10_000_000, ("eph.yaml has 10000002 bytes", "65536")),
        "a YAML bomb": (BOMB, ("eph.yaml", "alias")),
        "not text": (b"version: \xff\xfe\x00", ("eph.yaml", "UTF-8")),
    }


ROUNDS = [list(bad_files())[start : start + 3] for start in range(0, len(bad_files()), 3)]
"""Comments are rate-limited, so three pull requests are tried at once."""


@pytest.fixture(scope="module")
def previews(site: Site) -> list[Preview]:
    opened = [(branch, *site.open_pull(branch)) for branch in ("one", "two", "three")]
    made = [site.wait_for_preview(*item) for item in opened]
    for item in made:
        assert site.page(item.host, "/add", q="a row that must stay").status == 200
    return made


@pytest.fixture
def preview(previews: list[Preview]) -> Preview:
    return previews[0]


def assert_still_runs(site: Site, preview: Preview) -> None:
    """The commit and the rows from before."""
    data = site.page(preview.host).data
    assert data["commit"] == preview.commit
    assert "a row that must stay" in data["goods"]


@pytest.mark.parametrize("round_", ROUNDS, ids=", ".join)
@pytest.mark.exhaustive
def test_error_has_file_and_line_and_the_running_environment_stays(
    site: Site, previews: list[Preview], round_: list[str]
) -> None:
    pushed = [
        (preview, site.push(preview, {"eph.yaml": bad_files()[kind][0]}), bad_files()[kind][1])
        for preview, kind in zip(previews, round_, strict=True)
    ]
    for preview, sha, parts in pushed:
        body = site.wait_for_comment(preview.number, sha[:7], "Errors in eph.yaml", *parts)
        assert len(re.findall(r"^- `+ ?eph\.yaml", body, re.MULTILINE)) == 1, body
        assert len(body) < 2000
        site.wait_for_check(sha, "failure")
        assert_still_runs(site, preview)


def test_missing_file_is_reported(site: Site, preview: Preview) -> None:
    sha = site.push(preview, {"eph.yaml": None})
    site.wait_for_comment(preview.number, sha[:7], "eph.yaml", "missing in this commit")
    assert_still_runs(site, preview)


def test_link_out_of_the_checkout_is_not_followed(site: Site, preview: Preview, tmp_path: Path) -> None:
    """S3: the schema is a link to one of the server's files."""
    sha = push_link(site, preview, tmp_path, "db/schema.sql", str(site.token))
    body = site.wait_for_comment(preview.number, sha[:7], "db/schema.sql", "**Failed**")
    assert site.token.read_text() not in body
    assert_still_runs(site, preview)


def push_link(site: Site, preview: Preview, folder: Path, path: str, to: str) -> str:
    def change(git: Git) -> None:
        (folder / "eph.yaml").write_text(GOOD)
        (folder / path).unlink()
        (folder / path).symlink_to(to)
        git("add", "--all")

    return site.commit_by_git(REPOSITORY, preview.branch, folder, change)


def test_hanging_command_ends_at_its_timeout(site: Site, preview: Preview) -> None:
    slow = replace_in_good("timeout: 1m", "timeout: 3s")
    schema = (sites.SHOP / "db/schema.sql").read_text()
    files = {"eph.yaml": slow, "build.sh": "echo waiting; sleep 1000\n", "db/schema.sql": None}
    site.push(preview, files)
    sha = site.push(preview, {"db/schema.sql": schema})
    site.wait_for_comment(preview.number, sha[:7], "**Failed**", "build", "3 s", "waiting", timeout=60)
    assert_still_runs(site, preview)
    wait_until("the command is ended", lambda: "sleep 1000" if sleeping_pids(site, preview) else "")


def sleeping_pids(site: Site, preview: Preview) -> list[int]:
    return [pid for pid in leak_check.processes(preview.name) if "sleep 1000" in process_table.command_line(pid)]


def test_next_good_push_is_enough(site: Site, preview: Preview) -> None:
    good = {path: text for path, text in sites.shop_files().items() if path in ("eph.yaml", "build.sh")}
    sha = site.push(preview, good)
    site.wait_for_commit(preview, sha)
    assert "a row that must stay" in site.page(preview.host).data["goods"]
    site.wait_for_check(sha, "success")
    comment = site.comment(preview.number)
    assert "Errors in" not in comment
    assert "**Failed**" not in comment
