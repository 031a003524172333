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


def summary(environments: int, label_to_url: float, update: float, leftovers: int) -> str:
    return (
        f"demo: {environments} environments, label to URL {label_to_url:.1f} s, "
        f"update {update:.1f} s, leftovers {leftovers}"
    )


def deploys_summary(deploys: int, first_request: float, cold: tuple[int, int], leftovers: int) -> str:
    """``cold``: how many requests found a deploy stopped, and how often it was started."""
    requests, starts = cold
    return (
        f"demo: {deploys} deploys, first request to answer {first_request:.1f} s, "
        f"{requests} cold requests {starts} start{'' if starts == 1 else 's'}, leftovers {leftovers}"
    )


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
CLUSTER_OPTIONS = "options for --target kubernetes"
CLUSTER_OPTIONS_HELP = "Each option can also be set by the environment variable in parentheses."


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


# The story's steps


def server_did_not_start(tail: Iterable[str]) -> str:
    return "ephd didn't start:\n" + "\n".join(tail)


def labelling(preview: object, label: str) -> str:
    return f"{preview}: adding the label {label}"


def live(preview: object, seconds: float, event: str) -> str:
    return f"{preview}: live {seconds:.1f} s after {event}"


def listed_stacks(stacks: Iterable[str]) -> str:
    return f"`pulumi stack ls --all` lists {', '.join(stacks)}"


def pushing(preview: object, change: str) -> str:
    return f"{preview}: pushing {change}"


def push_live(preview: object, seconds: float) -> str:
    return f"{preview}: the push is live at the same URL after {seconds:.1f} s"


NO_ORPHANS = "`eph audit` accounts for everything that AWS lists"


def orphans_found(orphans: Iterable[str]) -> str:
    return "`eph audit` finds orphans of live environments:\n" + "\n".join(orphans)


def broken_build(preview: object) -> str:
    return f"{preview}: the broken build is reported, and the previous commit is still live"


def fixed(preview: object) -> str:
    return f"{preview}: the next push fixes it"


def destroyed(preview: object, event: str) -> str:
    return f"{preview}: destroyed after {event}"


LABEL_ADDED, LABEL_REMOVED = "its label was added", "its label was removed"
CLOSED, FIRST_PUSH, BRANCH_DELETED = "it was closed", "its first push", "its branch was deleted"
COLOUR_CHANGE, BROKEN_CHANGE, FIX = "a new colour", "a change that breaks the build", "a fix"


# Steps that exist only on emulate


def not_on_pulls(limitation: str) -> str:
    return f"Not played on a pull request: a push, a broken push and its fix. {limitation}."


def on_branch(branch: str) -> str:
    return f"They're played on the branch {branch} instead. Its commits get Eph's checks, but no comment."


def app_identity(bot: str) -> str:
    return f"Eph comments as the App {bot}"


def branch_updated(preview: object, seconds: float) -> str:
    return f"{preview}: the updated branch is live at the same URL after {seconds:.1f} s"


def broken_from_start(preview: object) -> str:
    return f"{preview}: a build that fails from the start is reported"


def webhooks_checked(preview: object) -> str:
    return f"{preview}: its signed webhook is accepted, and a forged one is rejected"


# Steps that failed


def timed_out(condition: str, seconds: float, last: str) -> str:
    return f"{condition}: not within {seconds:.0f} s. Last seen: {last}"


def too_many_comments(number: int, count: int) -> str:
    return f"#{number} has {count} comments from Eph; expected one"


def wrong_author(preview: object, authors: Iterable[str], bot: str) -> str:
    return f"{preview}: Eph's comment is by {', '.join(sorted(authors)) or 'no one'}; expected {bot}"


def wrong_webhook_status(status: int, expected: int) -> str:
    return f"A webhook with a wrong signature was answered with {status}; expected {expected}"


def stacks_missing(stacks: Iterable[str], missing: Iterable[str]) -> str:
    return f"`pulumi stack ls --all` lists {', '.join(stacks) or 'nothing'}; missing: {', '.join(missing)}"


def previous_page_lost(failed: str, running: str, problem: str) -> str:
    return f"The build of {failed[:7]} failed, and {running[:7]} is no longer live: {problem}"


def wrong_report(missing: Sequence[str], check: str, text: str) -> str:
    return f"missing from the report: {', '.join(missing) or 'nothing'}; check: {check or 'none'}; report: {text}"


# CI


def ci_cant_report(commit: str, problem: object) -> str:
    return f"CI can't report on {commit[:7]}: {problem}"


def ci_cant_read(problem: object) -> str:
    return f"CI can't read the repository: {problem}"


def ci_cant_push(commit: str, problem: object) -> str:
    return f"CI can't push the image of {commit[:7]}: {problem}"


def public_postgres(image: str, problem: object) -> str:
    return f"Databases use the public image {image}: {problem}"


# The registry


def unreachable(url: object, problem: BaseException) -> str:
    return f"{url} doesn't respond: {type(problem).__name__}: {problem}"


def registry_answered(url: object, status: int, method: str, path: str, reason: str) -> str:
    return f"{url} answered {status} to {method} {path}: {reason}"


def authentication_required(scheme: str) -> str:
    return f"authentication required ({scheme or 'no scheme given'})"


def upload_elsewhere(url: object, host: str) -> str:
    return f"{url} redirects uploads to {host}. Use that registry instead."


# The cluster

