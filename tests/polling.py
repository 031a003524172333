"""Something that is looked at again and again beside a test, in a thread of its own, until the block ends."""

from __future__ import annotations

import threading
from typing import Self


class BackgroundPoller:
    """``poll`` is called every ``interval`` seconds."""

    interval = 0.2

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def poll(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self.interval):
            self.poll()
