"""Hints for names in eph.yaml that are probably misspelled."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from orchestrator.config import wording
from programs.settings import InvalidValue


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """The known name that it resembles, or else another hint."""
    close = get_close_matches(name, list(known), n=1)
    return wording.consistency.did_you_mean(close[0]) if close else otherwise


def unknown_service(name: str, known: Iterable[str]) -> InvalidValue:
    """``known`` are the services of the file."""
    names = list(known)
    return InvalidValue(
        wording.consistency.unknown_service(name),
        hint(name, names, wording.consistency.the_services_are(", ".join(names))),
    )
