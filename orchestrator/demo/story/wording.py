"""What the stories print: each step, and what they saw when one failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Start and end


def summary(environments: int, label_to_url: float, update: float, leftovers: int) -> str:
    return (
        f"demo: {environments} environments, label to URL {label_to_url:.1f} s, "
        f"update {update:.1f} s, leftovers {leftovers}"
    )


# The story's steps


def server_did_not_start(tail: Iterable[str]) -> str:
    return "ephd didn't start:\n" + "\n".join(tail)


def labelling(preview: object, label: str) -> str:
    return f"{preview}: adding the label {label}"


def live(preview: object, seconds: float, event: str) -> str:
    return f"{preview}: live {seconds:.1f} s after {event}"


def listed_stacks(stacks: Iterable[str]) -> str:
    return f"`pulumi stack ls --all` lists {', '.join(stacks)}"


def pushing(preview: object, change: str) -> str:
    return f"{preview}: pushing {change}"


def push_live(preview: object, seconds: float) -> str:
    return f"{preview}: the push is live at the same URL after {seconds:.1f} s"


NO_ORPHANS = "`eph audit` accounts for everything that AWS lists"


def orphans_found(orphans: Iterable[str]) -> str:
    return "`eph audit` finds orphans of live environments:\n" + "\n".join(orphans)


def broken_build(preview: object) -> str:
    return f"{preview}: the broken build is reported, and the previous commit is still live"


def fixed(preview: object) -> str:
    return f"{preview}: the next push fixes it"


def destroyed(preview: object, event: str) -> str:
    return f"{preview}: destroyed after {event}"


LABEL_ADDED, LABEL_REMOVED = "its label was added", "its label was removed"
CLOSED, FIRST_PUSH, BRANCH_DELETED = "it was closed", "its first push", "its branch was deleted"
COLOUR_CHANGE, BROKEN_CHANGE, FIX = "a new colour", "a change that breaks the build", "a fix"

# Steps that exist only on emulate


def not_on_pulls(limitation: str) -> str:
    return f"Not played on a pull request: a push, a broken push and its fix. {limitation}."


def on_branch(branch: str) -> str:
    return f"They're played on the branch {branch} instead. Its commits get Eph's checks, but no comment."


def app_identity(bot: str) -> str:
    return f"Eph comments as the App {bot}"


def branch_updated(preview: object, seconds: float) -> str:
    return f"{preview}: the updated branch is live at the same URL after {seconds:.1f} s"


def broken_from_start(preview: object) -> str:
    return f"{preview}: a build that fails from the start is reported"


def webhooks_checked(preview: object) -> str:
    return f"{preview}: its signed webhook is accepted, and a forged one is rejected"


# Steps that failed


def timed_out(condition: str, seconds: float, last: str) -> str:
    return f"{condition}: not within {seconds:.0f} s. Last seen: {last}"


def too_many_comments(number: int, count: int) -> str:
    return f"#{number} has {count} comments from Eph; expected one"


def wrong_author(preview: object, authors: Iterable[str], bot: str) -> str:
    return f"{preview}: Eph's comment is by {', '.join(sorted(authors)) or 'no one'}; expected {bot}"


def wrong_webhook_status(status: int, expected: int) -> str:
    return f"A webhook with a wrong signature was answered with {status}; expected {expected}"


def stacks_missing(stacks: Iterable[str], missing: Iterable[str]) -> str:
    return f"`pulumi stack ls --all` lists {', '.join(stacks) or 'nothing'}; missing: {', '.join(missing)}"


def previous_page_lost(failed: str, running: str, problem: str) -> str:
    return f"The build of {failed[:7]} failed, and {running[:7]} is no longer live: {problem}"


def wrong_report(missing: Sequence[str], check: str, text: str) -> str:
    return f"missing from the report: {', '.join(missing) or 'nothing'}; check: {check or 'none'}; report: {text}"


# The target with Airflow

SHARED_TABLES_CHANGED = "an environment changed the shared tables"
ANOTHER_QUERY = "another query"
DAGS_HAVE_RUN = "Both environments have run the DAG orders; each has its own rows."
DAG_STARTED_BY_HAND = "`eph run` started the DAG orders; all its tasks succeeded."


def run_failed(output: str) -> str:
    return f"`eph run` failed:\n{output}"


def wrong_rows(found: object) -> str:
    return f"the rows of the push by schema: {found}, but one schema has it"


def answered_instead(status: int, host: str, text: str) -> str:
    return f"{status} from {host}: {text[:200]!r}"


def page_lacks(url: str, missing: object, text: str) -> str:
    return f"{url} lacks {missing}: {text[:200]!r}"


NO_URL = "no URL in the report"


def still_there(status: int, stacks: object) -> str:
    return f"{status} from its URL, stacks {stacks}"


def webhooks_received(lines: object) -> str:
    return f"received: {lines}"


# Conditions that steps wait for


def is_live(preview: object) -> str:
    return f"{preview} is live"


def has_url(preview: object) -> str:
    return f"{preview} has a URL"


PUSH_IS_LIVE = "the push is live at the same URL"
FIXED_PAGE_IS_LIVE = "the fixed page is live"
FIXED_DAGS_ARE_LIVE = "the fixed DAGs are live"


def updated_branch_is_live(preview: object) -> str:
    return f"the updated branch of {preview} is live"


def is_destroyed(preview: object) -> str:
    return f"{preview} is destroyed"


def is_reported(preview: object) -> str:
    return f"{preview} reports it"


def webhook_is_received(preview: object) -> str:
    return f"the webhook of {preview} is received"


# What the samples and Eph itself print, by which steps recognize it

BUILD_ERROR = "price list can't be built"
EMPTY_PAGE_ERROR = "the content is empty"


def import_error(module: str) -> str:
    return f"{module}, line 1: ModuleNotFoundError"


def webhook_mention(preview: object) -> str:
    return f"pull request {preview} of"


# Messages of the commits that are pushed

GREEN = "Green, on second thoughts"
ORANGE = "Orange"
NEWS = "News"
NO_PRICES = "Who needs prices?"
PRICES_BACK = "Prices are back"
ANOTHER_PAGE = "Another page"
NO_PAGE = "Who needs a page?"
PAGE_BACK = "The page is back"
ANOTHER_TOTAL = "Totals of Christmas Eve"