OPTION_HELP = {
    "kubeconfig": "the cluster's kubeconfig; default: ~/.kube/config",
    "registry": "a registry that this machine pushes to and the cluster pulls from; prefix with http:// to disable TLS",
    "registry-auth": "a file with user:password, if the registry requires authentication",
    "ingress": "a URL at which this machine reaches the cluster's ingress controller",
    "ingress-class": "the ingress class; default: the cluster's default class, or its only one",
    "ingress-namespace": "the namespace of the ingress controller's pods; default: a well-known one",
    "postgres-image": "the image of databases; default: built from this machine's PostgreSQL",
}
_SETUP_HINT = """\
On a Linux machine, as root, `eval "$(make -s cluster-up)"` starts a suitable cluster and sets these variables.
For another cluster, see "Try it" in docs/how-to/kubernetes.md."""


def cluster_unavailable(problems: Iterable[str]) -> str:
    listed = "".join(f"\n  - {line}" for line in problems)
    return f"The target kubernetes can't be used:{listed}\n{_SETUP_HINT}"


def cluster_description(version: str, registry: str, ingress_class: str, ingress: str) -> str:
    return f"Cluster: Kubernetes {version}, images in {registry}, ingress class {ingress_class} at {ingress}"


NO_REGISTRY = "No registry. Set --registry to one that this machine pushes to and the cluster pulls from."
NO_INGRESS = "No ingress URL. Set --ingress to a URL of the cluster's ingress controller, such as http://localhost."
NO_NODES = "The cluster has no nodes."
CREDENTIALS_HINT = "Put user and password into a file and set --registry-auth."


def no_kubeconfig(path: object, named: bool) -> str:
    if named:
        return f"No cluster. The kubeconfig {path} doesn't exist."
    return f"No cluster. Neither --kubeconfig nor KUBECONFIG is set, and {path} doesn't exist."


def no_credentials_file(path: str) -> str:
    return f"No registry credentials. The file {path} (--registry-auth) doesn't exist."


def cluster_unreachable(kubeconfig: object, problem: str) -> str:
    return f"Can't use the cluster of {kubeconfig}: {problem}"


def cluster_too_old(version: str, minimum: str) -> str:
    return f"The cluster runs {version}. Eph needs Kubernetes {minimum} or newer."


def wrong_architecture(nodes: Iterable[str], here: str) -> str:
    return (
        f"The nodes are {', '.join(sorted(nodes))}, but images built on this machine are {here}. "
        "Run the demo on a machine with the nodes' architecture."
    )


def no_ingress_class(wanted: str, available: Sequence[str]) -> str:
    if not available:
        return "The cluster has no ingress class. Install an ingress controller."
    problem = f'No ingress class "{wanted}"' if wanted else "Can't tell which ingress class to use"
    return f"{problem}. Choose one with --ingress-class: {', '.join(available)}."


def no_ingress_namespace(wanted: str, candidates: Sequence[str]) -> str:
    problem = f'No namespace "{wanted}".' if wanted else "Can't tell where the ingress controller's pods run."
    found = f" Candidates: {', '.join(candidates)}." if candidates and not wanted else ""
    return f"{problem}{found} Set --ingress-namespace; previews accept traffic from that namespace only."


def registry_unusable(problem: str) -> str:
    return f"Can't use the registry: {problem}"


def ingress_unreachable(url: str, problem: BaseException) -> str:
    return f"Can't reach the ingress controller: {unreachable(url, problem)}"


def removing_from_cluster(names: Iterable[str]) -> str:
    return f"Removing from the cluster: {', '.join(names)}"


def environments_left(problem: str, command: str) -> str:
    return f"environments in the cluster: {problem}. Once it responds, run: {command}"


# emulate

NO_SOURCE_TREE = "--forge emulate needs Eph's source tree, which contains its installer (infra/toolchain)."
NO_NODE = "--forge emulate needs Node 20 and npm. Install nodejs and npm, or remove --forge."
NO_PUSHES_TO_PULLS = (
    "emulate 0.11.2 keeps the files that a pull request was opened with: a push moves the branch, but not the pull "
    'request. Only "update branch" moves it, and the merge commit has the old files'
)


def emulate_install_failed(output: str) -> str:
    return f"Installing emulate failed: {output}"


def emulate_failed(method: str, path: str, status: int, body: str) -> str:
    return f"emulate answered {status} to {method} {path}: {body}"


def emulate_not_started(url: str, log: str) -> str:
    return f"emulate didn't start at {url}: {log}"


def different_ids(ours: str, theirs: str) -> str:
    return f"git and emulate disagree about an object's id ({ours}, {theirs}), so the mirror lacks emulate's commits"


# Containers


NO_ENGINE = (
    "--target compose needs a container engine. Start Docker, set DOCKER_HOST to its socket (unix://…), or run the "
    "demo as root on a machine with docker.io, where it starts its own."
)
OWN_ENGINE = "Container engine: started for the demo"


def found_engine(socket: object) -> str:
    return f"Container engine: {socket}"


def engine_not_started(line: str) -> str:
    return f"The container engine didn't start: {line}"


def socket_path_too_long(path: object) -> str:
    return f"The path of the container engine's socket is too long: {path}. Set TMPDIR to a shorter folder."


# The target with Airflow

STARTING_AIRFLOW = "Starting Airflow and a warehouse (takes a minute)…"
NO_AIRFLOW = "Airflow isn't installed. `make demo ARGS='--once --target pipeline'` installs it first."


SHARED_TABLES_CHANGED = "an environment changed the shared tables"
ANOTHER_QUERY = "another query"
DAGS_HAVE_RUN = "Both environments have run the DAG orders; each has rows of its own."


DAG_STARTED_BY_HAND = "`eph run` started the DAG orders; all its tasks succeeded."


def run_failed(output: str) -> str:
    return f"`eph run` failed:\n{output}"


def wrong_rows(found: object) -> str:
    return f"the rows of the push by schema: {found}, but one schema has it"


def airflow_failed(tail: str) -> str:
    return f"Airflow didn't start. The end of its log:\n{tail}"
