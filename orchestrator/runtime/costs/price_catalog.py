"""The prices of each target: public ones that Eph ships, newer ones that were downloaded, and the operator's.

Downloaded prices are kept in files, one for each target and place, which all replicas share.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orchestrator.runtime import wording
from programs.costs import PriceList, PublishedPrices
from programs.kit import files
from programs.registry import Download, DownloadsPrices, Prices, Target

log = logging.getLogger("eph.costs")

CONFIGURED = "eph.toml"
"""The source of an operator's price."""


class PricesNotDownloaded(Exception):
    """A message for people: which target's prices, and why."""


class PriceCatalog:
    """``settings`` by target, as its methods receive them. ``amounts``: the operator's, by target and item. ``folder``:
    where downloaded prices are kept; None keeps none."""

    def __init__(
        self,
        target: Callable[[str], Target],
        settings: Mapping[str, Mapping[str, str]],
        amounts: Mapping[str, Mapping[str, Decimal]],
        folder: Path | None = None,
    ) -> None:
        self._target, self._settings, self._amounts, self._folder = target, settings, amounts, folder
        self.generation = 0
        """Increases when prices may have changed."""
        self._cached: dict[str, PriceList] = {}

    def start_term(self) -> None:
        """Another replica may have downloaded prices since."""
        self._cached = {}
        self.generation += 1

    def targets(self) -> list[str]:
        """Those that have prices."""
        return [name for name in sorted(self._settings) if isinstance(self._target(name), Prices)]

    def prices_of(self, name: str) -> PriceList:
        if name not in self._cached:
            self._cached[name] = self._combine(name)
        return self._cached[name]

    def _combine(self, name: str) -> PriceList:
        target = self._target(name)
        if not isinstance(target, Prices):
            return PriceList()
        listed = target.price_list(self._settings[name])
        downloaded = self._read(name, listed.place)
        if downloaded is not None:
            listed = listed.override(downloaded.amounts, downloaded.source, downloaded.dated)
        return listed.override(self._amounts.get(name, {}), CONFIGURED)

    def refresh(self, download: Download) -> list[str]:
        """Blocking. Returns the targets whose prices were downloaded. Raises PricesNotDownloaded."""
        found = []
        for name in self.targets():
            target = self._target(name)
            if isinstance(target, DownloadsPrices) and isinstance(target, Prices):
                place = target.price_list(self._settings[name]).place
                try:
                    published = target.download_prices(self._settings[name], download)
                except Exception as error:
                    raise PricesNotDownloaded(wording.costs.not_downloaded(name, error)) from error
                self._write(name, place, published)
                found.append(name)
        self.start_term()
        return found

    def _write(self, name: str, place: str, published: PublishedPrices) -> None:
        if self._folder is None:
            return
        amounts = {item: str(amount) for item, amount in published.amounts.items()}
        document = {"source": published.source, "dated": published.dated, "amounts": amounts}
        files.write(files.make_folder(self._folder) / _file_name(name, place), json.dumps(document, indent=2))

    def _read(self, name: str, place: str) -> PublishedPrices | None:
        path = self._folder / _file_name(name, place) if self._folder else None
        if path is None or not path.exists():
            return None
        try:
            document = json.loads(path.read_text())
            amounts = {item: Decimal(amount) for item, amount in document["amounts"].items()}
            return PublishedPrices(amounts, document["source"], document["dated"])
        except (OSError, ValueError, TypeError, AttributeError, LookupError, InvalidOperation) as error:
            log.warning("%s", wording.costs.unreadable_prices(path, error))
            return None


def _file_name(name: str, place: str) -> str:
    safe = "".join(character for character in place if character.isalnum() or character == "-")
    return f"{name}-{safe or 'any'}.json"
