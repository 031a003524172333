"""Prices and estimates."""

from __future__ import annotations

from pathlib import Path


def not_downloaded(target: str, problem: object) -> str:
    return (
        f"Prices of the target {target} can't be downloaded: {problem}. The prices that were known before still apply."
    )


def unreadable_prices(path: Path, problem: object) -> str:
    return f"{path} isn't a file of prices ({problem}); it is ignored. Run `eph prices refresh` to replace it."


def no_estimate(name: str, problem: object) -> str:
    return f"the cost of {name} can't be estimated: {problem}"
