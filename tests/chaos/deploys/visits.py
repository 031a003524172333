"""Cold requests to deploys, several at once, while things break: each must end, with an answer or without one."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import httpx

AT_ONCE = 5
SECONDS = 100.0
"""A program waits at the gateway for a minute and a half at most."""
_WORKERS = 60


@dataclass(frozen=True, slots=True)
class Visit:
    """One response. ``status`` 0: the connection ended without one, as with a gateway that was killed. ``at``: when
    the request was sent, in seconds since the epoch."""

    host: str
    at: float
    status: int
    commit: str
    hung: bool = False


class Visits:
    def __init__(self, gateway_port: int) -> None:
        self._url = f"http://127.0.0.1:{gateway_port}/"
        self._pool = ThreadPoolExecutor(_WORKERS)
        self._asked: list[Future[Visit]] = []

    def __len__(self) -> int:
        return len(self._asked)

    def start(self, host: str) -> None:
        self._asked += [self._pool.submit(self._visit, host) for _ in range(AT_ONCE)]

    def finished(self) -> list[Visit]:
        """All of them, once they have ended."""
        wait(self._asked, SECONDS + 10)
        return [each.result() for each in self._asked]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _visit(self, host: str) -> Visit:
        at = time.time()
        try:
            answer = httpx.get(self._url, headers={"Host": host}, timeout=SECONDS, trust_env=False)
        except httpx.TimeoutException:
            return Visit(host, at, 0, "", hung=True)
        except httpx.HTTPError:
            return Visit(host, at, 0, "")
        return Visit(host, at, answer.status_code, commit_in(answer.text) if answer.status_code == 200 else "")


def commit_in(text: str) -> str:
    try:
        return str(json.loads(text).get("commit", ""))
    except (ValueError, AttributeError):
        return ""
