"""A page shows what the running operation prints, to people who can open the preview only: P3, S4, S5."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.gateway.operation_output import MAX_AGE, NOTHING, OutputFile, ShownStep
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
TOKEN = "token-of-the-test-that-is-long-enough"
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
LINE = "Installing collected packages: flask"


def output(*lines: str, age: float = 0.0, **more: object) -> dict[str, Any]:
    now = time.time()
    steps = [
        {"step": "Checkout", "state": "succeeded", "started_at": now - 9, "seconds": 0.42},
        {"step": "Build", "state": "running", "started_at": now - 95, "seconds": None},
    ]
    found = {"steps": steps, "printed": "Build", "lines": lines, **more}
    return {"written_at": now - age, "environments": {"shop-x-1": found}}


async def start(world: GatewayWorld, mode: str, **state: object) -> None:
    """``mode``: the server's setting ``sign_in``."""
    tokens = world.directory / "previews.token"
    tokens.write_text(TOKEN)
    await world.start(tokens=tokens, sign_in=mode)
    world.state(HOST, **{"phase": "creating", "progress": "Build", **state})
    world.write("output.json", output(LINE))


async def test_page_shows_steps_and_output_of_the_running_operation(world: GatewayWorld) -> None:
    """P3, without JavaScript: the page reloads itself, and its policy allows no script."""
    await start(world, "off")
    answer = await world.request(HOST)
    text = await answer.text()
    assert '<li class="succeeded">Checkout<span>0.4 s</span></li>' in text
    assert '<li class="running">Build<span>1 min 3' in text
    assert LINE in text
    assert 'http-equiv="refresh"' in text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    data = json.loads(await (await world.request(HOST, headers={"Accept": "application/json"})).text())
    assert ([step["name"] for step in data["steps"]], data["output"]) == (["Checkout", "Build"], [LINE])


async def test_output_never_becomes_html(world: GatewayWorld) -> None:
    """S3"""
    await start(world, "off")
    step = {"step": HOSTILE, "state": HOSTILE, "started_at": 0, "seconds": 1}
    world.write("output.json", output(HOSTILE, steps=[step], printed=HOSTILE))
    text = await (await world.request(HOST)).text()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 3
    assert "{{7*7}}" in text
    assert 'class="interrupted"' in text


@pytest.mark.parametrize(
    ("mode", "state", "status", "shown"),
    [
        ("off", {}, 503, True),
        ("all", {"sign_in": False}, 401, False),
        ("asked", {"sign_in": True}, 401, False),
        ("asked", {"sign_in": False}, 503, True),
        ("asked", {}, 503, False),
        ("asked", {"sign_in": True, "allow": ["ada"]}, 401, False),
    ],
)
async def test_output_needs_the_same_access_as_the_preview(
    world: GatewayWorld, mode: str, state: dict[str, object], status: int, shown: bool
) -> None:
    """S5: the preview's rule applies before it has a route, too. If it isn't known yet, nothing is shown."""
    await start(world, mode, **state)
    answer = await world.request(HOST, headers={"Accept": "text/html"})
    assert answer.status == status
    assert (LINE in await answer.text()) is shown


@pytest.mark.parametrize("mode", ["all", "asked"])
async def test_people_who_signed_in_see_the_output(world: GatewayWorld, mode: str) -> None:
    await start(world, mode, sign_in=True)
    answer = await world.request(HOST, headers={"X-Eph-Preview-Token": TOKEN})
    assert answer.status == 503
    assert LINE in await answer.text()


async def test_waking_preview_shows_the_output_behind_its_sign_in(world: GatewayWorld) -> None:
    await start(world, "asked", phase="asleep")
    world.write(
        f"routes/{HOST}.json",
        {"host": HOST, "upstream": "http://127.0.0.1:1", "environment": "shop-x-1", "asleep": True, "sign_in": True},
    )
    browser = {"Accept": "text/html"}
    assert LINE not in await (await world.request(HOST, headers=browser)).text()
    woken = await world.request(HOST, headers={**browser, "X-Eph-Preview-Token": TOKEN})
    assert (woken.status, LINE in await woken.text()) == (503, True)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "[" * 100_000, '{"written_at": "x"}', '{"written_at": NaN, "environments": {}}'],
)
def test_unreadable_file_shows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "output.json").write_text(text)
    assert OutputFile(tmp_path).read("shop-x-1") == NOTHING


def test_outdated_file_shows_nothing(tmp_path: Path) -> None:
    """ephd writes it again while an operation runs; without ephd, nobody knows what became of it."""
    path, clock = tmp_path / "output.json", [1000.0]
    found = {"steps": [], "printed": "Build", "lines": [LINE]}
    path.write_text(json.dumps({"written_at": 1000.0, "environments": {"shop-x-1": found}}))
    file = OutputFile(tmp_path, lambda: clock[0])
    assert file.read("shop-x-1").lines == (LINE,)
    assert file.read("shop-y-2") == NOTHING
    clock[0] += MAX_AGE + 1
    assert file.read("shop-x-1") == NOTHING


@pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (12.9, "12 s"), (185, "3 min 5 s")])
def test_durations_as_people_write_them(seconds: float, text: str) -> None:
    assert ShownStep("Build", "running", seconds).duration == text
