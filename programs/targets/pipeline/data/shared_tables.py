"""What engines have in common: which tables are shared, which copies are possible, and when they are outdated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

from programs.kit.errors import TargetError
from programs.targets.pipeline import wording
from programs.targets.pipeline.data.port import TableCopy
from programs.targets.pipeline.settings import PipelineHost

MARK = "eph "
"""Before the description in the comment of each view and copy. Tables without it are the branch's own."""


def is_shared(host: PipelineHost, table: str) -> bool:
    return any(fnmatchcase(table, pattern) for pattern in host.shared_tables)


def by_table(copies: Sequence[TableCopy], columns: Mapping[str, Sequence[str]]) -> dict[str, TableCopy]:
    """The copies by table. Raises if there is no such table or column. ``columns``: those of each shared table."""
    for item in copies:
        if item.table not in columns:
            raise TargetError(wording.unknown_table(item.table, sorted(columns)))
        if item.column and item.column not in columns[item.table]:
            raise TargetError(wording.unknown_column(item.table, item.column, columns[item.table]))
    return {item.table: item for item in copies}


def note(columns: Sequence[Any], copy: TableCopy | None) -> str:
    """Changes when the view or copy would be created differently. ``columns``: dataclasses."""
    content = json.dumps([[asdict(column) for column in columns], asdict(copy) if copy else None])
    return MARK + hashlib.sha256(content.encode()).hexdigest()[:16]
