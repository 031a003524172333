"""What agents read: results of tools, and the next step."""

from __future__ import annotations

# --- What to do next

SHOW_ONE = "get_environment shows one."
CREATE_ONE = "Create one with create_environment."
WAIT_FOR_DEPLOY = "Call wait_until_ready with this name and deploy."
WAIT_FOR_PULL_REQUEST = "Call wait_until_ready with this name."
NOT_READY = "Not ready yet. Call wait_until_ready again."
PUSH_FIX = "Push a fix and call create_environment again."
MORE_LINES = "For more output, increase lines. explain_state gives the reason for a failure."
WAIT_FOR_SUITES = "Call get_environment until no suite is waiting or running. get_logs has source suite."
NO_TESTS = "Its eph.yaml has no tests. explain_eph_yaml with the key tests shows how to add them."
AFTER_RESTART = "get_logs shows whether they start. wait_until_ready waits until the URL responds."
SET_VARIABLES = "set_variables changes them."
AFTER_VARIABLES = "An update applies them. wait_until_ready waits for it."
AFTER_RESET = "It is created, seeded and migrated again. wait_until_ready waits for it."
CONFIRM_RESET = (
    "All data of the database will be lost. To reset it, call this again with the confirmation within 5 minutes."
)
UNTIL_EXPIRY = "It is destroyed at expires_at unless you extend it again."
CONFIRM_DESTROY = "Its data will be lost. To destroy it, call this again with the confirmation within 5 minutes."
NEW_CONFIRMATION = "Call this without a confirmation to get a new one."
GONE_WHEN_NOT_FOUND = "It is destroyed once get_environment no longer finds it."
FIX_AND_PUSH = "Fix them, then push."
VALID = "It is valid. The server's policy is checked when it is used."
TOP_LEVEL_KEYS = "Call this without a key to see the top-level keys."
LONGER_KEY = "Use a longer key to see more details."
ASK_FOR_DEVELOPER = "Ask an Eph administrator for a token with that role."
POST_ONLY = "Send MCP messages with POST; there is no stream to listen to."


def list_environments(hint: str) -> str:
    return f"{hint} list_environments shows all."


WAIT_OR_CREATE = "Call wait_until_ready with only the name, or create_environment again."
CHANGE_REQUEST = "Change the request as the error says."
TRY_IN_SECONDS = "Try again in a few seconds. Environments keep running."


# --- What to do next in a phase

OPEN_URL = "Open the URL. run_tests shows the tests of this commit."
FIRST_REQUEST_STARTS_IT = "Its first request starts it. wait_until_ready starts it and waits."
READ_OPERATION_LOG = "Read get_logs with source operation, push a fix, and create or wait again."
FIX_EPH_YAML = "Fix eph.yaml as the problems say and push it. validate_eph_yaml checks a file before that."
READ_LOGS = "Read get_logs: its URL doesn't respond."
OPERATOR_FIRST = "An operator must act first. explain_state says why."
CREATE_AGAIN = "It is being destroyed. Create it again."
CREATE_AFTERWARDS = "It is being destroyed. Create it again afterwards."
CREATE_GONE = "It is gone. Create it again."
STILL_WORKING = "Call wait_until_ready. explain_state says what it is waiting for."


# --- Errors

LABEL_OR_PULL_REQUEST = "set either label or pull_request"
ONLY_FOR_LABELS = "ref, version and ttl_seconds are for a label: a pull request's head and eph.yaml decide them"


def still_live(commit: str) -> str:
    return f"Commit {commit} is still live. "


NOTHING_LEFT = "Everything it created was removed. "


def phase(name: str, phase: str) -> str:
    return f"{name} is {phase}"


def invalid_confirmation(name: str) -> str:
    return f"The confirmation isn't valid for {name}, or it has expired."


def unknown_key(key: str) -> str:
    return f"No key of eph.yaml starts with {key!r}."


def role_too_low(name: str, role: str) -> str:
    return f"{name} has the role {role}, but this requires developer."


def environment_is(phase: str) -> str:
    return f"It is {phase}."


METHOD_NOT_ALLOWED = "method not allowed"


def unknown_tool(name: str) -> str:
    return f"Unknown tool {name!r}."


def use_one_of(names: str) -> str:
    return f"Use one of: {names}."


def tool_arguments(name: str, fields: str) -> str:
    return f"The arguments of {name} are: {fields}."


# --- The server

INSTRUCTIONS = (
    "Eph gives a branch or a pull request its own live environment with a URL.\nFrom a branch: push it, "
    "create_environment, wait_until_ready, read get_logs if it failed, push a fix, create it again under "
    "the same label. For a pull request: add the server's trigger label to it at the Git host, then "
    "wait_until_ready with owner/repo#number. Each result's `next` says what to do."
)


EXEC_FORBIDDEN = "This server doesn't allow commands in environments."
USE_LOGS = "Use get_logs."
COMMAND_SUCCEEDED = "Exit status 0 is success."
COMMAND_FAILED = "The output says what failed."


def command_stopped(seconds: int) -> str:
    return f"It was stopped after {seconds} s. Split it, or raise timeout_seconds."


def exec_requires(role: str) -> str:
    return f"Running commands requires the role {role}."


# --- OAuth

NO_REFRESH_TOKENS = "this server doesn't issue refresh tokens"
NO_ASSERTIONS = "this server doesn't accept assertions"
INVALID_CHALLENGE = "code_challenge isn't a SHA-256 in base64url"
USED_CODE = "the code has already been used"


def issues_tokens_for(resource: str) -> str:
    return f"this server issues tokens for {resource}"
