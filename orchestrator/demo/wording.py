"""Every sentence that the demo prints.

Standard library only, so the first line appears before anything slow is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Start and end

STARTING = "Starting a complete Eph on this machine…"
STARTING_SERVER = "Starting Eph's server and gateway…"
STOPPING = "Stopping the demo and removing everything it created…"
STOP_HINT = "Press Ctrl-C to stop. The demo then removes everything it created."


def git_host(url: str, repository: str, pulls: int) -> str:
    return f"Git host: {url} (repository {repository}, {pulls} open pull {'request' if pulls == 1 else 'requests'})"


def error(message: object) -> str:
    return f"demo: {message}"


def left_behind(item: str) -> str:
    return f"Left behind: {item}"


def cleaned_up(folder: object) -> str:
    return f"Cleaned up after a demo that was killed ({folder})"


def cleanup_failed(item: str, folder: object) -> str:
    return (
        f"A demo that was killed left this behind: {item}. The next demo tries again. "
        f"If that cluster no longer exists, delete {folder}."
    )


# Options

DESCRIPTION = "Run a complete Eph on this machine, with a sample shop or your own repository."
REPO_HELP = "a folder with a Git repository of yours; its commits are copied, and the demo opens a pull request"
NO_OPEN_HELP = "don't open previews in the browser"
ONCE_HELP = "play the whole story unattended, check each step, and exit"
STORY_HELP = "with --once, which story: pull requests with previews, or deploys under a label"
STORY_NEEDS = "--story deploys needs --once, and neither --forge emulate nor another target"
FORGE_HELP = "the Git host: Eph's own small one, or (with --once) the npm package emulate, where Eph is a GitHub App"
TARGET_HELP = (
    "where previews run: as processes on this machine, in a Kubernetes cluster, in containers by Docker Compose, "
    "or (with --once) as Pulumi projects in a small cloud, as DAGs on Airflow, or in a stand-in for AWS"
)


def port_help(default: int) -> str:
    return f"port of previews, dashboard and API (default: {default}, or a free port if it's in use)"


def needs_once(forge: str) -> str:
    return f"{forge} has no web pages to click on. Add --once to play the story unattended."


def needs_local(forge: str, target: str) -> str:
    return f"{forge} works only with the target {target}. Remove --forge or --target."


def only_shop(option: str) -> str:
    return f"{option} plays the sample shop's story. Remove {option} or --repo."


def sets_itself(variables: Sequence[str]) -> str:
    unset = " ".join(f"-u {name}" for name in variables)
    return f"The demo chooses these settings itself: {', '.join(variables)}. Run `env {unset} eph demo`."


ONCE_NEEDS_OPEN_PREVIEWS = (
    "--once visits previews without signing in, which EPH_PREVIEWS__SIGN_IN=all forbids. Remove one of them."
)

# Your own repository

ADD_EPH_YAML = "Add eph.yaml"
FIRST_PREVIEW = "Try a preview"


def no_such_folder(path: object) -> str:
    return f"--repo: {path} isn't a folder."


def not_a_repository(path: object) -> str:
    return f"--repo: {path} isn't in a Git repository. Run `git init` there and commit your files."


def no_commits(path: object) -> str:
    return f"--repo: {path} has no commits. Commit your files first."


def not_copied(path: object, problem: str) -> str:
    return f"--repo: git can't copy {path}: {problem}"


def uncommitted(path: object) -> str:
    return f"{path} has uncommitted changes. The demo uses commits only."


def invalid_port(port: int, maximum: int) -> str:
    return f"{port} isn't a valid port. Use --port with a number up to {maximum}, or omit it to use a free port."


def port_in_use(port: int) -> str:
    return f"Port {port} is already in use. Choose another with --port, or omit it to use a free port."


# The interactive demo

TABLE_COLUMNS = ("PR", "Status", "Commit", "URL or progress")


def introduction(rows: Sequence[tuple[str, str]], hints: Sequence[str]) -> Iterable[str]:
    width = max(len(name) for name, _ in rows)
    yield from (f"{name:<{width}}   {value}" for name, value in rows)
    yield ""
    yield from hints
    yield STOP_HINT
    yield ""


def shop_hints(label: str) -> tuple[str, ...]:
    return (
        f"Adding the label {label} to pull requests 1 and 2.",
        "Then it's your turn: label 3, push a commit, remove a label, close a pull request, and watch this table.",
        "Your own app: `eph demo --repo PATH`, or New repository at the pull requests' address.",
    )


def own_hints(label: str, title: str, remote: str) -> tuple[str, ...]:
    return (
        f'Adding the label {label} to pull request 1, "{title}".',
        f"Next, in your repository: git remote add eph {remote}",
        "Then commit, `git push eph HEAD:my-branch`, and open its pull request at the address above.",
    )


CLI_EXAMPLES = "eph list · eph why 1 · eph logs 1 (in another terminal)"
CLI_EXAMPLES_ELSEWHERE = "eph context use demo · eph list · eph why 1 (in another terminal; then eph context clear)"
