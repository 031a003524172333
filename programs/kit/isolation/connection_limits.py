"""Bounds how many connections of an environment are open at once, so that it can't take those of its neighbours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass


class TooManyConnections(OSError):
    """The connection is closed at once."""


@dataclass(slots=True)
class ConnectionLimit:
    """``shared`` is a limit of all environments together. 0 is no limit."""

    most: int
    shared: ConnectionLimit | None = None
    open: int = 0

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Counts a connection while it's open. Raises TooManyConnections if the limit is reached."""
        with self.shared.taken() if self.shared else contextlib.nullcontext():
            if self.most and self.open >= self.most:
                raise TooManyConnections(self.most)
            self.open += 1
            try:
                yield
            finally:
                self.open -= 1
