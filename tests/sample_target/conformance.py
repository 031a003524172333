"""The conformance suite for the sample: ``pytest conformance.py`` where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from orchestrator.conformance.suite import Commit, TargetConformance

FILE = 'version: "1.0"\nname: shop\nfolders: {page: "TEXT"}\n'


class TestFolders(TargetConformance):
    target = "folders"
    settings: ClassVar = {"greeting": "Welcome", "max_length": 50}
    first = Commit({"eph.yaml": FILE.replace("TEXT", "to page one")}, answers="Welcome, to page one")
    second = Commit({"eph.yaml": FILE.replace("TEXT", "to page two")}, answers="Welcome, to page two")
    broken = Commit({"eph.yaml": FILE.replace("TEXT", "to a page without end " * 5)})

    @classmethod
    def writable_folder(cls, settings: Mapping[str, str], name: str) -> Path:
        return Path(settings["root"]) / "pages" / name / "left"
