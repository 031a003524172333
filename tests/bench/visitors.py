"""Sends requests to a preview at the same moment: ``python -m tests.bench.visitors GATEWAY HOST COUNT``.

It prints ``ready``, waits for a line on standard input, and prints a JSON list of seconds, one for each response.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httpx

TIMEOUT = 240.0


async def main(gateway: str, host: str, count: int) -> None:
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        await client.get(f"{gateway}_eph/healthz")  # the client imports parts of itself for its first request
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(await asyncio.gather(*(_seconds(client, gateway, host) for _ in range(count)))))


async def _seconds(client: httpx.AsyncClient, gateway: str, host: str) -> float:
    began = time.monotonic()
    response = await client.get(gateway, headers={"Host": host})
    if response.status_code != 200:
        raise RuntimeError(f"a cold request got {response.status_code}: {response.text[:300]}")
    return time.monotonic() - began


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
