"""What a compose file may request: every known way out of a project is refused with file and line. Rows: T4, S3, Y2.

Docker Compose itself normalizes the files, in the sandbox that the target uses. No engine runs.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import sandbox
from programs.targets.compose import environments, publication
from programs.targets.compose import settings as compose_settings
from programs.targets.compose.files import project_checks, source_files, wording
from programs.targets.compose.settings import ComposeHost
from tests.targets.compose.compose_machine import compose_program

needs_compose = pytest.mark.skipif(
    not compose_program() or not sandbox.works(), reason="needs bubblewrap and Docker Compose (make docker-compose)"
)
MOST_LINES = 1000
SERVICE = "services:\n  web:\n    image: web\n"
REFUSED_IN_A_SERVICE = (
    "privileged: true",
    "network_mode: host",
    "network_mode: container:other",
    "network_mode: service:db",
    "pid: host",
    "ipc: host",
    "uts: host",
    "userns_mode: host",
    "cgroup: host",
    "cgroup_parent: /",
    "devices: [/dev/kvm]",
    "device_cgroup_rules: ['c 1:3 mr']",
    "gpus: all",
    "cap_add: [SYS_ADMIN]",
    "security_opt: ['seccomp:unconfined']",
    "security_opt: ['apparmor=unconfined']",
    "security_opt: ['label:disable']",
    "use_api_socket: true",
    "volumes: [/var/run/docker.sock:/var/run/docker.sock]",
    "volumes: ['/:/host']",
    "volumes: ['/etc:/etc:ro']",
    "volumes: ['../:/up']",
    "volumes: ['./../../etc:/up']",
    "volumes: ['~/.ssh:/ssh']",
    "volumes: [{type: npipe, source: a, target: /a}]",
    "volumes: [{type: image, source: other, target: /a}]",
    "volumes_from: ['container:other']",
    "external_links: [other]",
    "extra_hosts: ['host:host-gateway']",
    "runtime: other",
    "sysctls: {net.ipv4.ip_forward: 1}",
    "oom_kill_disable: true",
    "oom_score_adj: -1000",
    "storage_opt: {size: 1T}",
    "post_start: [{command: id, privileged: true}]",
    "pre_stop: [{command: id}]",
    "ulimits: {rtprio: 99}",
    "ulimits: {nproc: 99999999}",
    "networks: {default: {ipv4_address: 10.0.0.2}}",
    "networks: {default: {mac_address: '02:42:ac:11:00:02'}}",
    "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
    "credential_spec: {file: a}",
    "provider: {type: other}",
    "models: [llm]",
    "build: {context: ., privileged: true}",
    "build: {context: ., ssh: [default]}",
    "build: {context: ., network: host}",
    "build: {context: ., additional_contexts: {a: /etc}}",
    "build: {context: ., entitlements: [security.insecure]}",
    "build: {context: ., extra_hosts: ['a:1.2.3.4']}",
    "build: {context: ., dockerfile: ../Dockerfile}",
    "build: ..",
    "build: https://git.example.com/other.git",
    "env_file: /etc/environment",
    "env_file: ../../secrets.env",
    "env_file: [{path: /proc/self/environ, required: false}]",
    "label_file: /etc/passwd",
    "extends: {file: /etc/compose.yaml, service: web}",
)
REFUSED_AT_THE_TOP = (
    "networks: {default: {external: true}}",
    "networks: {other: {name: bridge, external: true}}",
    "networks: {default: {driver: macvlan}}",
    "networks: {default: {driver: host}}",
    "networks: {default: {driver_opts: {com.docker.network.bridge.name: docker0}}}",
    "volumes: {data: {external: true}}",
    "volumes: {data: {driver: local, driver_opts: {type: none, o: bind, device: /}}}",
    "volumes: {data: {driver: nfs}}",
    "configs: {a: {file: /etc/shadow}}",
    "configs: {a: {file: ../a}}",
    "configs: {a: {external: true}}",
    "secrets: {a: {file: /root/.ssh/id_rsa}}",
    "secrets: {a: {external: true}}",
    "include: [/etc/compose.yaml]",
    "include: [{path: ../compose.yaml}]",
    "include: ['oci://registry.example.com/app']",
    "include: ['https://git.example.com/other.git']",
    "include: [{path: other.yaml, env_file: /etc/environment}]",
)


@pytest.fixture
def host(tmp_path: Path) -> ComposeHost:
    return compose_settings.from_mapping({"root": str(tmp_path / "root"), "compose": compose_program()})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM web\n")
    return folder


def wanted(**variables: str) -> publication.Publication:
    route = publication.PublicRoute("web", 80, "/", 5, "shop.localhost")
    return publication.Publication("shop", "a", "/repo", "a" * 40, (route,), variables=variables)


def refusal(host: ComposeHost, checkout: Path, text: str, name: str = "compose.yaml") -> str:
    (checkout / name).write_text(text)
    with pytest.raises(TargetError) as error:
        environments.read_project(host, checkout, wanted())
    return error.value.sentence


def project(host: ComposeHost, checkout: Path, text: str, **variables: str) -> dict[str, Any]:
    (checkout / "compose.yaml").write_text(text)
    return environments.read_project(host, checkout, wanted(**variables))


@needs_compose
@pytest.mark.parametrize("line", REFUSED_IN_A_SERVICE)
def test_service_that_leaves_its_project_is_refused_with_file_and_line(
    host: ComposeHost, checkout: Path, line: str
) -> None:
    image = "" if line.startswith("build") else "    image: web\n"
    text = f"services:\n  db: {{image: db}}\n  web:\n{image}    {line}\n"
    sentence = refusal(host, checkout, f"{text}models: {{llm: {{model: a}}}}\n" if "llm" in line else text)
    assert sentence.startswith(f"compose.yaml:{5 if image else 4}: "), sentence


@needs_compose
@pytest.mark.parametrize("line", REFUSED_AT_THE_TOP)
def test_project_that_leaves_itself_is_refused_with_file_and_line(host: ComposeHost, checkout: Path, line: str) -> None:
    used = {"networks": "[default, other]", "configs": "[a]", "secrets": "[a]", "volumes": "['data:/data']"}
    key = line.partition(":")[0]
    uses = f"    {key}: {used[key]}\n" if key in used else ""
    if "other" not in line:
        uses = uses.replace(", other", "")
    sentence = refusal(host, checkout, f"{line}\n{SERVICE}{uses}")
    assert sentence.startswith("compose.yaml:1: "), sentence


@needs_compose
def test_every_problem_is_listed_at_once(host: ComposeHost, checkout: Path) -> None:
    (checkout / "compose.yaml").write_text(f"{SERVICE}    privileged: true\n    pid: host\n")
    with pytest.raises(TargetError) as error:
        environments.read_project(host, checkout, wanted())
    lines = [error.value.sentence, *error.value.tail]
    assert sorted(line.partition(": ")[0] for line in lines) == ["compose.yaml:4", "compose.yaml:5"]


@needs_compose
def test_line_is_in_the_file_that_sets_the_value(host: ComposeHost, checkout: Path) -> None:
    (checkout / "parts").mkdir()
    (checkout / "parts" / "db.yaml").write_text("services:\n  db:\n    image: db\n    privileged: true\n")
    (checkout / "base.yaml").write_text("services:\n  base:\n    image: web\n    pid: host\n")
    (checkout / "compose.override.yaml").write_text("services:\n  web:\n\n    cap_add: [ALL]\n")
    text = f"include: [parts/db.yaml]\n{SERVICE}    extends: {{file: base.yaml, service: base}}\n"
    (checkout / "compose.yaml").write_text(text)
    with pytest.raises(TargetError) as error:
        environments.read_project(host, checkout, wanted())
    found = {line.partition(": ")[0] for line in (error.value.sentence, *error.value.tail)}
    # A key that a service inherits is placed at the service.
    assert found == {"parts/db.yaml:4", "compose.override.yaml:2", "compose.override.yaml:4"}


@needs_compose
def test_variables_can_not_smuggle_a_path_past_the_check(host: ComposeHost, checkout: Path) -> None:
    """The text of the file looks harmless; the normalized project doesn't."""
    sentence = refusal(host, checkout, f"{SERVICE}    volumes: ['${{NOWHERE:-/etc}}:/data']\n")
    assert sentence.startswith("compose.yaml:4: ")


