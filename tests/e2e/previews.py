"""A pull request's environment and one of its pages, as a test file knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Preview:
    """A pull request with an environment, and the commit that was live when it was created."""

    number: int
    branch: str
    host: str
    commit: str

    @property
    def name(self) -> str:
        return self.host.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.text)) if self.status == 200 else {}
