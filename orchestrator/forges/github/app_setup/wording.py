"""``eph setup github``, with its two pages."""

from __future__ import annotations

from pathlib import Path

PAGE_TITLE = "Eph: create a GitHub App"
START_TEXT = "GitHub shows the App's name and permissions, and creates it when you confirm."
CREATE_BUTTON = "Continue on GitHub"
APP_CREATED = "The App exists. Return to the terminal; you can close this page."
WRONG_HOST = "Open this page under the address that the terminal shows."
NO_SUCH_PAGE = "There is no such page."
FOREIGN_ANSWER = "This answer doesn't belong to this setup. Start again from the address that the terminal shows."
NO_CODE = "GitHub's answer contains no code. Start again from the address that the terminal shows."

MOVE_IT = "Move it away, or choose another folder with --folder."
REMOVE_FORGE = "Remove the table [forge], or choose another folder with --folder."
CHOOSE_FOLDER = "Choose another folder with --folder."
FIX_SETTINGS = "Correct the file first."
START_AGAIN = "Delete the App on GitHub if it exists, then run `eph setup github` again."
UNREADABLE_APP = "GitHub's description of the App couldn't be read"
USE_HTTP_URL = "Use for example https://eph.example.com."
FREE_PORT = "Choose another one with --port, or omit it."
OPEN_AGAIN = "Run `eph setup github` again."


def exists(path: Path) -> str:
    return f"{path} exists already"


def has_forge(path: Path) -> str:
    return f"{path} already configures a Git host"


def not_writable(folder: Path) -> str:
    return f"{folder} can't be written to"


def not_a_url(value: str) -> str:
    return f"{value[:80]!r} isn't an HTTP URL"


def not_an_organisation(name: str) -> str:
    return f"{name[:60]!r} can't be the name of an organisation"


def port_taken(port: int, error: str) -> str:
    return f"port {port} can't be used: {error}"


def unreachable(url: str, error: Exception) -> str:
    return f"{url} didn't respond: {error}"


def not_converted(status: int) -> str:
    return f"GitHub didn't hand over the App (HTTP {status})"


def not_created(seconds: float) -> str:
    return f"no App was created within {seconds / 60:.0f} minutes"


def created(slug: str) -> str:
    return f"The App {slug} was created."


def install(url: str) -> str:
    return f"Install it: {url}"


def serves(owner: str) -> str:
    return f"Eph serves all repositories of {owner} in which the App is installed. Then start ephd."


def serves_repositories(names: str) -> str:
    return f"Eph serves {names}, once the App is installed there. Then start ephd."