@needs_compose
def test_sandbox_shows_compose_nothing_but_the_checkout(host: ComposeHost, checkout: Path, tmp_path: Path) -> None:
    """Even a path that no check knows reads nothing of this machine."""
    (tmp_path / "outside.env").write_text("TOKEN=sesame-open\n")
    text = f"{SERVICE}    env_file: ['${{NOWHERE:-{tmp_path}/outside.env}}']\n"
    assert "sesame-open" not in refusal(host, checkout, text)
    (checkout / ".env").symlink_to("/etc/hostname")
    assert project(host, checkout, SERVICE)["services"]["web"]["image"] == "web"


@needs_compose
def test_unknown_key_is_refused_by_its_name(host: ComposeHost, checkout: Path) -> None:
    assert "no_such_key" in refusal(host, checkout, f"{SERVICE}    no_such_key: 1\n")


def test_key_that_only_a_newer_compose_knows_is_refused() -> None:
    found = list(project_checks.find_problems({"services": {"web": {"image": "a", "new_door": "open"}}}, {}))
    assert [path for path, _ in found] == [("services", "web", "new_door")]


@needs_compose
def test_what_real_files_contain_is_accepted(host: ComposeHost, checkout: Path) -> None:
    """Ports, names and labels are dropped later; they are no reason to refuse a file."""
    (checkout / "conf").mkdir()
    (checkout / "app.env").write_text("A=1\n")
    text = """
name: anything
x-common: &common {restart: unless-stopped, logging: {driver: json-file}}
services:
  web:
    <<: *common
    build: {context: ., args: {A: b}, target: prod, cache_from: [web]}
    ports: ["80:80", "443:443"]
    env_file: app.env
    environment: {URL: "${EPH_URL}", PASS: , PRICE: "$$5"}
    depends_on: {db: {condition: service_healthy, restart: true}}
    volumes: [.:/app, ./conf:/conf:ro, data:/data, /cache, {type: tmpfs, target: /t}]
    configs: [a]
    secrets: [s]
    labels: {traefik.enable: "true"}
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 128M}, reservations: {memory: 64M}}}
    develop: {watch: [{path: ., action: rebuild, target: /app}]}
    healthcheck: {test: [CMD, "true"], interval: 2s}
    init: true
    user: "1000:1000"
    ulimits: {nofile: 65536}
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    networks: {default: {aliases: [shop]}, back: }
  db: {image: "postgres:15", container_name: db, shm_size: 128m, networks: [back], stop_grace_period: 1m}
  tools: {image: tools, profiles: [debug], privileged: true}
networks: {back: {internal: true}}
volumes: {data: }
configs: {a: {content: "x"}}
secrets: {s: {environment: TOKEN}}
"""
    found = project(host, checkout, text, EPH_URL="http://shop.localhost", TOKEN="sesame")
    assert found["services"].keys() == {"web", "db"}
    assert found["services"]["web"]["environment"]["URL"] == "http://shop.localhost"


@needs_compose
def test_public_service_must_exist(host: ComposeHost, checkout: Path) -> None:
    sentence = refusal(host, checkout, "services: {api: {image: a}}\n")
    assert sentence.endswith(wording.unknown_service("web", ["api"]))


@needs_compose
def test_too_many_services_are_refused(host: ComposeHost, checkout: Path) -> None:
    lines = [f"  s{number}: {{image: a}}" for number in range(host.services)]
    assert str(host.services) in refusal(host, checkout, "\n".join([SERVICE, *lines]))


def test_missing_file_names_what_to_add(host: ComposeHost, checkout: Path) -> None:
    with pytest.raises(TargetError, match=r"compose\.yaml"):
        environments.read_project(host, checkout, wanted())


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 200_000,
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(100)),
        "services: {web: {image: a}}\n" + "#" * 600_000,
        "services: [\n",
        "services: \x00\n",
    ],
    ids=["deep", "aliases", "large", "broken", "binary"],
)
def test_hostile_yaml_costs_nothing(host: ComposeHost, checkout: Path, text: str) -> None:
    (checkout / "compose.yaml").write_text(text)
    with contextlib.suppress(TargetError):
        assert len(source_files.read(checkout, ()).files[0].lines) < MOST_LINES
