"""Environments on a real container engine, seen through the engine's own API. Rows: T4, T7, S3, L3, E1 and Y4."""

from __future__ import annotations

import json
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from programs.kit import files, routes
from programs.kit.errors import TargetError
from programs.restarts import RestartUnavailable
from programs.runtime_info import LogRequest
from programs.targets.compose import environments, inventory, wording
from programs.targets.compose.engine import clients, engine_client
from programs.targets.compose.target import TARGET
from tests.targets.compose import compose_machine
from tests.targets.compose.compose_machine import COMPOSE, NAME, PYTHON_IMAGE, WEB, ComposeMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

NEIGHBOUR = "shop-quiet-stream-2"
SHOP = f"""
services:
  web:
    build: .
    image: acme/shop
    command: python3 /srv/web.py
    ports: ["8000:8000"]
    environment: {{LINK: "${{EPH_ENVIRONMENT}}/$$x"}}
    volumes: [./srv:/srv:ro, ./one.conf:/etc/one.conf, data:/data]
    secrets: [token]
    mem_limit: 128m
    stop_grace_period: 1s
    depends_on: {{job: {{condition: service_completed_successfully}}, store: {{condition: service_healthy}}}}
  job: {{image: acme/shop, command: [cat, /built]}}
  store:
    image: {PYTHON_IMAGE}
    command: python3 -m http.server 9000
    volumes: ["kept:/kept"]
    healthcheck: {{test: ["CMD", "python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9000))"],
      interval: 1s, retries: 60}}
volumes: {{data: , kept: }}
secrets: {{token: {{environment: TOKEN}}}}
"""
DOCKERFILE = f"FROM {PYTHON_IMAGE}\nUSER 0\nRUN mkdir /data && echo built > /built\n"
SECRET: dict[str, Any] = {"variables": {"TOKEN": "sesame-open-1", "EPH_ENVIRONMENT": NAME}, "secrets": ("TOKEN",)}


@pytest.fixture
def shop(machine: ComposeMachine) -> ComposeMachine:
    machine.files |= {"compose.yaml": SHOP, "Dockerfile": DOCKERFILE, "one.conf": "one\n"}
    return machine


def test_project_is_created_updated_suspended_repaired_and_purged(shop: ComposeMachine, tmp_path: Path) -> None:
    shop.publish(shop.push(), **SECRET)
    first = shop.containers()
    assert shop.read("/etc/one.conf") == "one\n"
    assert shop.read("/built") == "built\n"
    assert shop.read("/run/secrets/token") == "sesame-open-1"
    assert json.loads(shop.read("/environ"))["LINK"] == f"{NAME}/$x"
    assert_bounded(first)

    # A push restarts what it changes and nothing else.
    shop.publish(shop.push(**{"one.conf": "two\n"}), **SECRET)
    second = shop.containers()
    assert shop.read("/etc/one.conf") == "two\n"
    assert second["store"]["Id"] == first["store"]["Id"]
    assert second["web"]["Id"] != first["web"]["Id"]
    assert not list(shop.host.env(NAME).glob("src")), "the checkout stays only as long as it is needed"

    # A commit that doesn't start leaves the previous one live, and says why.
    broken = shop.push(**{"srv/web.py": "raise SystemExit('out of apples sesame-open-1')"})
    with pytest.raises(TargetError, match=wording.service_failed("web", wording.ended_with(1))) as error:
        shop.publish(broken, **SECRET)
    assert error.value.tail == ("web | out of apples ***",)
    assert shop.read("/etc/one.conf") == "two\n"

    # A commit that doesn't build changes nothing at all.
    live = shop.containers()["web"]["Id"]
    with pytest.raises(clients.ClientFailed, match="'web'") as error:
        shop.publish(shop.push(Dockerfile=f"{DOCKERFILE}RUN echo no flour && false\n", **{"srv/web.py": WEB}), **SECRET)
    assert "no flour" in error.value.tail
    assert shop.containers()["web"]["Id"] == live

    suspend_and_wake(shop)
    restart(shop)
    drift(shop)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert TARGET.logs(NAME, shop.raw_settings, LogRequest(service="web", after=tomorrow)).lines == ()
    yesterday = LogRequest(service="web", after=tomorrow - timedelta(days=2))
    assert TARGET.logs(NAME, shop.raw_settings, yesterday).lines
    lines = TARGET.logs(NAME, shop.raw_settings, LogRequest(service="web")).lines
    assert "serving" in lines
    TARGET.purge(NAME, shop.raw_settings)
    assert TARGET.list_environments(shop.raw_settings) == frozenset()


