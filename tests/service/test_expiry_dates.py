"""Until when an environment lives stands on its target too, whatever becomes of it (C2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.service.expiry_sync import ExpirySync
from orchestrator.service.fake import START, sample
from programs.fake import FakeTarget

LATER = START + timedelta(hours=96)


@dataclass(frozen=True)
class CycleViews:
    views: tuple[EnvironmentView, ...]
    is_paused: bool = False


class DatedTarget(FakeTarget):
    def __init__(self) -> None:
        self.written: list[tuple[str, datetime | None]] = []
        self.unreachable = False

    def set_expiry(self, name: str, settings: Mapping[str, str], expires_at: datetime | None) -> None:
        if self.unreachable:
            raise OSError("no answer")
        self.written.append((name, expires_at))


async def test_a_date_is_written_again_after_a_change_or_an_update() -> None:
    target = DatedTarget()
    dates = ExpirySync({"kubernetes": {}}, get_target=lambda _: target)
    view = replace(sample(42), target="kubernetes")

    async def see(*views: EnvironmentView, paused: bool = False) -> list[tuple[str, datetime | None]]:
        target.written.clear()
        dates.on_cycle(CycleViews(views, paused))
        await asyncio.sleep(0)
        if dates.task is not None:
            await dates.task
        return list(target.written)

    assert await see(view, replace(sample(7), target="local")) == [(view.name, view.expires_at)]
    assert await see(view) == []
    assert await see(replace(view, expires_at=LATER), paused=True) == [], "a paused server changes nothing"
    assert await see(replace(view, expires_at=LATER)) == [(view.name, LATER)]
    target.unreachable = True
    assert await see(replace(view, expires_at=None)) == []
    target.unreachable = False
    assert await see(replace(view, expires_at=None)) == [(view.name, None)], "what failed is tried again"
    assert await see(replace(view, phase=Phase.UPDATING, expires_at=None)) == []
    assert await see(replace(view, expires_at=None)) == [(view.name, None)], "a namespace may be another by now"
