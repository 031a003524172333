"""A process of a preview that exchanges folders for links while Eph removes them; ``make attack`` uses it, too."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exchanging(tree: Path, outside: Path) -> Iterator[list[int]]:
    """A thread that fills the tree with folders and exchanges them for links. Yields the numbers of its rounds."""
    ended, rounds = threading.Event(), [0]

    def run() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                tree.mkdir(exist_ok=True)
                for name in "abcdefgh":
                    (tree / name).mkdir(exist_ok=True)
                for name in "abcdefgh":
                    (tree / name).rename(tree / f"{name}-moved")
                    (tree / name).symlink_to(outside)
                rounds.append(rounds[-1] + 1)

    tree.mkdir()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield rounds
    finally:
        ended.set()
        thread.join()
