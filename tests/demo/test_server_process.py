"""The settings of a demo whose ephd is a process of its own."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestrator.config.settings import loading
from orchestrator.demo.story.server_process import to_toml


def test_settings_in_the_file_are_those_of_the_demo(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {
        "home": tmp_path / "eph",
        "interval": timedelta(seconds=5),
        "listen": "127.0.0.1:8081",
        "workers": 2,
        "deploys": {"routes": {"shop.localhost": "acme/shop"}, "on_demand": False},
        "local": {"toolbox": ("/opt/tools",), "path": '/opt/"odd"/bin'},
        "forge": {"url": "http://127.0.0.1:9", "repositories": ["acme/*"]},
    }
    file = tmp_path / "eph.toml"
    file.write_text(to_toml(chosen))
    assert tomllib.loads(file.read_text())["deploys"] == chosen["deploys"]
    assert loading.load(file, home=tmp_path / "eph") == loading.load(**chosen)