def assert_bounded(containers: dict[str, engine_client.Data]) -> None:
    """Nothing is published, everything has limits, and all of them together are those of an environment."""
    settings = [item["HostConfig"] for item in containers.values()]
    assert not any(item["PortBindings"] or item["Privileged"] for item in settings)
    assert not any(bind.startswith("/") for item in settings for bind in item["Binds"] or ())
    assert not any(mount["Type"] == "bind" for item in containers.values() for mount in item["Mounts"])
    assert containers["web"]["HostConfig"]["Memory"] == 128 * 1024**2
    assert sum(item["Memory"] for item in settings) <= 4 * 1024**3
    assert sum(item["PidsLimit"] for item in settings) <= 2048
    assert all(item["Memory"] == item["MemorySwap"] and item["NanoCpus"] > 0 for item in settings)
    assert all("no-new-privileges:true" in item["SecurityOpt"] for item in settings)


def suspend_and_wake(shop: ComposeMachine) -> None:
    TARGET.sleep(NAME, shop.raw_settings)
    TARGET.sleep(NAME, shop.raw_settings)
    states = {name: item["State"] for name, item in shop.containers().items()}
    assert not any(state["Running"] for state in states.values())
    assert all(route.asleep for route in routes.list_routes(shop.host.routes, "compose"))
    assert inventory.list_whole(shop.host) == {NAME}, "an environment that sleeps hasn't drifted"
    TARGET.wake(NAME, shop.raw_settings)
    assert shop.read("/etc/one.conf") == "two\n"
    after = {name: item["State"] for name, item in shop.containers().items()}
    assert after["job"]["StartedAt"] == states["job"]["StartedAt"], "what had completed doesn't run again"
    assert not any(route.asleep for route in routes.list_routes(shop.host.routes, "compose"))


def restart(shop: ComposeMachine) -> None:
    """P5: what had completed doesn't run again."""
    before = {name: item["State"]["StartedAt"] for name, item in shop.containers().items()}
    assert TARGET.restart(NAME, shop.raw_settings, "") == ["store", "web"]
    after = {name: item["State"]["StartedAt"] for name, item in shop.containers().items()}
    assert {name for name in after if after[name] != before[name]} == {"store", "web"}
    with pytest.raises(RestartUnavailable):
        TARGET.restart(NAME, shop.raw_settings, "nothing")


def drift(shop: ComposeMachine) -> None:
    with engine_client.connect(shop.host) as client:
        client.stop(shop.containers()["web"]["Id"])
        assert TARGET.live_resources(shop.raw_settings)["ComposeProject"] == frozenset()
        client.remove_container(shop.containers()["store"]["Id"])
    shop.publish(shop.push(**{"srv/web.py": WEB, "Dockerfile": DOCKERFILE}), **SECRET)
    assert TARGET.live_resources(shop.raw_settings)["ComposeProject"] == {NAME}


