"""What is wrong with a compose file, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# --- Reading the files


def none_found(names: Sequence[str]) -> str:
    return f"The repository has no compose file ({', '.join(names)}). Add one, or set compose.files in eph.yaml."


def no_such_file(path: str) -> str:
    return f"The repository has no file {path}. Change compose.files in eph.yaml."


def too_many_files(limit: int) -> str:
    return f"The compose files include more than {limit} others."


def too_large(path: str, limit: int) -> str:
    return f"{path} is larger than {limit:,} bytes."


def invalid_yaml(path: str, line: int, problem: str) -> str:
    """Line 0: unknown."""
    return f"{path}{f':{line}' if line else ''}: invalid YAML: {problem}"


NOT_UTF8 = "not UTF-8"


def too_deep(path: str, line: int, limit: int) -> str:
    return f"{path}:{line}: the file is nested deeper than {limit} levels."


def path_outside(path: str) -> str:
    return f"`{path}` is outside the repository. Use a file of the repository."


def compose_cannot_read(problem: str) -> str:
    return f"Docker Compose can't read the compose file: {problem}"


def compose_too_slow(seconds: int) -> str:
    return f"Docker Compose took longer than {seconds} s to read the compose file."


def becomes_too_large(limit: int) -> str:
    return f"The compose file becomes larger than {limit:,} bytes when Compose reads it."


NO_ERROR_MESSAGE = "it exited without an error message"
NOT_JSON = "Docker Compose's output for the compose file isn't valid JSON."


# --- The files of the repository that containers mount


def mount_outside(path: str) -> str:
    return f"{path} is outside the repository. Mount a file or folder of the repository."


def file_missing(path: str) -> str:
    return f"The file {path} doesn't exist in the repository."


# --- The project

REFUSED: Mapping[str, str] = {
    "privileged": "privileged containers control this machine. Remove it.",
    "devices": "devices of this machine aren't available. Remove it.",
    "device_cgroup_rules": "devices of this machine aren't available. Remove it.",
    "gpus": "devices of this machine aren't available. Remove it.",
    "cap_add": "additional capabilities aren't available. Remove it.",
    "pid": "the processes of other containers and of this machine aren't available. Remove it.",
    "ipc": "the memory of other containers and of this machine isn't available. Remove it.",
    "uts": "the host name of this machine isn't available. Remove it.",
    "userns_mode": "the users of this machine aren't available. Remove it.",
    "cgroup": "the control groups of this machine aren't available. Remove it.",
    "cgroup_parent": "the control groups of this machine aren't available. Remove it.",
    "use_api_socket": "the container engine isn't available. Remove it.",
    "volumes_from": "volumes of other containers aren't available. List the volumes in both services.",
    "external_links": "containers outside the environment aren't available. Remove it.",
    "provider": "programs of this machine aren't available. Remove it.",
    "post_start": "hooks aren't available. Use a service that exits when it is done.",
    "pre_stop": "hooks aren't available. Remove it.",
    "sysctls": "kernel parameters can't be changed. Remove it.",
    "oom_kill_disable": "memory limits can't be disabled. Remove it.",
    "oom_score_adj": "the priority of processes can't be changed. Remove it.",
    "runtime": "the server chooses the runtime. Remove it.",
    "storage_opt": "the server chooses the storage options. Remove it.",
}
"""Keys of a service that aren't allowed, and why."""
NO_MODELS = "models aren't available. Remove them."
NO_SERVICES = "there are no services to run; check compose.profiles in eph.yaml."
NEITHER_IMAGE_NOR_BUILD = "it has neither an image nor a build. Add one of them."


def of_service(service: str, problem: str) -> str:
    return f"service {service!r}: {problem}"


def unknown_service(service: str, known: Sequence[str]) -> str:
    return f"eph.yaml names the service {service!r}, which doesn't exist. Services: {', '.join(known) or 'none'}."


def public_without_network(service: str) -> str:
    return f"service {service!r} is public, so it needs a network. Remove it."


def unsupported(key: str) -> str:
    return f"{key!r} isn't supported. Remove it."


def weakens_sandbox(option: str) -> str:
    return f"the security option {option!r} weakens the sandbox. Remove it."


def network_mode(value: str) -> str:
    return f"network_mode {value!r} isn't available. Remove it, or use none."


def is_a_socket(path: str) -> str:
    return f"{path!r} is a socket. Sockets of this machine, such as the engine's, aren't available. Remove it."


def mount_type(kind: str) -> str:
    return f"mounts of the type {kind!r} aren't available. Use a volume."


NO_SUBPATHS = "a subpath of a volume isn't available. Use one volume for each mount."
HOST_GATEWAY = "'host-gateway' is this machine, which previews can't connect to. Remove it."


def network_option(key: str) -> str:
    return f"{key!r} of a network isn't available; services find each other by name. Remove it."


def unsupported_in_build(key: str) -> str:
    return f"{key!r} of a build isn't supported. Remove it."


def context_outside(path: str) -> str:
    return f"the build context {path!r} is outside the repository. Use a folder of the repository."


def dockerfile_outside(path: str) -> str:
    return f"the Dockerfile {path!r} is outside the repository. Use a file of the repository."


def unsupported_in_deploy(key: str) -> str:
    return f"{key!r} of deploy isn't supported. Remove it."


def limit_too_high(name: str) -> str:
    return f"the limit {name!r} can't be raised like this. Remove it."


def network_external(name: str) -> str:
    return f"network {name!r} is external. Networks outside the environment aren't available. Remove `external`."


def network_driver(name: str, driver: str) -> str:
    return f"network {name!r}: the driver {driver!r} isn't available. Remove it."


def network_driver_options(name: str) -> str:
    return f"network {name!r}: driver options aren't available. Remove them."


def network_addresses(name: str) -> str:
    return f"network {name!r}: the server chooses the addresses. Remove `ipam`."


def volume_external(name: str) -> str:
    return f"volume {name!r} is external. Volumes outside the environment aren't available. Remove `external`."


def volume_driver(name: str, driver: str) -> str:
    return f"volume {name!r}: the driver {driver!r} isn't available. Remove it."


def volume_driver_options(name: str) -> str:
    return f"volume {name!r}: driver options can mount folders of this machine. Remove them."


def file_external(kind: str, name: str) -> str:
    return f"{kind} {name!r} is external. Use a file, or a variable of eph.yaml."


def file_outside(kind: str, name: str, path: str) -> str:
    return f"{kind} {name!r}: {path!r} is outside the repository. Use a file of the repository."


def file_without_content(kind: str, name: str) -> str:
    return f"{kind} {name!r} has no file, environment or content. Add one of them."


def variable_of(kind: str, name: str) -> str:
    return f"{kind} {name}: the variable"
