"""What is known of commits, so that it is asked seldom and together: checks, our marks, and files.

A file at a commit never changes. Our marks on it change when we write them, so they are read once, and again only
every half hour in case another of us wrote. Checks change when CI likes: whoever waits for them asks each time, and
``ahead`` makes those askings one question for fifty commits where the host has GraphQL. Where it has none nothing is
read ahead, and each is asked by REST, conditionally.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.core.model import CheckState
from orchestrator.forge.github import queries, readings
from orchestrator.forge.github.accounts import Switchboard
from orchestrator.forge.github.files import Files
from orchestrator.forge.github.marks import Marks
from orchestrator.forge.github.pace import Forward
from orchestrator.forge.github.queries import Answer, Place
from orchestrator.forge.github.transport import Line, Means
from orchestrator.forge.port import ForgeError, ForgeRefused, NotThere, is_mark

log = logging.getLogger("eph.forge")

CHECKS_FOR = 300.0
"""What was read ahead is given out once: for the look that it was read for, however long that takes."""
MARKS_FOR = 1800.0
AHEAD_AGAIN = 1200.0
AHEAD_MOST = 500
"""Of those that are read again for their age alone; new ones are all read."""
WITHOUT = 3600.0
KEPT = 20_000
SHA = re.compile(r"[0-9a-f]{40}")
V = TypeVar("V")
At = tuple[float, V]


class Commits:
    def __init__(self, board: Switchboard, marks: Marks, files: Files, viewer: Callable[[], str], means: Means) -> None:
        self._board, self._marks_of, self._files, self._viewer = board, marks, files, viewer
        self._now, self._shelf = Forward(means.now), means.shelf
        self._lock = threading.Lock()
        self._marks: OrderedDict[tuple[str, str], At[Mapping[str, str]]] = OrderedDict()
        self._checks: OrderedDict[tuple[str, str], At[Mapping[str, CheckState]]] = OrderedDict()
        self._without: dict[str, float] = {}

    def decisions(self, path: str, sha: str, present: Callable[[], None]) -> Mapping[str, str]:
        held = self._known_marks(path, sha)
        if held is not None and held[0] + MARKS_FOR > self._now():
            return held[1]
        found = self._marks_of.decisions(path, sha, present)
        self._keep_marks(path, sha, found)
        return found

    def checks(self, path: str, sha: str, present: Callable[[], None]) -> Mapping[str, CheckState]:
        with self._lock:
            held = self._checks.get((path, sha))
            if held is not None:
                self._checks[path, sha] = (0.0, held[1])
        if held is not None and held[0] + CHECKS_FOR > self._now():
            return held[1]
        runs = [(run.name, run.state) for run in self._marks_of.runs(path, sha, present)]
        statuses = [(item.context, item.state) for item in readings.newest(self._marks_of.statuses(path, sha, present))]
        return readings.worst(pair for pair in [*runs, *statuses] if not readings.is_ours(pair[0]))

    def sent(self, path: str, body: Any) -> None:
        """Something was written: what is known of the commit that it names is so no longer."""
        named = str(body.get("head_sha") or "") if isinstance(body, dict) else ""
        for sha in {*SHA.findall(path), named} - {""}:
            with self._lock:
                known = [key for key in self._marks if key[1] == sha]
                for key in known:
                    del self._marks[key]
            for key in known:
                self._shelf.drop(self._place(*key))

    def ahead(self, places: Sequence[Place], file: str, anew: frozenset[Place]) -> None:
        """What can be read in few questions is; whatever goes wrong is left to the single askings."""
        by_line: dict[str, tuple[Line, list[Place]]] = {}
        for place in self._due(places, file, anew):
            try:
                line = self._board.line(f"{place.path}/")
            except ForgeError:
                continue
            by_line.setdefault(line.name, (line, []))[1].append(place)
        for line, due in by_line.values():
            for some in _chunks(due):
                if not self._ask(line, some, file):
                    break

    def _due(self, places: Sequence[Place], file: str, anew: frozenset[Place]) -> list[Place]:
        now = self._now()
        new: list[Place] = []
        old: list[tuple[float, Place]] = []
        for place in places:
            held = self._known_marks(place.path, place.sha)
            told = (place.path, place.sha) in self._checks and self._files.knows(place.repository, file, place.sha)
            if place in anew or held is None or not told:
                new.append(place)
            elif held[0] + AHEAD_AGAIN <= now:
                old.append((held[0], place))
        return [*new, *(place for _, place in sorted(old, key=lambda item: item[0])[:AHEAD_MOST])]

    def _ask(self, line: Line, places: Sequence[Place], file: str) -> bool:
        """Whether it is worth while to ask more."""
        if self._without.get(line.name, 0.0) > self._now():
            return False
        try:
            data = line.query(queries.question(places, file))
            found = queries.answers(data, places)
            line.charge(queries.price(data) - 1)
        except (NotThere, ForgeRefused) as refusal:
            log.info("%s: not asked by GraphQL for an hour: %s", line.name, refusal)
            self._without[line.name] = self._now() + WITHOUT
            return False
        except ForgeError as error:
            log.info("%s: %s", line.name, error)
            return False
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            log.warning("an answer to GraphQL that does not look like GitHub's: %r", problem)
            return False
        for place, answer in found.items():
            self._take(place, answer, file)
        return True

    def _take(self, place: Place, answer: Answer, file: str) -> None:
        if answer.file is not None:
            self._files.keep(place.repository, file, place.sha, answer.file[0] if answer.file else None)
        if answer.statuses is None or answer.runs is None:
            return
        pairs = [*((run.name, run.state) for run in answer.runs),
                 *((status.context, status.state) for status in answer.statuses)]  # fmt: skip
        checks = readings.worst(pair for pair in pairs if not readings.is_ours(pair[0]))
        with self._lock:
            _keep(self._checks, (place.path, place.sha), (self._now(), checks))
        marks = [status for status in answer.statuses if is_mark(status.context)]
        me = self._viewer()
        # Only the newest status of a name is told here: somebody else's of the same name may hide ours.
        if all(status.creator == me for status in marks) and not any(is_mark(run.name) for run in answer.runs):
            said = {status.context: status.description for status in marks if status.description}
            self._keep_marks(place.path, place.sha, said)

    def _known_marks(self, path: str, sha: str) -> At[Mapping[str, str]] | None:
        with self._lock:
            held = self._marks.get((path, sha))
        if held is None:
            kept = self._shelf.get(self._place(path, sha))
            if kept is not None:
                held = (
                    min(kept.at, self._now()),
                    {str(key): str(value) for key, value in json.loads(kept.body).items()},
                )
                with self._lock:
                    _keep(self._marks, (path, sha), held)
        return held

    def _keep_marks(self, path: str, sha: str, found: Mapping[str, str]) -> None:
        with self._lock:
            _keep(self._marks, (path, sha), (self._now(), found))
        self._shelf.put(self._place(path, sha), json.dumps(dict(found)).encode())

    def _place(self, path: str, sha: str) -> str:
        return f"marks {self._board.home} {self._viewer()} {path} {sha}"


def _keep(cache: OrderedDict[tuple[str, str], V], key: tuple[str, str], value: V) -> None:
    cache.pop(key, None)
    cache[key] = value
    while len(cache) > KEPT:
        cache.popitem(last=False)


def _chunks(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    for start in range(0, len(places), queries.AT_ONCE):
        yield places[start : start + queries.AT_ONCE]
