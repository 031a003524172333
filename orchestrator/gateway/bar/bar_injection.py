"""Adds the bar to a page while it is forwarded.

The bar is appended after the page's last byte. Browsers move what follows the end of the document into its body, so the
gateway doesn't parse pages: it can't put the bar into a script or a comment, the page is streamed as before, and
nothing is held back (ADR 0065).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import ClientPayloadError
from multidict import CIMultiDict, CIMultiDictProxy

from orchestrator.gateway import wording
from orchestrator.gateway.bar import bar_rules
from orchestrator.gateway.bar.bar_rules import BarStyle

PIECE = 64 * 1024
"""How much is decompressed at a time: a page that expands to gigabytes is forwarded in pieces, too."""
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class BarInjection:
    """For one request. ``render`` returns the bar's HTML."""

    render: Callable[[BarStyle], bytes]

    def body_for(self, status: int, received: CIMultiDictProxy[str], headers: CIMultiDict[str]) -> BodyWithBar | None:
        """The body for a response, whose ``headers`` are adapted. None: it stays as it is."""
        if not bar_rules.is_page(status, received):
            return None
        style = bar_rules.allowed_style(received)
        if style is BarStyle.FORBIDDEN:
            return None
        bar = self.render(style)
        is_compressed = bar_rules.adapt_headers(headers, len(bar))
        return BodyWithBar(bar, is_compressed)


class BodyWithBar:
    def __init__(self, bar: bytes, is_compressed: bool) -> None:
        self._bar = bar
        self._is_compressed = is_compressed
        self._unpacker = zlib.decompressobj(_GZIP)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What to send for the next bytes of the body. Raises ClientPayloadError."""
        if not self._is_compressed:
            if data:
                yield data
            return
        try:
            yield from self._unpack(data)
        except zlib.error as error:
            raise ClientPayloadError(wording.NOT_GZIP) from error

    def end(self) -> bytes:
        """What to send after the last byte. Raises ClientPayloadError if the body is incomplete."""
        if self._is_compressed and not self._unpacker.eof:
            raise ClientPayloadError(wording.NOT_GZIP)
        return self._bar

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._unpacker.eof:  # the next of several members
                self._unpacker = zlib.decompressobj(_GZIP)
            piece = self._unpacker.decompress(data, PIECE)
            if piece:
                yield piece
            data = self._unpacker.unconsumed_tail or self._unpacker.unused_data
