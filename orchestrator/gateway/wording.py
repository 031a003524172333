"""What the gateway says on its own, apart from the texts of its pages (holding_pages.py)."""

from __future__ import annotations

# --- Startup


def invalid_setup(error: Exception) -> str:
    return f"The gateway {error}.\n"


def unusable_authority(file: object, error: object) -> str:
    return f"The gateway can't use the certificate authority {file}: {error}. It must be a file in PEM.\n"


def cannot_listen(addresses: str, error: object) -> str:
    return f"The gateway can't listen on {addresses}: {error}. Check whether the port is in use.\n"


# --- OAuth sign-in inside previews

USE_GET = "Use GET: with response_mode=query, the provider's answer is a redirect."


def state_too_long(limit: int) -> str:
    return f"The app's state has more than {limit} characters. Use a shorter one."


OTHER_PREVIEW = "This sign-in was started in another preview. Start it again in this one."
OTHER_BROWSER = "This sign-in was started in another browser. Start it again."
SIGN_IN_EXPIRED = "This sign-in has expired, or it wasn't started in a preview. Start it again."
SIGN_IN_USED = "This sign-in was already completed. Start it again."
TOO_MANY_SIGN_INS = "Too many people are signing in from your network. Try again in ten minutes."
UNKNOWN_PROVIDER = "This server doesn't know that provider. Ask its operator to add it to oauth.providers."
KEY_UNREADABLE = "This server's key can't be read. Ask its operator to check the gateway."


def set_callback_path(parameter: str) -> str:
    return f"Set {parameter} to the path of the app's callback, such as /auth/callback."


def set_once(parameter: str, value: str) -> str:
    return f"Set {parameter} exactly once, to {value}."


ONE_STATE = "Send exactly one state parameter."


# --- Requests

ONE_HOST_HEADER = "A request must have exactly one Host header."
INVALID_HOST = "The Host header is not a valid host name: use letters, digits, dashes and dots."
PREVIEWS_UNREADABLE = "the list of previews can't be read"
PREVIEWS_MISSING = "the list of previews is missing"
NO_PREVIEWS_YET = "Eph hasn't listed its previews yet"
ROUTE_UNREADABLE = "its route can't be read"
UPGRADE_REJECTED = "The upgrade was rejected.\n"


# --- Connections to previews

TIMED_OUT = "The connection timed out."
CLOSED_WITHOUT_RESPONSE = "It closed the connection without a response."
NOT_HTTP = "Its response is not valid HTTP."
REFUSED = "The connection was refused."
UNREQUESTED_UPGRADE = "an upgrade that was not requested"


def connection_timed_out(host: str, port: int) -> str:
    return f"the connection to {host}:{port} timed out"


LINE_BREAK_IN_HEADER = "a header with a line break in it"


# --- The health check


def redirects_outside(path: str, location: str) -> str:
    return f"{path} redirects to {location}, outside the environment"


def returned(path: str, status: int) -> str:
    return f"{path} returned {status}"


def redirected(path: str, location: str) -> str:
    return f"{path} redirected to {location}, which"


def too_many_redirects(path: str, limit: int) -> str:
    return f"{path} redirects more than {limit} times"


def preview_token_unreadable(error: Exception) -> str:
    return f"can't read the preview token ({error})"


def no_response(path: str, kind: str) -> str:
    return f"{path} didn't respond ({kind})"


def not_the_gateway(path: str, url: str, status: int) -> str:
    return f"{path} at {url} returned {status}, and it wasn't Eph's gateway"


# --- The bar

BAR_LABEL = "Preview"
BAR_LOGS = "Logs"
BAR_PAGE = "Dashboard"
BAR_SHARE = "Share"
BAR_EXTEND = "Extend"
BAR_PULL = "Pull request"
BAR_REPORT = "Report a problem"
NOT_GZIP = "the response is not valid gzip"


def expiry(seconds: float) -> str:
    """``expires in 3 h``, when the page was opened."""
    if seconds <= 0:
        return "expires now"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"expires in {int(seconds // length)} {unit}"
    return "expires in a minute"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
