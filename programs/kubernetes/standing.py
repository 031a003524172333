"""Which parts of all environments stand, told by a watch and, while that is not fresh, by listing.

Theory. One list of each kind and then a stream of what changes cost a quiet cluster almost nothing, where listing every
half minute would carry thousands of objects. Streams end (the server closes each after a minute), break, and grow too
old (410 Gone); then they go on from the last version seen, or begin with a list again. What a stream says counts only
while every kind has one that was heard of lately; else the cluster is asked plainly, and when it does not answer,
nothing is concluded. Only what an object is called and who wrote it is asked for, never its content.

One thread with an event loop of its own serves all kinds. Nobody asking for a while ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from programs.holdings import CHANGED
from programs.kubernetes import cluster, doors, kinds
from programs.kubernetes.cluster import METADATA_LIST, Cluster, Data, Forbidden
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings

log = logging.getLogger("eph.kubernetes")

TURN = 60
"""Seconds after which the server ends a stream: one that died unseen is old by no more than that."""
SILENCE = TURN + 10.0
IDLE = 600.0
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0)
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
GONE = 410
FEW = 30
"""Namespaces that are listed one by one at each look, where our account may not list over all of them."""

Standing = Mapping[str, frozenset[str]]


def every(on: Settings) -> Standing:
    """Raises when it cannot be looked at."""
    connection = cluster.connect(on)
    found = _watch(on).answer() or listed(connection, on.server)
    found = _with_narrow_rights(connection, on.server, found)
    routes = frozenset(f"{route.environment}/{route.host}" for route in doors.every(on.routes))
    return {**found, **({"Door": routes} if on.routes else {})}


def watching(on: Settings) -> bool:
    """Whether the watch tells, so that nothing has to be listed."""
    return _watch(on).answer() is not None


def listed(found: Cluster, server: str) -> Standing:
    """A kind that may not be listed is left out: nothing is known of it."""
    told: dict[str, Iterable[Data]] = {}
    for kind, path in kinds.LOOKED_AT.items():
        with contextlib.suppress(Forbidden):
            told[kind] = list(found.about(path, labelSelector=cluster.selector(server)))
    return _standing({kind: _Ids.of(items) for kind, items in told.items()})


def _with_narrow_rights(found: Cluster, server: str, standing: Standing) -> Standing:
    """What we may look at in our own namespaces only is listed there, as long as they are few."""
    spaces = standing.get("Namespace", frozenset())
    hidden = [kind for kind in kinds.LOOKED_AT if kind not in standing]
    if not hidden or not spaces or len(spaces) > FEW:
        return standing
    told: dict[str, _Ids] = {}
    for kind in hidden:
        with contextlib.suppress(Forbidden):
            every = [kinds.in_namespace(kind, space) for space in sorted(spaces)]
            told[kind] = _Ids.of(
                item for path in every for item in found.about(path, labelSelector=cluster.selector(server))
            )
    more = _standing(told)
    return {**standing, **more, CHANGED: standing[CHANGED] | more[CHANGED]}


@dataclass(slots=True)
class _Ids:
    """What there is of one kind, and whether it was changed."""

    known: dict[str, bool] = field(default_factory=dict)

    @staticmethod
    def of(items: Iterable[Data]) -> _Ids:
        made = _Ids()
        for item in items:
            made.put(item)
        return made

    def put(self, item: Data) -> None:
        if kinds.stands(item):
            self.known[kinds.id_of(item)] = bool(kinds.changed_by(item))
        else:
            self.remove(item)

    def remove(self, item: Data) -> None:
        self.known.pop(kinds.id_of(item), None)


def _standing(told: Mapping[str, _Ids]) -> Standing:
    changed = (f"{kind}:{id_}" for kind, ids in told.items() for id_, other in ids.known.items() if other)
    return {**{kind: frozenset(ids.known) for kind, ids in told.items()}, CHANGED: frozenset(changed)}


# --- the watch


@dataclass(slots=True)
class _Stream:
    """One kind. ``version`` empty: begin with a list. ``heard``: when it was last known to be whole; 0: never, or it
    broke. ``closed``: we may not look at it."""

    kind: str
    ids: _Ids = field(default_factory=_Ids)
    version: str = ""
    heard: float = 0.0
    closed: bool = False
    lists: int = 0


class Watch:
    """``answer`` is for any thread; the streams belong to the thread that ``begin`` starts."""

    def __init__(self, on: Settings) -> None:
        self._on = on
        self._asked = time.monotonic()
        self.streams = [_Stream(kind) for kind in kinds.LOOKED_AT]
        self._thread = threading.Thread(target=self._run, name="eph-kubernetes-watch", daemon=True)

    def begin(self) -> Watch:
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def answer(self) -> Standing | None:
        """None while not every kind was heard of lately."""
        self._asked = time.monotonic()
        looked = [stream for stream in self.streams if not stream.closed]
        if not looked or any(self._asked - stream.heard > SILENCE for stream in looked):
            return None
        return _standing({stream.kind: _Ids(dict(stream.ids.known)) for stream in looked})

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except (KubernetesError, OSError) as error:
            log.warning("the watch on the cluster ended: %s", error)

    async def _all(self) -> None:
        async with cluster.open_streams(self._on, SILENCE) as http:
            tasks = [asyncio.create_task(self._keep(http, stream)) for stream in self.streams]
            while time.monotonic() - self._asked < IDLE:  # noqa: ASYNC110 - that time passes is what is waited for
                await asyncio.sleep(1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, http: httpx2.AsyncClient, stream: _Stream) -> None:
        tries = 0
        while not stream.closed:
            try:
                if not stream.version:
                    await self._list(http, stream)
                await self._follow(http, stream)
                tries = 0
            except _Refused as error:
                stream.closed = True
                log.warning("%s", error)
            except _Old:
                stream.heard, stream.version = 0.0, ""
            except Exception as error:  # noqa: BLE001 - whatever it is, lists stand in until it is over
                stream.heard = 0.0
                log.log(logging.DEBUG if tries else logging.INFO, "the watch of %s broke: %s", stream.kind, error)
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1

    async def _list(self, http: httpx2.AsyncClient, stream: _Stream) -> None:
        query = {"labelSelector": cluster.selector(self._on.server), "limit": str(cluster.PAGE)}
        ids, after = _Ids(), ""
        while True:
            more = {"continue": after} if after else {}
            answer = await http.get(_path(stream), params={**query, **more}, headers={"Accept": METADATA_LIST})
            page = _read(answer, stream.kind)
            for item in page.get("items") or []:  # none may be null
                ids.put(item)
            after = page["metadata"].get("continue", "")
            if not after:
                break
        stream.ids, stream.version, stream.heard = ids, page["metadata"]["resourceVersion"], time.monotonic()
        stream.lists += 1

    async def _follow(self, http: httpx2.AsyncClient, stream: _Stream) -> None:
        """Until the server ends it, which is no trouble: the next one goes on from here."""
        query = {
            "labelSelector": cluster.selector(self._on.server),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(TURN),
            "resourceVersion": stream.version,
        }
        async with http.stream("GET", _path(stream), params=query, headers={"Accept": METADATA}) as answer:
            if answer.is_error:
                await answer.aread()
                _read(answer, stream.kind)
            stream.heard = time.monotonic()
            async for line in answer.aiter_lines():
                _take(stream, json.loads(line))
                stream.heard = time.monotonic()


def _take(stream: _Stream, event: Mapping[str, Any]) -> None:
    item = event["object"]
    match event["type"]:
        case "ADDED" | "MODIFIED":
            stream.ids.put(item)
        case "DELETED":
            stream.ids.remove(item)
        case "ERROR":
            raise _Old(str(item.get("message", ""))) if item.get("code") == GONE else ValueError(str(item)[:200])
    stream.version = item["metadata"]["resourceVersion"]


class _Old(LookupError):
    """What we go on from is no longer kept."""


class _Refused(Exception):
    """We may not look at it."""


def _path(stream: _Stream) -> str:
    return kinds.LOOKED_AT[stream.kind]


def _read(answer: httpx2.Response, kind: str) -> Any:
    if answer.status_code == GONE:
        raise _Old(kind)
    if answer.status_code == httpx2.codes.FORBIDDEN:
        raise _Refused(f"the cluster does not let us look at {kind}: changes of them are not noticed")
    if answer.is_error:
        raise ValueError(f"the cluster answered {answer.status_code} for {kind}")
    return answer.json()


_watches: dict[tuple[str, str, str, int], Watch] = {}
_lock = threading.Lock()


def _watch(on: Settings) -> Watch:
    """One for each cluster and server; a renewed kubeconfig begins another, and the old one ends for want of use."""
    key = (on.kubeconfig, on.context, on.server, cluster.stamp(on))
    with _lock:
        found = _watches.get(key)
        if found is None or not found.alive:
            _watches.clear()
            found = _watches[key] = Watch(on).begin()
        return found
