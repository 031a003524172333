"""One bench per executor. A new executor adds its bench to ``HARNESSES``, and ``test_executors`` runs on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stacks.stack_bench import FakeBench, StackBench, create_real_bench

CreateBench = Callable[[Path, pytest.MonkeyPatch], StackBench]


@dataclass(frozen=True)
class HarnessEntry:
    """``executor`` is the adapter under test; empty for the fake."""

    create: CreateBench
    executor: str = ""
    marks: tuple[pytest.MarkDecorator, ...] = ()


HARNESSES: Mapping[str, HarnessEntry] = {
    "fake": HarnessEntry(lambda _folder, _monkeypatch: FakeBench()),
    "process": HarnessEntry(create_real_bench, "process", (pytest.mark.real,)),
}
