"""Requests to a proxy that another server could read differently; the proxy's tests and ``make attack`` send each."""

from __future__ import annotations

HIDDEN = "GET http://169.254.169.254/latest/ HTTP/1.1"
_GET = "GET http://example.invalid/ HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = {
    "a request after a bare LF": f"{_GET}A: b\n\n{HIDDEN}\nHost: y\r\n\r\n".encode(),
    "a request after a bare CR": f"{_GET}A: b\r\r{HIDDEN}\rHost: y\r\n\r\n".encode(),
    "an LF in the target of CONNECT": f"CONNECT example.invalid:443\n\n{HIDDEN}:80 HTTP/1.1\r\n\r\n".encode(),
    "a TAB in the target of CONNECT": b"CONNECT 169.254.169.254:80\texample.invalid:443 HTTP/1.1\r\n\r\n",
    "a space before the colon of Connection": f"{_GET}connection : keep-alive\r\n\r\n".encode(),
    "a folded header": f"{_GET}A: b\r\n c: d\r\n\r\n".encode(),
}
ALL = (
    *SMUGGLED.values(),
    b"G\xc9T http://example.invalid/ HTTP/1.1\r\n\r\n",
    b"GET http://example.invalid/ HTTP/2.0\r\n\r\n",
    b"GET http://example.invalid/\r\n\r\n",
    f"{_GET}A: \0\r\n\r\n".encode(),
    f"{_GET}no field\r\n\r\n".encode(),
)
