"""What Eph says about GitHub: errors, refused settings, and the few sentences that it writes there."""

from __future__ import annotations

# --- Requests

INVALID_CREDENTIALS = "the token or the App's key is invalid or was revoked; configure a new one"
MISSING_PERMISSION = "the token lacks a permission; grant it the permission, or grant the account access"
GONE = "it was removed"
REJECTED = "GitHub rejected the request"
BLOCKED = "it is blocked for legal reasons"


def rate_limited(request: str, seconds: float) -> str:
    return f"{request}: GitHub's rate limit is reached; retrying in {seconds:.0f} s"


def server_error(request: str, status: int) -> str:
    return f"{request}: GitHub responded with {status}; retrying"


def not_found(request: str) -> str:
    return f"{request}: not found"


def redirected(request: str, status: int) -> str:
    return f"{request}: GitHub responded with a redirect ({status}), which Eph does not follow; check the base URL"


SEE_MESSAGE = "see the message"


def clock_is_off(seconds: float, side: str) -> str:
    return (
        f". This machine's clock is {seconds:.0f} s {side} GitHub's, which is enough to make an App's key "
        "fail: set the clock"
    )


def graphql_rate_limited(seconds: float) -> str:
    return f"POST /graphql: GitHub's rate limit is reached; retrying in {seconds:.0f} s"


def incomplete_response(request: str, kind: str) -> str:
    return f"{request}: incomplete response from GitHub ({kind}); retrying"


def foreign_response(request: str, problem: Exception) -> str:
    return f"{request}: a response that isn't from GitHub ({problem!r}); check the base URL"


def page_empty(request: str, page: int) -> str:
    return f"{request}: page {page} was announced but is empty, so the list may be incomplete"


def too_many_pages(request: str, limit: int) -> str:
    return f"{request}: more than {limit} pages"


def reads_paused(request: str, seconds: float) -> str:
    return f"{request}: not sent, GitHub's per-minute read limit is reached; retrying in {seconds:.0f} s"


def writes_paused(request: str, seconds: float) -> str:
    return f"{request}: not sent, writes are rate-limited; retrying in {seconds:.0f} s"


def asked_to_wait(request: str, seconds: float) -> str:
    return f"{request}: not sent, GitHub asked to wait; retrying in {seconds:.0f} s"


def cache_format(found: object, expected: int) -> str:
    return f"its format is {found}, but this version uses {expected}"


# --- Sign-in

NO_ACCESS_TOKEN = "GitHub sent no access token."


def sign_in_failed(status: int) -> str:
    return f"GitHub returned {status} when asked who you are."


def no_sign_in_response(kind: str) -> str:
    return f"GitHub doesn't respond ({kind})."


# --- The App


def app_uninstalled(account: str) -> str:
    return f"the App is no longer installed at {account}: install it again, or remove {account} from Eph's settings"


def app_suspended(account: str, where: str) -> str:
    return f"the App's installation at {account} is suspended: an owner of {account} can unsuspend it{where}"


def app_not_installed(owner: str) -> str:
    return f"the App is not installed at {owner}: an owner of {owner} can install it on the App's page"


# --- Repositories


def file_not_found(repository: str, path: str, ref: str) -> str:
    return f"{repository} has no {path} at {ref}"


def access_lost(repository: str) -> str:
    return f"{repository} is no longer accessible: it was deleted, or Eph lost access"


def name_reused(repository: str) -> str:
    return f"the name {repository} now belongs to another repository; set the new name in Eph's configuration"


def not_accessible(name: str) -> str:
    return f"{name} is not accessible: it doesn't exist, or Eph has no access"


def archived(name: str) -> str:
    return f"{name} is archived, so it gets no environments"


def nothing_matches(pattern: str) -> str:
    return f"{pattern}: no accessible repository matches"


def reading_later(late: int, repositories: int, remaining: int, limit: int, minutes: int) -> str:
    return (
        f"{late} of {repositories} repositories are read later: {remaining} of {limit} requests remain for "
        f"the next {minutes} minutes"
    )


# --- Commits


def not_a_file(path: str, kind: object) -> str:
    return f"{path} is a {kind}, not a file"


def not_base64(path: str, problem: Exception) -> str:
    return f"{path}: GitHub's response is not Base64 ({problem}); retrying"


def content_truncated(path: str, size: int, received: int) -> str:
    return f"{path}: GitHub announced {size} bytes but sent {received}; retrying"


def file_too_large(path: str, size: int, limit: int) -> str:
    return f"{path} has {size} bytes; the limit is {limit}"


TOO_MANY_NOTES = "there are more git notes than the Git host lists; let git sort them into folders"


def note_too_large(size: int, limit: int) -> str:
    return f"the git note has {size} bytes; the limit is {limit}"


def tag_unreadable(name: str, error: Exception) -> str:
    return f"can't read the tag {name}: {error}"


def tag_chain(limit: int) -> str:
    return f"it is a chain of more than {limit} tags"


# --- Reports


def no_reactions(path: str) -> str:
    return f"{path}: this Git host has no reactions"


def no_comment_list(path: str) -> str:
    return f"{path}: this Git host does not list the comments of a repository, so chat commands do nothing"


ENVIRONMENTS_STAY = "unused environments stay on the Git host; grant administration: write so that Eph can remove them"
ENVIRONMENT_DESCRIPTION = "Preview by Eph"


def deployments_denied(repository: str) -> str:
    return f"{repository}: no permission to write deployments; grant the token deployments: write"


def superseded(commit: str) -> str:
    return f"Superseded by {commit}."


NEWER_COMMIT = "a newer commit"


def environment_stays(environment: str, reason: Exception) -> str:
    return f"the environment {environment} stays on the Git host: {reason}"


def no_deployments(repository: str) -> str:
    return f"{repository}: this Git host has no deployments"


# --- Settings


def not_an_owner(value: str) -> str:
    return f"{value} is not an organisation or a user"


OWNER_EXAMPLE = "use only its name, such as acme"
NOT_A_URL = "this is not a URL"
API_URL_EXAMPLE = "use a value such as https://api.github.com"
WEBSITE_NOT_API = "this is GitHub's website, not its API"
MIRROR_EXAMPLE = "use a value such as https://mirror.example.com/{full_name}.git"
NOT_A_MIRROR = "this is not a URL that contains {full_name}"
APP_INCOMPLETE = "an App needs an ID and a private key"


def set_too(setting: str) -> str:
    return f"set {setting} too"


APP_AND_TOKEN = "both an App and a token are set"
KEEP_ONE = "keep one of the two"
NO_ACCESS = (
    "Eph has no access to GitHub: set EPH_FORGE__APP_ID and EPH_FORGE__PRIVATE_KEY_FILE for a GitHub "
    "App, or EPH_FORGE__TOKEN_FILE for a token (docs/how-to/github-app.md). To try Eph without GitHub, "
    "run `eph demo`."
)


# --- Webhooks

PING = "A ping that Eph sends to itself."
PING_RECEIVED = "ping from the Git host"
ACCESS_CHANGED = "Eph's access changed; reading everything"


def too_old(days: int) -> str:
    return f"ignored because it is {days} days old"


def pull_request(number: int, repository: int) -> str:
    return f"pull request #{number} of repository {repository}"


def webhooks_unreadable(error: Exception) -> str:
    return f"can't read the Git host's webhooks: {error}"
