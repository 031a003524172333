"""Which parts of all environments exist, from a watch or, while that isn't fresh, from lists.

One list per kind and then a stream of changes costs a quiet cluster almost nothing, whereas listing every 30 seconds
would transfer thousands of objects. Streams end (the server closes each after a minute), break, or expire (410 Gone);
then they resume from the last version seen, or start with a list again. Streams are used only while all of them are
fresh. Otherwise the cluster is listed, and if it doesn't respond, no conclusion is drawn. Only metadata is requested,
never an object's content.

One thread with its own event loop serves all kinds. It ends when it hasn't been used for a while.
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

from programs.inventory import DRIFTED
from programs.targets.kubernetes import gateway_routes
from programs.targets.kubernetes.api import cluster, object_kinds
from programs.targets.kubernetes.api.cluster import METADATA_LIST_TYPE, AccessDenied, ClusterClient, Data
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import wording
from programs.targets.kubernetes.settings import KubernetesSettings

log = logging.getLogger("eph.kubernetes")

WATCH_SECONDS = 60
"""Seconds after which the server ends a stream, which bounds the age of one that died unnoticed."""
STALE_SECONDS = WATCH_SECONDS + 10.0
IDLE = 600.0
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0)
METADATA_TYPE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
HTTP_GONE = 410
MAX_LISTED_NAMESPACES = 30
"""Up to this many namespaces are listed one by one if our account can't list across all namespaces."""

LiveResources = Mapping[str, frozenset[str]]


def live_resources(settings: KubernetesSettings) -> LiveResources:
    """Raises if the cluster can't be read."""
    connection = cluster.connect(settings)
    found = _shared_watch(settings).snapshot() or list_live(connection, settings.server)
    found = _with_namespaced_kinds(connection, settings.server, found)
    routes = frozenset(f"{route.environment}/{route.host}" for route in gateway_routes.list_routes(settings.routes))
    return {**found, **({"Door": routes} if settings.routes else {})}


def is_watching(settings: KubernetesSettings) -> bool:
    """Whether the watch is fresh, so nothing has to be listed."""
    return _shared_watch(settings).snapshot() is not None


def list_live(client: ClusterClient, server: str) -> LiveResources:
    """Kinds that may not be listed are left out, because their state is unknown."""
    listed: dict[str, Iterable[Data]] = {}
    for kind, path in object_kinds.WATCHED_KINDS.items():
        with contextlib.suppress(AccessDenied):
            listed[kind] = list(client.list_metadata(path, labelSelector=cluster.server_selector(server)))
    return _live_resources({kind: _KnownObjects.from_items(items) for kind, items in listed.items()})


def _with_namespaced_kinds(client: ClusterClient, server: str, live: LiveResources) -> LiveResources:
    """Adds the kinds that we may list only in our own namespaces, while there are few."""
    spaces = live.get("Namespace", frozenset())
    hidden = [kind for kind in object_kinds.WATCHED_KINDS if kind not in live]
    if not hidden or not spaces or len(spaces) > MAX_LISTED_NAMESPACES:
        return live
    listed: dict[str, _KnownObjects] = {}
    for kind in hidden:
        with contextlib.suppress(AccessDenied):
            every = [object_kinds.collection_path(kind, space) for space in sorted(spaces)]
            listed[kind] = _KnownObjects.from_items(
                item
                for path in every
                for item in client.list_metadata(path, labelSelector=cluster.server_selector(server))
            )
    more = _live_resources(listed)
    return {**live, **more, DRIFTED: live[DRIFTED] | more[DRIFTED]}


@dataclass(slots=True)
class _KnownObjects:
    """The existing objects of one kind, and whether each was modified."""

    drifted_by_id: dict[str, bool] = field(default_factory=dict)

    @staticmethod
    def from_items(items: Iterable[Data]) -> _KnownObjects:
        known = _KnownObjects()
        for item in items:
            known.add(item)
        return known

    def add(self, item: Data) -> None:
        if object_kinds.is_live(item):
            self.drifted_by_id[object_kinds.object_id(item)] = bool(object_kinds.modified_by(item))
        else:
            self.remove(item)

    def remove(self, item: Data) -> None:
        self.drifted_by_id.pop(object_kinds.object_id(item), None)


def _live_resources(objects_by_kind: Mapping[str, _KnownObjects]) -> LiveResources:
    changed = (
        f"{kind}:{id_}" for kind, ids in objects_by_kind.items() for id_, other in ids.drifted_by_id.items() if other
    )
    return {
        **{kind: frozenset(ids.drifted_by_id) for kind, ids in objects_by_kind.items()},
        DRIFTED: frozenset(changed),
    }


# --- the watch


@dataclass(slots=True)
class _WatchStream:
    """The stream of one kind. An empty ``version`` starts with a list. ``last_seen`` is when it was last known to be
    current; 0 means never, or that it broke. ``is_forbidden``: we have no permission to watch it."""

    kind: str
    objects: _KnownObjects = field(default_factory=_KnownObjects)
    version: str = ""
    last_seen: float = 0.0
    is_forbidden: bool = False
    list_count: int = 0


