"""One replica in its own process: ``python -m tests.ledger.lease_holder URL NAME FILE``.

While it leads it works: every few milliseconds it writes a line with the time, its pid and the epoch. The time is read
before ``leads`` is checked, so a line says: at this time or later it believed that it leads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from orchestrator.ledger.lease import PostgresLease
from stacks.process_identity import boot_clock

TICK = 0.01


async def main(url: str, name: str, file: str) -> None:
    lease = PostgresLease(url, name)
    task = asyncio.create_task(lease.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(out, f"{boot_clock()} {os.getpid()} up\n".encode())
    while not task.done():
        at = boot_clock()
        if lease.leads():
            os.write(out, f"{at} {os.getpid()} {lease.epoch}\n".encode())
        await asyncio.sleep(TICK)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(*sys.argv[1:]))
