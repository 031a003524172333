"""The HTTP API: errors, and what a client can do about them."""

from __future__ import annotations

from decimal import Decimal

from programs.costs import format_money

# --- The description of each error status

ERROR_401 = "Missing or invalid token"
ERROR_403 = "The token's role is not sufficient"
ERROR_404 = "Environment not found"
ERROR_409 = "The request can't be carried out"
ERROR_422 = "Invalid request"
ERROR_503 = "Temporarily unavailable"

# --- Names


def environment_not_found(name: str) -> str:
    return f"Environment {name!r} not found"


def did_you_mean(names: str) -> str:
    return f"Did you mean {names}?"


LIST_ENVIRONMENTS = "Run `eph list` to see all environments."
NO_ENVIRONMENTS = "There are no environments yet. Add the trigger label to a pull request."
SEE_WHAT_EXISTS = "`eph list` shows what exists."
SEE_SCHEMA = "See /openapi.json for the expected format."
SEE_PATHS = "See /openapi.json for all paths."
CACHES_TO_CLEAR = "The request doesn't say which build caches to clear"
NAME_REPOSITORY_OR_ALL = "Use either repository=OWNER/NAME or all=true."
SEE_LOG = "See the log of ephd for details."


def environment_is(phase: str) -> str:
    return f"The environment is {phase}."


# --- Health

NO_RECENT_CYCLE = "No cycle finished recently"
NO_CYCLE_YET = "no cycle has finished yet"


def last_cycle(seconds: float) -> str:
    return f"the last cycle finished {seconds:.0f} s ago"


def stopped_at_startup(error: object) -> str:
    return f"the API stopped during startup: {error}"


# --- Access


def restricted(name: str, repositories: str) -> str:
    return f"{name}'s token is restricted to {repositories}, but this concerns all repositories"


ASK_FOR_UNRESTRICTED = "Ask an Eph administrator for a token without that restriction."


def role_too_low(name: str, role: str, required: str) -> str:
    return f"{name} has the role {role}, but this requires {required}"


ASK_FOR_ROLE = "Ask an Eph administrator for that role."
CROSS_SITE = "cross-site request rejected"
USE_DASHBOARD = "Use the Eph dashboard or a token."
INVALID_TOKEN = "missing or invalid token"
SEND_TOKEN = "Set EPH_TOKEN or send 'Authorization: Bearer <token>'."
NO_PROVIDER = "this server has no identity provider"
USE_TOKEN = "Use a token: set EPH_TOKEN."
TOO_MANY_CLIENTS = "too many clients of your network are waiting to sign in"
TRY_IN_MINUTES = "Try again in a few minutes."
REFUSED_IN_BROWSER = "was refused in the browser"


def sign_in_ended(how: str) -> str:
    return f"the sign-in {how}"


SIGN_IN_AGAIN = "Run `eph auth login` again."
LIST_TOKENS = "Run `eph auth token list` to see the tokens."
REQUEST_LESS = "Request less, or ask an Eph administrator."
SHARE_HELP = "Run `eph share create --help`."
LIST_SCREENSHOTS = "A newer run of the suite has replaced it, or it never existed."
LIST_LINKS = "Run `eph share list` to see the links."
TRY_LATER = "Try again later. Environments keep running."


# --- Requests


def no_such_screenshot(suite: str, file: str) -> str:
    return f"{suite} has no screenshot {file!r}"


def body_too_large(kilobytes: int) -> str:
    return f"the request body is larger than {kilobytes} KB"


SEND_LESS = "Send a smaller request."
UPLOAD_LESS = "Exclude files with .ephignore, or push a branch and deploy it with --ref."
EXEC_FORBIDDEN = "this server doesn't allow commands in environments"
EXEC_SETTING = "The setting is exec.role."
START_COMMAND_AGAIN = "Start the command again."
NOT_BASE64 = "data isn't base64"
ENCODE_BASE64 = "Encode the bytes in base64."


def exec_requires(role: str) -> str:
    return f"running commands in environments requires the role {role}"


FIRST_PAGE = "Omit it to start at the first page."


CYCLE_STARTS = "a cycle starts now"
INVALID_SIGNATURE = "invalid webhook signature"
SAME_SECRET = "Configure the same secret at the Git host and in ephd."
SET_WEBHOOK_SECRET = "Configure a webhook secret. Without one, ephd polls."
NO_WEBHOOKS = "webhooks are not configured"


def too_many_streams(count: int) -> str:
    return f"{count} streams are already open"


CLOSE_STREAM = "Close a stream or try again later."


# --- No leader

TRY_IN_SECONDS = "Try again in a few seconds. Environments keep running."


def last_leader(leader: str) -> str:
    return f"; the last leader, {leader}, doesn't respond"


def no_leader(detail: str) -> str:
    return f"there is no leader right now{detail}"


def estimate(awake: Decimal, asleep: Decimal, daily: Decimal) -> str:
    return f"{format_money(awake)} an hour awake, {format_money(asleep)} asleep; {format_money(daily)} a day"


def cost_so_far(spent: Decimal, saved: Decimal) -> str:
    return f"{format_money(spent)}, {format_money(saved)} saved"
