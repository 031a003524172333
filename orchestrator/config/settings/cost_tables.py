"""The tables ``[budgets]`` and ``[prices.TARGET]``: what environments may cost, and what the operator pays."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from orchestrator.core.costs.budgets import Budgets
from programs.settings import SettingsTable

Amount = Annotated[Decimal, Field(ge=0, le=10_000_000, max_digits=20)]
RepositoryPattern = Annotated[str, Field(min_length=1, max_length=200)]
PriceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
TargetPriceTable = dict[PriceName, Amount]


class BudgetsSettings(SettingsTable):
    """Budgets per calendar month, in US dollars. They warn, then queue new environments; nothing is destroyed."""

    month: Amount | None = Field(default=None, description="The budget of all repositories together. Unset: none.")
    warn_at: Decimal = Field(
        default=Decimal("0.8"), gt=0, le=1, description="The share of a budget at which people are warned."
    )
    repositories: dict[RepositoryPattern, Amount] = Field(
        default={},
        description="The budget of each repository that matches, as owner/name or owner/*. The first match counts.",
    )

    def to_policy(self) -> Budgets:
        return Budgets(self.month, self.repositories, self.warn_at)
