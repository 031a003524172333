"""The mail catcher's process: ``python -I -S main.py FOLDER SMTP_PORT WEB_PORT PACKAGE_FOLDER…``.

It listens on the loopback, or on the address in MAIL_ADDRESS. It sees nothing of Eph but this package and the installed
packages, which are on no path until it says so.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
ADDRESS_VARIABLE = "MAIL_ADDRESS"
MAX_CONNECTIONS_SECONDS = 60.0


async def serve(folder: Path, smtp_port: int, web_port: int, address: str = LOOPBACK) -> None:
    from aiosmtpd.smtp import SMTP

    from programs.kit.mail_catcher import web
    from programs.kit.mail_catcher.mailbox import MAX_MESSAGE_BYTES, Mailbox

    mailbox = Mailbox(folder)

    class Catcher:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            added = mailbox.add(str(envelope.mail_from), [str(one) for one in envelope.rcpt_tos], envelope.content)
            _log(f"caught message {added.number} to {', '.join(added.recipients)!r}: {added.subject!r}")
            return f"250 caught as message {added.number}"

    def connected() -> SMTP:
        return SMTP(
            Catcher(),
            hostname="mail",
            ident="mail catcher",
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            timeout=MAX_CONNECTIONS_SECONDS,
        )

    pages = web.server(mailbox, address, web_port)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    listener = await asyncio.get_running_loop().create_server(connected, address, smtp_port)
    _log(f"ready with {len(mailbox.newest_first())} messages")
    await listener.serve_forever()


def _log(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.path += sys.argv[4:]
    asyncio.run(
        serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), os.environ.get(ADDRESS_VARIABLE) or LOOPBACK)
    )
