"""Pages of environments in a stable order. The cursor is a position, not a count: environments that are added or
removed between two pages shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.schemas import environment_schemas as schemas
from stacks import keys

SortKey = tuple[str, int, str]


def sort_key(view: EnvironmentView) -> SortKey:
    return (view.repository, keys.to_number(view.key) if view.key else 0, str(view.ref))


def page(views: Iterable[EnvironmentView], limit: int, cursor: str | None) -> schemas.EnvironmentPage:
    ordered = sorted(views, key=sort_key)
    after = decode(cursor) if cursor else None
    rest = [view for view in ordered if after is None or sort_key(view) > after]
    items = rest[:limit]
    following = encode(sort_key(items[-1])) if len(rest) > limit else None
    return schemas.EnvironmentPage(
        items=[schemas.EnvironmentItem.model_validate(view) for view in items],
        total=len(ordered),
        next=following,
    )


def filtered(
    views: Iterable[EnvironmentView], repository: str | None, phases: Iterable[Phase]
) -> list[EnvironmentView]:
    wanted = frozenset(phases)
    return [
        view
        for view in views
        if (repository is None or view.repository == repository) and (not wanted or view.phase in wanted)
    ]


def encode(key: SortKey) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode(cursor: str) -> SortKey:
    try:
        repository, number, ref = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return (str(repository), int(number), str(ref))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise ApiError(422, "invalid cursor", wording.api.FIRST_PAGE) from error
