"""Estimates what environments cost, once for each recipe. A broken or missing eph.yaml keeps the last estimate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from orchestrator.core.model.world import Recipe, RepositoryFacts
from orchestrator.runtime import wording
from orchestrator.runtime.costs.price_catalog import PriceCatalog
from programs.costs import CostEstimate
from programs.registry import Prices, Target
from stacks import names
from stacks.model import Key, StackRef

log = logging.getLogger("eph.costs")


class CostEstimator:
    def __init__(
        self, target: Callable[[str], Target], settings: Mapping[str, Mapping[str, str]], catalog: PriceCatalog
    ) -> None:
        self._target, self._settings, self._catalog = target, settings, catalog
        self._by_digest: dict[str, CostEstimate | None] = {}
        self._known: dict[Key, CostEstimate] = {}
        self._generation = catalog.generation

    def estimates(self, repositories: Iterable[RepositoryFacts], stacks: Iterable[StackRef]) -> dict[Key, CostEstimate]:
        """For everything that is requested or exists, as far as known."""
        if self._generation != self._catalog.generation:
            self._by_digest, self._generation = {}, self._catalog.generation
        wanted = set(filter(None, map(names.parse, stacks)))
        used = dict[str, CostEstimate | None]()
        for facts in repositories:
            for key, request in facts.requests.items():
                wanted.add(key)
                if isinstance(request.recipe, Recipe):
                    found = self._estimate(request.recipe)
                    used[request.recipe.digest] = found
                    self._remember(key, found)
        self._by_digest = used
        self._known = {key: estimate for key, estimate in self._known.items() if key in wanted}
        return dict(self._known)

    def _remember(self, key: Key, found: CostEstimate | None) -> None:
        if found is not None:
            self._known[key] = found
        else:
            self._known.pop(key, None)

    def _estimate(self, recipe: Recipe) -> CostEstimate | None:
        if recipe.digest not in self._by_digest:
            self._by_digest[recipe.digest] = self._compute(recipe)
        return self._by_digest[recipe.digest]

    def _compute(self, recipe: Recipe) -> CostEstimate | None:
        """A target that can't estimate it also can't build it, and says why then."""
        name = recipe.spec.target
        try:
            target = self._target(name)
            if not isinstance(target, Prices) or name not in self._settings:
                return None
            return target.prices(recipe.spec, self._settings[name], self._catalog.prices_of(name))
        except Exception as error:  # noqa: BLE001 - another distribution's code; an estimate must not stop the loop
            log.info("%s", wording.costs.no_estimate(recipe.spec.name, error))
            return None
