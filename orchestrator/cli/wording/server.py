"""The connection to the server, sign-in, tokens, share links and webhooks."""

from __future__ import annotations

from pathlib import Path

# --- The connection

START_HINT = "Sign in with `eph auth login URL`, start one with `eph demo` or `ephd`, or set EPH_URL and EPH_TOKEN."


def invalid_url(url: str) -> str:
    return f"EPH_URL is not a valid URL: {url!r}"


URL_EXAMPLE = "Use a value such as https://eph.example.com."


def token_without_tls(host: str) -> str:
    return f"warning: the token is sent to {host} without TLS; use https\n"


def not_an_eph_server(url: str) -> str:
    return f"{url} responded, but it isn't an Eph server"


def no_response(url: str, reason: str) -> str:
    return f"{url} does not respond: {reason}"


def is_it_running(hint: str) -> str:
    return f"Is it running? Check with `eph doctor`. {hint}"


NO_SERVER = "no server configured"


def token_unreadable(path: Path, error: str | None) -> str:
    return f"can't read the token in {path}: {error}"


RUN_AS_OWNER = "Run as the user who started the server, or set EPH_TOKEN."


def responded_with(status: int) -> str:
    return f"the server responded with {status}"


def bridge_connected(url: str) -> str:
    return f"eph mcp: connected to {url}\n"


# --- Sign-in and tokens


def signed_in(server: str, name: str, role: str) -> str:
    return f"signed in to {server} as {name} ({role})"


def token_stored(path: Path) -> str:
    return f"the token is in {path}"


def not_signed_in(server: str) -> str:
    return f"not signed in to {server}"


SIGN_IN = "Run `eph auth login`."


def signed_out(server: str) -> str:
    return f"signed out of {server}"


def token_created(token: str, owner: str, role: str, until: str) -> str:
    return f"token {token} of {owner}, {role}, expires {until}"


TOKEN_OR_OWNER = "specify either a token's ID or --owner"


def token_revoked(token: str, owner: object) -> str:
    return f"revoked token {token} of {owner}"


def no_tokens(owner: str) -> str:
    return f"{owner} has no tokens"


LIST_TOKENS = "Run `eph auth token list`."
NO_SERVER_GIVEN = "no server given"
SIGN_IN_AT_URL = "Run `eph auth login https://eph.example.com`."
SIGN_IN_EXPIRED = "the sign-in has expired"
SIGN_IN_AGAIN = "Run `eph auth login` again."


def enter_code(url: str, code: str) -> str:
    return f"open {url} and enter the code {code}"


# --- Share links


def link_created(link: str, environment: str, until: str) -> str:
    return f"share link {link} for {environment}, expires {until}"


NO_LINKS = "no share links"


def link_revoked(link: str, environment: object) -> str:
    return f"revoked share link {link} for {environment}"


# --- Webhooks


def webhook_result(status: int, milliseconds: float) -> str:
    return f"{status} in {milliseconds:.0f} ms"


def webhook_url(url: str) -> str:
    return f"the Git host sends webhooks to {url}"
