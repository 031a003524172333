"""``eph cost`` and ``eph prices``: what environments cost."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.cost_schemas import CostDetails, CostReportResponse, PriceLists

app = typer.Typer()
prices_app = typer.Typer(help="List the prices that estimates use.", invoke_without_command=True)

GROUP_HEADINGS = ("ENVIRONMENTS", "PER HOUR", "THIS MONTH", "SAVED")
LINE_HEADINGS = ("PART", "AMOUNT", "PER HOUR", "ASLEEP")
STRATEGY_HEADINGS = ("STRATEGY", "BEFORE", "AFTER", "SAVED", "USED", "")
PRICE_HEADINGS = ("TARGET", "ITEM", "PRICE", "UNIT", "DATE", "SOURCE")


class Grouping(StrEnum):
    REPOSITORY = "repository"
    OWNER = "owner"
    ENVIRONMENT = "environment"
    TARGET = "target"


@app.command()
def cost(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Only this environment: its name or a unique prefix, owner/repo#42, 42, or its URL.",
            autocompletion=environment_names.complete,
        ),
    ] = "",
    by: Annotated[Grouping | None, typer.Option("--by", help="What to sum up. Default: repository.")] = None,
    strategies: Annotated[
        bool, typer.Option("--strategies", help="Compare a month without and with each way to save, for NAME.")
    ] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what environments cost.

    Amounts are estimates from list prices, in US dollars. `eph prices` lists the prices.

    Examples:
        eph cost
        eph cost --by owner
        eph cost 42 --strategies
    """
    if name and by is not None:
        raise CliError(wording.costs.EXCLUSIVE, wording.costs.USE_ONE, ExitCode.USAGE)
    if strategies and not name:
        raise CliError(wording.costs.NAME_NEEDED, wording.costs.NAME_IT, ExitCode.USAGE)
    if name:
        _show_one(name, strategies, form)
    else:
        _show_all(by or Grouping.REPOSITORY, form)


def _show_one(name: str, strategies: bool, form: OutputFormat) -> None:
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.cost_schemas import CostDetails

    with connect() as client:
        item = environment_names.find(client, name)
        found = CostDetails.model_validate(client.get(f"environments/{path_segment(item.ref)}/cost"))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    elif found.cost is None:
        output.print_line(wording.costs.NO_PRICE)
        output.print_note(wording.costs.SET_PRICES)
    elif strategies:
        _print_strategies(found)
    else:
        _print_lines(found)


def _print_lines(found: CostDetails) -> None:
    money = wording.costs.money
    rows = [
        (line.what, f"{float(line.quantity):g} {line.unit}", money(line.awake_hourly), money(line.asleep_hourly))
        for line in found.lines
    ]
    output.print_table(LINE_HEADINGS, rows)
    if found.cost is not None:
        cost = found.cost
        output.print_line(wording.costs.estimate(cost.awake_hourly, cost.asleep_hourly, cost.awake_daily))
        parts = [wording.costs.saved_by(strategy, amount) for strategy, amount in sorted(cost.saved.items())]
        output.print_line(wording.costs.spent(cost.spent, parts))
        if cost.unpriced:
            output.print_note(wording.costs.unpriced(cost.unpriced))
    if found.excluded:
        output.print_note(wording.costs.excluded(found.excluded))


def _print_strategies(found: CostDetails) -> None:
    money = wording.costs.money
    rows = [
        (
            item.name,
            money(item.before),
            money(item.after),
            f"{1 - float(item.after) / float(item.before):.0%}" if float(item.before) else "",
            "yes" if item.used else "no",
            item.note,
        )
        for item in found.strategies
    ]
    output.print_table(STRATEGY_HEADINGS, rows)


def _show_all(by: Grouping, form: OutputFormat) -> None:
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.cost_schemas import CostReportResponse

    with connect() as client:
        found = CostReportResponse.model_validate(client.get("costs", by=by.value))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    money = wording.costs.money
    if found.groups:
        rows = [
            (
                group.name or "-",
                str(group.environments),
                money(group.hourly),
                money(group.spent),
                money(group.total_saved),
            )
            for group in found.groups
        ]
        output.print_table((by.value.upper(), *GROUP_HEADINGS), rows)
    _print_totals(found)


def _print_totals(found: CostReportResponse) -> None:
    output.print_line(wording.costs.totals(found.total.hourly, found.total.spent, found.forecast))
    if found.total.saved:
        parts = [wording.costs.saved_by(strategy, amount) for strategy, amount in sorted(found.total.saved.items())]
        output.print_line(wording.costs.saved(parts))
    for each in found.budgets:
        output.print_line(wording.costs.budget(each.repository, each.amount, each.spent, each.level))
    if found.unpriced:
        output.print_note(wording.costs.without_price(found.unpriced))
        output.print_note(wording.costs.SET_PRICES)


@prices_app.callback()
def prices(ctx: typer.Context, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """List the prices that estimates use, with their date and source.

    Amounts are in US dollars. Those of [prices] in eph.toml replace public ones.

    Examples:
        eph prices
        eph prices --output json
    """
    if ctx.invoked_subcommand is not None:
        return
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.cost_schemas import PriceLists

    with connect() as client:
        found = PriceLists.model_validate(client.get("prices"))
    _print_prices(found, form)


@prices_app.command()
def refresh(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Download public prices, for targets that publish them.

    The server downloads them. If it can't, the prices that were known before still apply.

    Examples:
        eph prices refresh
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.cost_schemas import PriceRefresh

    with connect(timeout=900.0) as client:
        found = PriceRefresh.model_validate(client.post("prices/refresh"))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    elif found.refreshed:
        output.print_line(wording.costs.refreshed(found.refreshed))
    else:
        output.print_line(wording.costs.NOTHING_TO_REFRESH)


def _print_prices(found: PriceLists, form: OutputFormat) -> None:
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    rows = [
        (
            f"{each.target} {each.place}".strip(),
            item.name,
            item.amount if item.amount is not None else wording.costs.NOT_YET,
            item.unit,
            item.dated,
            item.source,
        )
        for each in found.targets
        for item in each.items
    ]
    output.print_table(PRICE_HEADINGS, rows)
