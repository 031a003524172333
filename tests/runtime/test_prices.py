"""The prices of each target: shipped, downloaded and set by the operator. P10."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.runtime.costs.price_catalog import CONFIGURED, PriceCatalog, PricesNotDownloaded
from orchestrator.service.reports.cost_reporter import download_lines
from programs import registry
from programs.costs import PriceItem
from tests.targets.aws.test_costs import FILES, paths, price_server

SETTINGS: dict[str, Mapping[str, str]] = {"local": {}}


def aws(endpoint: str = "http://127.0.0.1:1") -> dict[str, Mapping[str, str]]:
    settings = {"region": "eu-central-1", "server": "eph-1", "zone": "Z1", "endpoint": endpoint}
    return {**SETTINGS, "aws": settings}


def item(catalog: PriceCatalog, target: str, name: str) -> PriceItem:
    found = catalog.prices_of(target).get(name)
    assert found is not None
    return found


def test_operators_price_replaces_the_public_one() -> None:
    catalog = PriceCatalog(registry.get, aws(), {"aws": {"secret": Decimal("0.1")}, "local": {"cpu": Decimal(2)}})
    assert (item(catalog, "aws", "secret").amount, item(catalog, "aws", "secret").source) == (
        Decimal("0.1"),
        CONFIGURED,
    )
    assert item(catalog, "aws", "public_ipv4").source.startswith("https://aws.amazon.com/")
    assert item(catalog, "local", "cpu").amount == 2
    assert item(catalog, "local", "memory").amount is None
    assert catalog.targets() == ["aws", "local"]


def test_downloaded_prices_replace_shipped_ones_survive_a_restart_and_yield_to_the_operators(tmp_path: Path) -> None:
    amounts = {"aws": {"secret": Decimal("0.1")}}
    with price_server(paths(FILES)) as url:
        catalog = PriceCatalog(registry.get, aws(url), amounts, tmp_path)
        before = catalog.generation
        assert item(catalog, "aws", "rds_db_t4g_micro").amount is None, "not shipped for this region"
        assert catalog.refresh(download_lines) == ["aws"]
        assert catalog.generation > before
    for each in (catalog, PriceCatalog(registry.get, aws(url), amounts, tmp_path)):
        found = item(each, "aws", "rds_db_t4g_micro")
        assert (found.amount, found.dated) == (Decimal("0.019"), "2026-09-30")
        assert found.source.startswith(url)
        assert item(each, "aws", "secret").source == CONFIGURED


def test_failed_download_says_why_and_keeps_the_known_prices(tmp_path: Path) -> None:
    with price_server({}) as url:
        catalog = PriceCatalog(registry.get, aws(url), {}, tmp_path)
        with pytest.raises(PricesNotDownloaded, match="404"):
            catalog.refresh(download_lines)
    with pytest.raises(PricesNotDownloaded, match="aws"):
        PriceCatalog(registry.get, aws(), {}, tmp_path).refresh(download_lines)
    assert item(catalog, "aws", "public_ipv4").amount == Decimal("0.005")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"amounts": {"secret": "a lot"}, "source": "", "dated": ""}', "[]"])
def test_unreadable_file_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "aws-eu-central-1.json").write_text(text)
    assert item(PriceCatalog(registry.get, aws(), {}, tmp_path), "aws", "secret").amount == Decimal("0.40")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[prices.local]\ncpus = 1\n", "prices.local.cpus"),
        ("[prices.moon]\ncpu = 1\n", "prices.moon"),
        ("[prices.local]\ncpu = -1\n", "prices.local.cpu"),
        ("[budgets]\nwarn_at = 2\n", "budgets.warn_at"),
        ("[budgets.repositories]\n'acme/*' = 'much'\n", "budgets.repositories"),
    ],
)
def test_mistake_in_the_settings_names_its_line(tmp_path: Path, text: str, named: str) -> None:
    config = tmp_path / "eph.toml"
    config.write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        load(config, home=tmp_path)
    assert named in str(refused.value)
    assert "eph.toml:" in str(refused.value)
