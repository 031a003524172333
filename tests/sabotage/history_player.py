"""Plays the model's histories on a copy of the code, each in its own process.

``python -P -m tests.sabotage.history_player`` reads one request per line (a folder to put first on the path, histories)
and prints a line with the problems of each. It imports third-party modules once, and forks for every request, so each
request imports the code from its folder.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sabotage.guards import StepTuple
from tests.sabotage.patched_copy import ROOT

KINDS = ("leaks", "lost", "stuck", "overlaps", "secrets", "lies", "excess")
PRELOADED = ("pydantic", "pydantic_settings", "ruamel.yaml", "asyncio", "hypothesis.internal.reflection")


class HistoryPlayer:
    """The process that forks, from our side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def play(self, folder: Path, histories: Sequence[Sequence[StepTuple]]) -> list[list[tuple[str, str]]]:
        """By history, kind and text of its problems."""
        found = self._ask({"folder": str(folder), "histories": [list(history) for history in histories]})
        return [[(kind, text) for kind, text in problems] for problems in found]

    def search(self, folder: Path, counter: str, most: int) -> list[StepTuple]:
        """The shortest random history that increases the counter; empty if none of that many does."""
        return [tuple(turn) for turn in self._ask({"folder": str(folder), "search": counter, "most": most})]

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["found"]


@contextmanager
def history_player() -> Iterator[HistoryPlayer]:
    command = [sys.executable, "-P", "-m", "tests.sabotage.history_player"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=env, cwd="/") as process:
        try:
            yield HistoryPlayer(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()


# --- inside


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    ours = [name for name in sys.modules if name.partition(".")[0] in ("orchestrator", "stacks", "programs")]
    assert not ours, f"imported too early: {ours}"
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            os.write(write, json.dumps(_respond(json.loads(line))).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        print(text or json.dumps({"error": "the process died"}), flush=True)


def _respond(order: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": _execute(order)}
    except BaseException as error:  # noqa: BLE001 - it is the answer
        return {"error": f"{type(error).__name__}: {error}"}


def _execute(order: dict[str, Any]) -> list[Any]:
    sys.path.insert(0, order["folder"])
    logging.disable(logging.CRITICAL)
    from tests.model import histories
    from tests.model.steps import Step

    orchestrator = importlib.import_module("orchestrator")
    assert str(orchestrator.__file__).startswith(order["folder"]), f"the wrong code: {orchestrator.__file__}"
    if "search" in order:
        return _search(order["search"], order["most"])
    played = [histories.play([Step(*turn) for turn in history]) for history in order["histories"]]
    return [[(problem.kind, problem.text) for problem in problems] for problems in played]


def _search(counter: str, most: int) -> list[StepTuple]:
    from tests.model import histories

    def turns(history: histories.History) -> bool:
        return any(problem.kind == counter for problem in histories.play(history))

    for number in range(most):
        history = histories.random_history(1, number)
        if turns(history):
            return [(step.kind, step.who, step.what) for step in histories.shrink(history, turns)]
    return []


if __name__ == "__main__":
    main()
