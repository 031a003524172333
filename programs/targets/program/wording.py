"""Every sentence that the target has for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SIGNS = (("create", "+"), ("update", "~"), ("replace", "±"), ("delete", "-"))
# --- The section in eph.yaml


def not_a_config_key(value: str) -> str:
    return f"{value} is not a configuration key"


USE_CONFIG_KEY = "use for example size or aws:region"


def set_by_eph(key: str) -> str:
    return f"Eph sets {key}"


USE_OTHER_NAMESPACE = "use another namespace than eph"
NEEDS_PROJECT = "the target `program` needs a Pulumi project"
ADD_FOLDER = "add program.folder"
RUNS_NO_SERVICES = "the target `program` runs no services"
REMOVE_SERVICES = "remove them or use another target"
HAS_NO_DATABASES = "the target `program` doesn't create databases"
CREATE_IN_PROJECT = "create them in the project"
RUNS_NO_HOOKS = "the target `program` runs no hooks; use the build or the project"

# --- A run of the project

NO_CHANGES = "no changes"
INTERRUPTED = "interrupted: the operation was cancelled"
NO_ANSWER = "The project's run ended without a result."
NO_PULUMI = "This server has no `pulumi` on PATH, so it can't run Pulumi projects. Install Pulumi's CLI."
NO_LOG = "A project has no processes, so there is no log of a previous one. Omit --previous."
STATE_LOST = (
    "The state of the project is gone, so its resources can't be destroyed. Restore `home/state` in the environment's "
    "folder, or delete the resources at the provider and then the folder."
)
ESC = "The stack file uses an environment of Pulumi Cloud (`environment:`). Use `environment.secrets` in eph.yaml."
ENCRYPTED = (
    "The stack file contains encrypted values, and Eph doesn't have their passphrase. "
    "Use `environment.secrets` in eph.yaml."
)


def changes(found: Mapping[str, int]) -> str:
    """``+3 create, ~1 update, -2 delete``."""
    parts = [f"{sign}{found[name]} {name}" for name, sign in _SIGNS if found.get(name)]
    return ", ".join(parts) or NO_CHANGES


def step(op: str, kind: str, name: str) -> str:
    return f"{dict(_SIGNS).get(op, ' ')} {kind} {name}"


def more_steps(count: int) -> str:
    return f"and {count} more"


def pending(names: Sequence[str]) -> str:
    listed = ", ".join(names)
    return f"An interrupted run may have created {listed}. Pulumi doesn't know; look for it at the provider."


def needs_approval(reason: str, plan: str, commit: str) -> str:
    return f"{reason} needs approval. The plan: {plan}. To deploy it, comment `/eph approve {commit}`"


def first_apply() -> str:
    return "The first deployment of this project"


def replaces(names: Sequence[str]) -> str:
    return f"Replacing or deleting {', '.join(names)}, which can contain data,"


def timed_out(seconds: int) -> str:
    return f"The project's run exceeded its timeout of {seconds} s (program.timeout in eph.yaml)."


def failed(verb: str, first: str) -> str:
    what = "The project's destroy" if verb == "destroy" else "The project's run"
    return f"{what} failed: {first}"


def policy_violation(lines: Sequence[str]) -> str:
    return f"The project violates a policy: {next(iter(lines), NO_ANSWER)}"


def policy_notice(text: str) -> str:
    return f"Policy: {text}"


def problem(code: str, folder: str, hosts: Sequence[str]) -> str:
    """For what the runner refuses before Pulumi starts; other text is shown as it is."""
    kind, _, rest = code.partition(": ")
    match kind:
        case "no project":
            return f"There is no Pulumi.yaml in {_place(folder)}. Change program.folder in eph.yaml."
        case "invalid project":
            return f"Pulumi.yaml in {_place(folder)} is invalid: {rest}"
        case "invalid config":
            return f"The file in program.config_file can't be read: {rest}"
        case "no language host":
            known = ", ".join(hosts) or "none"
            return f"This server has no language host for the runtime {rest!r}. Installed: {known}."
        case "protected":
            return (
                f"Protected resources prevent the destroy: {rest}. Remove `protect` and push, "
                "or set program.delete_protected on the server."
            )
        case "state lost":
            return STATE_LOST
        case "esc":
            return ESC
        case "encrypted config":
            return ENCRYPTED
        case "interrupted":
            return INTERRUPTED
        case _:
            return code


def missing_output(service: str, output: str, available: Sequence[str]) -> str:
    listed = ", ".join(available) or "none"
    return f"The stack has no output {output!r} for {service} (program.outputs in eph.yaml). Its outputs: {listed}."


def not_a_url(service: str, output: str) -> str:
    return f"The output {output!r} for {service} isn't an http:// or https:// URL."


def _place(folder: str) -> str:
    return "the repository's root" if folder in (".", "./") else folder
