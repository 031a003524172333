"""The connection to the server, sign-in, tokens, share links and webhooks."""

from __future__ import annotations

from pathlib import Path

# --- The connection

START_HINT = "Sign in with `eph auth login URL`, start one with `eph demo` or `ephd`, or set EPH_URL and EPH_TOKEN."


CHECK_SERVER = "`eph context` shows which server is used."


def chosen(url: str, origin: str) -> str:
    """``origin``: EPH_URL, a context, the ephd here, a sign-in or a demo."""
    reasons = {
        "EPH_URL": "EPH_URL",
        "context": "the context",
        "ephd": "on this machine",
        "sign-in": "the latest sign-in",
        "demo": "the demo on this machine",
    }
    return f"{url} ({reasons.get(origin, origin)})"


def using_demo(url: str) -> str:
    return f"Using the demo at {url}. `eph auth login URL` or `eph context use NAME` selects another server.\n"


def invalid_url(url: str) -> str:
    return f"EPH_URL is not a valid URL: {url!r}"


URL_EXAMPLE = "Use a value such as https://eph.example.com."


def token_without_tls(host: str) -> str:
    return f"warning: the token is sent to {host} without TLS; use https\n"


def authority_unusable(file: Path, error: str) -> str:
    return f"can't use the certificate authority {file}: {error}"


USE_PEM = "Use a readable file with the authority's certificate, in PEM (--ca-file or EPH_CA_FILE)."


def ca_without_tls(url: str) -> str:
    return f"{url} doesn't use TLS, so a certificate authority has no effect"


USE_HTTPS = "Use the server's https URL."


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


# --- Contexts

CHOOSE_CONTEXT = "Start it, or choose another with `eph context use NAME`."
CONTEXT_CLEARED = "no context; `eph` chooses the server"
URL_OVERRIDES = "EPH_URL is set and overrides the context"
NO_CONTEXTS = "no servers known; sign in with `eph auth login URL`"


def unknown_context(name: str) -> str:
    return f"no context {name!r}"


def ambiguous_context(name: str) -> str:
    return f"{name!r} matches several contexts"


def known_contexts(names: str) -> str:
    return f"Use one of {names}, or a URL." if names else "Use a URL, or sign in with `eph auth login URL`."


def context_not_running(name: str) -> str:
    """``name``: ephd or demo."""
    what = "demo" if name == "demo" else "ephd"
    return f"the context is {name}, but no {what} is running on this machine"


def uses(described: str) -> str:
    return f"commands use {described}"


def context_used(url: str) -> str:
    return f"using {url}"


def not_signed_in_there(url: str) -> str:
    return f"not signed in; run `eph auth login {url}`"


def other_server_used(described: str) -> str:
    return f"commands still use {described}; change that with `eph context use`"


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


def at_most(deploys: int) -> str:
    return f"at most {deploys} under a label" if deploys else "no limit"


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
