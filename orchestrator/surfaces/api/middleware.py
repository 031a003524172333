"""Plain ASGI around the whole app: limits request bodies, and adds headers to every response."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError, error_response

WEBHOOKS = "/api/v1/webhooks/"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer", our own form would send Origin: null
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


HSTS = "max-age=31536000"
"""For this host only, over TLS only: previews on host names below it may be served without."""


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = HSTS
                if not headers.get("cache-control"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class BodyLimit:
    """Rejects a body that declares a size over the limit, and stops reading one that exceeds it."""

    def __init__(self, app: ASGIApp, limit: int, webhook_limit: int) -> None:
        self._app, self._limit, self._webhook_limit = app, limit, webhook_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = self._webhook_limit if scope["path"].startswith(WEBHOOKS) else self._limit
        if _content_length(scope) > limit:
            error = _too_large(limit)
            return await error_response(413, error.detail, error.hint, {"Connection": "close"})(scope, receive, send)
        return await self._app(scope, _limit_body(receive, limit), send)


def _limit_body(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return counted


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large(limit: int) -> ApiError:
    return ApiError(413, wording.api.body_too_large(limit // 1024), wording.api.SEND_LESS)