class ClusterWatch:
    """``snapshot`` can be called from any thread; the streams belong to the thread that ``start`` starts."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._last_query = time.monotonic()
        self.streams = [_WatchStream(kind) for kind in object_kinds.WATCHED_KINDS]
        self._thread = threading.Thread(target=self._run, name="eph-kubernetes-watch", daemon=True)

    def start(self) -> ClusterWatch:
        self._thread.start()
        return self

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def snapshot(self) -> LiveResources | None:
        """None unless every kind is fresh."""
        self._last_query = time.monotonic()
        looked = [stream for stream in self.streams if not stream.is_forbidden]
        if not looked or any(self._last_query - stream.last_seen > STALE_SECONDS for stream in looked):
            return None
        return _live_resources({stream.kind: _KnownObjects(dict(stream.objects.drifted_by_id)) for stream in looked})

    def _run(self) -> None:
        try:
            asyncio.run(self._run_all())
        except (KubernetesError, OSError) as error:
            log.warning("the cluster watch stopped: %s", error)

    async def _run_all(self) -> None:
        async with cluster.open_streams(self._settings, STALE_SECONDS) as http:
            tasks = [asyncio.create_task(self._run_stream(http, stream)) for stream in self.streams]
            while time.monotonic() - self._last_query < IDLE:  # noqa: ASYNC110 - waits for time to pass
                await asyncio.sleep(1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_stream(self, http: httpx2.AsyncClient, stream: _WatchStream) -> None:
        tries = 0
        while not stream.is_forbidden:
            try:
                if not stream.version:
                    await self._list(http, stream)
                await self._follow(http, stream)
                tries = 0
            except _WatchForbidden as error:
                stream.is_forbidden = True
                log.warning("%s", error)
            except _VersionExpired:
                stream.last_seen, stream.version = 0.0, ""
            except Exception as error:  # noqa: BLE001 - whatever the error, lists are used until it is over
                stream.last_seen = 0.0
                log.log(logging.DEBUG if tries else logging.INFO, "the watch of %s failed: %s", stream.kind, error)
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1

    async def _list(self, http: httpx2.AsyncClient, stream: _WatchStream) -> None:
        query = {"labelSelector": cluster.server_selector(self._settings.server), "limit": str(cluster.PAGE_SIZE)}
        ids, after = _KnownObjects(), ""
        while True:
            more = {"continue": after} if after else {}
            answer = await http.get(
                _stream_path(stream), params={**query, **more}, headers={"Accept": METADATA_LIST_TYPE}
            )
            page = _parse_answer(answer, stream.kind)
            for item in page.get("items") or []:  # may be null
                ids.add(item)
            after = page["metadata"].get("continue", "")
            if not after:
                break
        stream.objects, stream.version, stream.last_seen = ids, page["metadata"]["resourceVersion"], time.monotonic()
        stream.list_count += 1

    async def _follow(self, http: httpx2.AsyncClient, stream: _WatchStream) -> None:
        """Reads until the server ends the stream, which is normal: the next one resumes from there."""
        query = {
            "labelSelector": cluster.server_selector(self._settings.server),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            "resourceVersion": stream.version,
        }
        async with http.stream("GET", _stream_path(stream), params=query, headers={"Accept": METADATA_TYPE}) as answer:
            if answer.is_error:
                await answer.aread()
                _parse_answer(answer, stream.kind)
            stream.last_seen = time.monotonic()
            async for line in answer.aiter_lines():
                _apply_event(stream, json.loads(line))
                stream.last_seen = time.monotonic()


def _apply_event(stream: _WatchStream, event: Mapping[str, Any]) -> None:
    item = event["object"]
    match event["type"]:
        case "ADDED" | "MODIFIED":
            stream.objects.add(item)
        case "DELETED":
            stream.objects.remove(item)
        case "ERROR":
            raise (
                _VersionExpired(str(item.get("message", "")))
                if item.get("code") == HTTP_GONE
                else ValueError(str(item)[:200])
            )
    stream.version = item["metadata"]["resourceVersion"]


class _VersionExpired(LookupError):
    """The version to resume from is no longer available."""


class _WatchForbidden(Exception):
    """We have no permission to watch it."""


def _stream_path(stream: _WatchStream) -> str:
    return object_kinds.WATCHED_KINDS[stream.kind]


def _parse_answer(answer: httpx2.Response, kind: str) -> Any:
    if answer.status_code == HTTP_GONE:
        raise _VersionExpired(kind)
    if answer.status_code == httpx2.codes.FORBIDDEN:
        raise _WatchForbidden(wording.watch_denied(kind))
    if answer.is_error:
        raise ValueError(f"The cluster responded with {answer.status_code} for {kind}")
    return answer.json()


_watches: dict[tuple[str, str, str, int], ClusterWatch] = {}
_lock = threading.Lock()


def _shared_watch(settings: KubernetesSettings) -> ClusterWatch:
    """One watch per cluster and server. A renewed kubeconfig starts another, and the old one ends because it isn't
    used."""
    key = (settings.kubeconfig, settings.context, settings.server, cluster.kubeconfig_mtime(settings))
    with _lock:
        found = _watches.get(key)
        if found is None or not found.is_alive:
            _watches.clear()
            found = _watches[key] = ClusterWatch(settings).start()
        return found
