"""What the demo prints about a cluster, its registry and CI.

Standard library only, because the command line needs the help of the options.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Options

CLUSTER_OPTIONS = "options for --target kubernetes"
CLUSTER_OPTIONS_HELP = "Each option can also be set by the environment variable in parentheses."

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


# Images that can't be assembled on this machine

NO_POSTGRES = "PostgreSQL isn't installed in /usr/lib/postgresql (Debian package: postgresql)"


def no_python_package(name: str) -> str:
    return f"the Python package {name}, which the sample shop needs, isn't installed"


def no_program(name: str) -> str:
    return f"the program {name} isn't on PATH"
