"""Every sentence that the target `local` has for people."""

from __future__ import annotations

# --- The settings in eph.toml and the section in eph.yaml


def url_needs_host(url: str) -> str:
    return f"setting 'url' is {url!r}; it must contain {{host}}, as in http://{{host}}:8080"


NEEDS_A_SERVICE = "the target `local` needs at least one service"
ADD_SERVICES = "add services, each with name and command"
ADD_COMMAND = "add a command"
LIMITS_NOTHING = "the target `local` does not limit CPU, memory or disk"
LIMITS_NO_SERVICE = "the target `local` does not limit CPU or memory"
LIMITS_NO_VOLUME = "the target `local` doesn't limit the size of volumes"
RUNS_NO_IMAGES = "the target `local` does not support images"
PREFERS_COMMAND = "the target `local` runs the command, not the image"
SETS_HOST = "Eph itself sets HOST, the address to listen on; this value isn't used"


def could_be_worker(service: str) -> str:
    how = "write health: none for a worker, or else the path of its health check"
    return f"the target `local` waits until `{service}` responds on /healthz; {how}"


def has_no_command(service: str) -> str:
    return f"{RUNS_NO_IMAGES}, and service `{service}` has no command"


# --- The environment's parts

NO_SERVICES = "The environment has no services. Add at least one under 'services'."


def defined_twice(kind: str, name: str) -> str:
    return f"{kind} {name!r} is defined twice. Names must be unique."


def mail_catchers_name(name: str) -> str:
    return f"{name!r} is the name of the mail catcher. Names must be unique."


def service_and_server(name: str) -> str:
    return f"{name!r} is both a service and a database server. Names must be unique."


def unknown_strategy(database: str, strategy: str, known: str) -> str:
    return f"Database {database!r}: unknown strategy {strategy!r}. Use one of: {known}."


def unknown_prepared_database(database: str, name: str, known: str) -> str:
    return f"Database {database!r}: unknown prepared database {name!r}. Known: {known}."


def checkout_too_large(problem: str) -> str:
    return f"{problem} (setting local.checkout_bytes)"


# --- Databases and their servers

PSQL_MISSING = "psql wasn't found next to PostgreSQL's other programs. Install postgresql-client."


def engine_missing(title: str, program: str, package: str) -> str:
    return f"{title} isn't installed on this server: {program} not found. Install Debian's package {package}."


def engine_not_ready(title: str, database: str, seconds: float) -> str:
    return f"{title} of database {database} wasn't ready within {seconds:.0f} s"


def engine_keeps_ending(title: str, database: str, times: int, seconds: float) -> str:
    return f"{title} of database {database} {ended_repeatedly(times, seconds)}"


def migrations_of(database: str) -> str:
    return f"the migrations of database {database}"


def seed_command_of(database: str) -> str:
    return f"the seed command of database {database}"


def seed_script_of(path: str, database: str) -> str:
    return f"the script {path} of database {database}"


def database_hint(database: str) -> str:
    return f"PostgreSQL database {database}"


# --- Services


def service_failed(service: str, problem: str) -> str:
    return f"service {service} {problem}"


def copy_to_volume(path: str) -> str:
    return f"the copy of {path} to its volume"


def volume_on_no_folder(path: str, found: object) -> str:
    return f"Volume {path}: {found} is a link or a file, not a folder. Use another path, or make it a folder."


def ended_repeatedly(times: int, seconds: float) -> str:
    return f"ended {times} times in {seconds:.1f} s"


def ended_without_response(times: int, seconds: float) -> str:
    return f"{ended_repeatedly(times, seconds)} without responding"


def ended_too_soon(seconds: float) -> str:
    return f"didn't keep running within {seconds} s"


def no_response(path: str, seconds: float, answer: str) -> str:
    return f"didn't respond on {path} within {seconds} s: {answer}"


def redirects_outside(path: str, location: str) -> str:
    return f"redirects {path} to {location}, outside the environment"


def nothing_listens(port: int) -> str:
    return f"nothing listens on port {port}, the value of PORT"


def worker_needs_no_health(answer: str) -> str:
    return f"{answer}. A worker, which listens on no port, needs health: none"


def exit_status(code: int) -> str:
    return f"exit status {code}"


NO_PREVIOUS_LOG = "On this target a service's log continues across restarts. Omit --previous."

# --- Commands in an environment


def just_replaced(service: str) -> str:
    return f"The service {service} was just replaced. Try again."


def nothing_runs(environment: str) -> str:
    return f"Nothing of {environment} runs on this server."


def no_such_service(environment: str, service: str, known: str) -> str:
    return f"{environment} has no service {service!r}. Services: {known}."


# --- What is left of environments on the machine


def remaining_folder(path: object) -> str:
    return f"folder {path}"


def remaining_checkout(path: object) -> str:
    return f"checkout {path}"


def remaining_route(host: str, environment: str) -> str:
    return f"route {host} of {environment}"


def remaining_program(name: str) -> str:
    return f"program {name}"


def remaining_port(port: int, owner: str) -> str:
    return f"port {port} of {owner}"


def remaining_launch_file(name: str) -> str:
    return f"launch file {name}"


def remaining_log(name: str) -> str:
    return f"log {name}"


def remaining_process(pid: int, command: str) -> str:
    return f"process {pid}: {command}"


def remaining_socket(path: object) -> str:
    return f"socket {path}"