def test_purge_needs_neither_state_nor_folder(machine: ComposeMachine) -> None:
    """Eph's home is lost; the labels on the engine are enough."""
    machine.publish(machine.push())
    files.remove(machine.host.root)
    TARGET.ensure(machine.raw_settings)
    assert TARGET.list_environments(machine.raw_settings) == {NAME}
    kinds = {item.kind for item in TARGET.list_resources(machine.raw_settings)}
    assert kinds == {"container", "network", "volume"}
    other = compose_machine.machine(machine.host.socket, machine.host.root.parent / "other", machine.repository)
    assert TARGET.list_environments(other.raw_settings) == frozenset(), "another server on the same engine"
    TARGET.purge(NAME, other.raw_settings)
    assert machine.containers()
    TARGET.purge(NAME, machine.raw_settings)
    assert TARGET.list_remaining(machine.raw_settings) == []


@pytest.mark.parametrize("step", ["_prepare", "_switch", "_write_routes", "_remove_unused"])
@pytest.mark.exhaustive
def test_update_that_dies_at_any_step_is_completed_by_the_next(
    machine: ComposeMachine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The step is done, then the process ends: no cleanup of its own runs."""
    machine.publish(machine.push())
    commit = machine.push(**{"srv/more.txt": "more"})

    class ProcessEnded(BaseException):
        pass

    original = getattr(environments, step)

    def dying(*arguments: object, **named: object) -> None:
        original(*arguments, **named)
        raise ProcessEnded

    with monkeypatch.context() as patch:
        patch.setattr(environments, step, dying)
        with pytest.raises(ProcessEnded):
            machine.publish(commit)
    machine.publish(commit)
    assert machine.read("/srv/more.txt") == "more"
    volumes = [item for item in TARGET.list_resources(machine.raw_settings) if item.kind == "volume"]
    assert len(volumes) == 1, "the files of the first commit are gone"


def test_neighbours_reach_neither_each_other_nor_each_others_data(machine: ComposeMachine) -> None:
    machine.files["compose.yaml"] = COMPOSE.replace("volumes: [", "volumes: ['data:/data', ") + "volumes: {data: }\n"
    for name in (NAME, NEIGHBOUR):
        machine.publish(machine.push(**{"srv/name.txt": name}), name)
    address = {
        name: machine.containers(name)["web"]["NetworkSettings"]["Networks"][f"{name}_default"]["IPAddress"]
        for name in (NAME, NEIGHBOUR)
    }
    trial = "import urllib.request as u; open('/tmp/found', 'w').write(u.urlopen('{}', timeout=2).read().decode())"
    for number, place in enumerate((f"http://{address[NEIGHBOUR]}:8000/srv/name.txt", "http://web:8000/srv/name.txt")):
        machine.run_in(NAME, f'python3 -c "{trial.format(place)}"; : >/tmp/done-{number}')
        compose_machine.wait_for(machine, f"/tmp/done-{number}")
    assert machine.read("/tmp/found") == NAME, "the name leads to its own service"
    mounts = [machine.containers(name)["web"]["Mounts"] for name in (NAME, NEIGHBOUR)]
    assert not {item["Name"] for item in mounts[0]} & {item["Name"] for item in mounts[1]}
    TARGET.purge(NAME, machine.raw_settings)
    assert machine.read("/srv/name.txt", NEIGHBOUR) == NEIGHBOUR
    with pytest.raises((urllib.error.URLError, OSError)):
        compose_machine.fetch(f"http://{address[NAME]}:8000/srv/name.txt")


def test_policy_of_the_server_is_kept(machine: ComposeMachine) -> None:
    """Y4: what exceeds it is an error that names the setting; nothing runs."""
    for setting, value, changed in (
        (
            "builds",
            "refused",
            {"compose": COMPOSE.replace(f"image: {PYTHON_IMAGE}", "build: ."), "Dockerfile": DOCKERFILE},
        ),
        ("registries", "ghcr.io/acme", {"compose": COMPOSE}),
        ("memory", "64Mi", {"compose": COMPOSE + "    mem_limit: 65m\n"}),
    ):
        strict = ComposeMachine({**machine.raw_settings, setting: value}, machine.repository, dict(machine.files))
        with pytest.raises(TargetError):
            strict.publish(strict.push(**changed))
        assert strict.containers() == {}
