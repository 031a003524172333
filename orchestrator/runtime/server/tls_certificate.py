"""A certificate of a server. Renewed files are used for new connections; open ones stay as they are.

A renewal replaces two files, and in between they don't match. So each version is loaded into a fresh context and tested
there, and only a working one is used.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from orchestrator.runtime import wording

log = logging.getLogger("eph.certificate")

CHECK_SECONDS = 5.0
_FileVersion = tuple[int, int, int]


class BadCertificate(Exception):
    """The files can't be used; the message says why and what to do."""


class TlsCertificate:
    """``context`` never changes; each handshake switches to the context of the newest working files."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises BadCertificate."""
        self._certificate, self._key = certificate, key
        self._version = self._read_version()
        self.context = self._current = self._load()
        self.context.sni_callback = self._use_current

    def reload(self) -> bool:
        """Whether there were new files, and they work. Raises BadCertificate, once, if they don't."""
        version = self._read_version()
        if version == self._version:
            return False
        self._version = version
        self._current = self._load()
        return True

    async def keep_current(self) -> None:
        """Looks for new files until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if self.reload():
                    log.info("new connections use the renewed certificate %s", self._certificate)
            except BadCertificate as error:
                log.warning("keeping the current certificate: %s", error)

    def _use_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read_version(self) -> tuple[_FileVersion | None, _FileVersion | None]:
        return _file_version(self._certificate), _file_version(self._key)

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BadCertificate(
                wording.startup.certificate_unusable(self._certificate, self._key, _reason(error))
            ) from None
        return context


def _file_version(path: Path) -> _FileVersion | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise ValueError("the key has a passphrase")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return wording.startup.OTHER_CERTIFICATE if "MISMATCH" in str(error) else wording.startup.INVALID_PEM
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
