"""Server-sent events: log lines and the event log in real time.

The number of open streams is limited, because each holds a connection for as long as its client likes. A stream over
the limit is rejected before it starts, with the usual error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from sse_starlette import EventSourceResponse, ServerSentEvent

from orchestrator.service.port import EnvironmentNotFound, EnvironmentService
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.schemas import environment_schemas as schemas
from orchestrator.surfaces.api.schemas import runtime_schemas


class Streams:
    """``poll``: seconds between two reads of the event log, which has no notifications."""

    def __init__(self, limit: int, poll: float) -> None:
        self._limit, self._poll, self._open = limit, poll, 0

    def respond(self, items: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
        if self._open >= self._limit:
            raise ApiError(429, wording.api.too_many_streams(self._limit), wording.api.CLOSE_STREAM)
        return EventSourceResponse(self._count_open(items), ping=15, sep="\n")

    async def _count_open(self, items: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
        # Counted once it runs: a generator that never starts never ends either.
        self._open += 1
        try:
            # Proxies and clients see at once that the stream is open, however long the first line takes.
            yield ServerSentEvent(comment="open")
            async for item in items:
                yield item
        finally:
            self._open -= 1

    async def events(
        self, environment_service: EnvironmentService, name: str, after: int
    ) -> AsyncIterator[ServerSentEvent]:
        while True:
            found = await environment_service.events(name, after, 100, False)
            for event in found:
                after = event.id
                yield ServerSentEvent(
                    data=schemas.EventItem.model_validate(event).model_dump_json(),
                    event="event",
                    id=str(event.id),
                )
            if len(found) < 100:
                await asyncio.sleep(self._poll)


async def log_lines(lines: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    """Each line as JSON, because a raw one may contain anything. A final event ``end`` distinguishes the end from a
    broken connection."""
    # The environment may be destroyed meanwhile: that ends the stream normally.
    with suppress(EnvironmentNotFound):
        async for line in lines:
            yield ServerSentEvent(data=runtime_schemas.LogLine(line=line).model_dump_json(), event="line")
    yield ServerSentEvent(data="{}", event="end")
