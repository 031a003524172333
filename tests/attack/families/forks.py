"""A stranger's pull requests from a fork, which need an approval."""

from __future__ import annotations

from functools import cache

from orchestrator.forges.port import approved_mark
from tests.attack.arena import STRANGER, Arena
from tests.attack.attack import Family, NotTried
from tests.e2e import site as sites
from tests.e2e.site import LABEL, REPOSITORY
from tests.file_trees import all_files

FAMILY = Family("forks and approvals")
RAN = "code of the fork runs"
MARK = "ran-unapproved.txt"


@cache
def fork(arena: Arena) -> str:
    return arena.site.forge.fork(REPOSITORY, STRANGER)


def open_pull(arena: Arena, branch: str) -> tuple[int, str]:
    """A labelled pull request of a fork, once Eph has asked for an approval."""
    sha = arena.site.forge.push(fork(arena), branch, {"build.sh": f"echo yes > {MARK}\n", "branch.txt": branch})
    number = arena.site.forge.open_pull(REPOSITORY, f"{STRANGER}:{branch}", title=branch, by=STRANGER)
    arena.site.forge.label(REPOSITORY, number, LABEL)
    arena.site.wait_for_comment(number, "needs approval", sha[:7], timeout=sites.CREATE_TIMEOUT)
    return number, sha


def ran(arena: Arena, number: int) -> str:
    """Whether anything of it ran after Eph has looked at it at least once more."""
    arena.wait_for_cycle()
    if number in arena.site.stacks():
        return f"pull request {number} has a stack"
    return "; ".join(str(path) for path in all_files(arena.site.eph_home / "local") if path.name == MARK)


@FAMILY.attack("S2", "label a pull request of a fork", RAN)
def label(arena: Arena) -> str:
    return ran(arena, open_pull(arena, "labelled")[0])


COMMANDS = {
    "/eph approve": "/eph approve",
    "the whole SHA": "/eph approve SHA",
    "/eph up": "/eph up",
    "a quoted command": "> looks good\n\n/eph approve SHA",
    "a code block": "```\n/eph approve SHA\n```",
    "/eph retry": "/eph retry",
}


@FAMILY.each("S2", "approve it with a stranger's comment: {}", RAN, COMMANDS)
def comment(arena: Arena, text: str) -> str:
    number, sha = open_pull(arena, f"comment-{list(COMMANDS.values()).index(text)}")
    arena.site.forge.comment(REPOSITORY, number, text.replace("SHA", sha), by=STRANGER)
    return ran(arena, number)


@FAMILY.attack("S2", "approve it as someone who can only read the repository", RAN)
def reader(arena: Arena) -> str:
    arena.site.forge.set_permission(REPOSITORY, "linus", "read")
    number, sha = open_pull(arena, "reader")
    arena.site.forge.comment(REPOSITORY, number, f"/eph approve {sha}", by="linus")
    return ran(arena, number)


@FAMILY.attack("S2", "write the mark of an approval as another account", RAN)
def forged_mark(arena: Arena) -> str:
    arena.site.forge.set_permission(REPOSITORY, "grace", "write")
    number, sha = open_pull(arena, "marked")
    arena.site.forge.set_status(REPOSITORY, sha, approved_mark(f"pr-{number}"), "success", by="grace")
    return ran(arena, number)


@FAMILY.attack("S2", "push after the review and before the approval", "the newer commit runs")
def moved(arena: Arena) -> str:
    number, sha = open_pull(arena, "moved")
    newer = arena.site.forge.push(fork(arena), "moved", {"build.sh": f"echo yes > {MARK}\n", "x": "y"})
    arena.site.wait_for_comment(number, newer[:7], "approval")
    arena.site.eph("approve", f"{REPOSITORY}#{number}", "--commit", sha)
    return ran(arena, number)


@FAMILY.attack("S2", "open a second pull request with an approved commit", "the second one runs")
def second(arena: Arena) -> str:
    sha = arena.site.forge.push(fork(arena), "reviewed", {"good.txt": "x"})
    arena.site.forge.push(REPOSITORY, "other-base", {"base.txt": "x"})
    numbers = []
    for base in ("main", "other-base"):
        said = {"title": base, "head": f"{STRANGER}:reviewed", "base": base, "draft": False}
        numbers.append(int(arena.site.forge.api("POST", f"/repos/{REPOSITORY}/pulls", said, STRANGER)["number"]))
        arena.site.forge.label(REPOSITORY, numbers[-1], LABEL)
        arena.site.wait_for_comment(numbers[-1], "needs approval", sha[:7])
    done = arena.site.eph("approve", f"{REPOSITORY}#{numbers[0]}", "--commit", sha)
    if done.returncode:
        raise NotTried(f"the first one can't be approved: {done.stderr[-300:]}")
    arena.site.wait_for_comment(numbers[0], "Ready", sha[:7], timeout=sites.CREATE_TIMEOUT)
    arena.wait_for_cycle()
    return f"{numbers[1]} has a stack" if numbers[1] in arena.site.stacks() else ""


@FAMILY.attack(
    "S2 Y1", "run commands from the eph.yaml of an approved fork", "the fork's eph.yaml counts", is_slow=True
)
def own_file(arena: Arena) -> str:
    text = (sites.SHOP / "eph.yaml").read_text().replace("exec python3 app.py", "exec python3 -m http.server $PORT")
    sha = arena.site.forge.push(fork(arena), "yaml", {"eph.yaml": text})
    number = arena.site.forge.open_pull(REPOSITORY, f"{STRANGER}:yaml", title="yaml", by=STRANGER)
    arena.site.forge.label(REPOSITORY, number, LABEL)
    arena.site.wait_for_comment(number, "needs approval", sha[:7])
    done = arena.site.eph("approve", f"{REPOSITORY}#{number}", "--commit", sha)
    if done.returncode:
        raise NotTried(f"it can't be approved: {done.stderr[-300:]}")
    arena.site.wait_for_comment(number, "Ready", sha[:7], timeout=sites.CREATE_TIMEOUT)
    page = arena.site.page(arena.site.wait_for_host(number))
    return "" if page.data.get("commit") == sha else page.text[:200]
