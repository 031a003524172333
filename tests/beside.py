"""Something that is looked at again and again beside a test, in a thread of its own, until the block ends."""

from __future__ import annotations

import threading
from typing import Self


class Beside:
    """``look`` is called every ``pause`` seconds."""

    pause = 0.2

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def look(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self.pause):
            self.look()
