"""``eph audit``, ``sweep`` and ``approve``: maintain the service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.commands.environment_actions import confirm
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import AuditResponse, OrphanItem

app = typer.Typer()

ORPHANS, UNREAD = 1, 2


@app.command()
def audit(
    delete: Annotated[bool, typer.Option("--delete", help="Remove the orphans that are safe to remove.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --delete, don't ask for confirmation.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Find orphaned resources and what they cost.

    Exit status: 0 no orphans, 1 orphans found, 2 something couldn't be checked. With --delete, only orphans that
    remain count.

    Examples:
        eph audit
        eph audit --delete
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.environment_schemas import AuditResponse

    with connect(timeout=300.0) as client:
        found = AuditResponse.model_validate(client.get("audit"))
        show = print_audit if form is OutputFormat.TABLE else lambda _: None
        show(found)
        if delete and any(orphan.swept for orphan in found.orphans):
            found = _delete_orphans(client, found, yes)
            show(found)
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    if found.orphans or found.unread:
        raise typer.Exit(ORPHANS if found.orphans else UNREAD)


def _delete_orphans(client: ApiClient, found: AuditResponse, yes: bool) -> AuditResponse:
    """Returns what a second audit finds. Whole environments are left to the server's next cycle and its guard against
    large deletions."""
    from orchestrator.surfaces.api.schemas.environment_schemas import AuditResponse, Sweep

    wanted = [orphan for orphan in found.orphans if orphan.swept]
    confirm(wording.operator.confirm_deletion(len(wanted), _cost(wanted)), yes)
    for sentence in Sweep.model_validate(client.post("sweep", dry_run=False)).found:
        output.print_note(sentence)
    return AuditResponse.model_validate(client.get("audit"))


def _cost(orphans: Sequence[OrphanItem]) -> str:
    """Of those with a price, a day; empty if there are none."""
    known = [orphan.daily_cost for orphan in orphans if orphan.daily_cost is not None]
    return wording.costs.money(str(sum(known))) if known else ""


def print_audit(found: AuditResponse) -> None:
    for orphan in found.orphans:
        output.print_line(f"{orphan.where}: {orphan.kind} {orphan.name}")
        output.print_prose(f"owner: {orphan.whose or 'unknown'}")
        output.print_prose(f"why: {orphan.why}")
        if orphan.priced:
            output.print_prose(f"cost: {wording.operator.daily_cost(orphan.daily_cost)}")
        output.print_line(f"  remove: {orphan.command}")
    for sentence in found.unread:
        output.print_note(wording.operator.not_checked(sentence))
    looked = ", ".join(f"{number} {place}" for place, number in found.looked.items())
    what = f"{len(found.orphans)} orphans" if len(found.orphans) != 1 else "1 orphan"
    output.print_line(wording.operator.and_checked(what, looked or "nothing"))
    if costs := _cost(found.orphans):
        unknown = sum(orphan.priced and orphan.daily_cost is None for orphan in found.orphans)
        output.print_line(wording.operator.orphans_cost(costs, unknown))
    if swept := sum(orphan.swept for orphan in found.orphans):
        output.print_note(wording.operator.sweep_removes(swept))


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed without removing it.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Remove orphaned resources now.

    Removes stacks of closed pull requests and resources without a stack, as `eph audit` lists them.

    Examples:
        eph sweep --dry-run
        eph sweep
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.environment_schemas import Sweep

    with connect(timeout=300.0) as client:
        found = Sweep.model_validate(client.post("sweep", dry_run=dry_run))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    for sentence in found.found:
        output.print_line(sentence)
    if not found.found:
        output.print_line(wording.operator.NO_ORPHANS)
    elif dry_run:
        output.print_note(wording.operator.NOTHING_REMOVED)


@app.command()
def approve(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A plan's digest from `eph list`, or a fork's pull request as owner/repo#42."
        ),
    ],
    commit: Annotated[str, typer.Option("--commit", help="The full SHA of the commit that you reviewed.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Approve a plan on hold or a fork's commit.

    The approval is valid only for that plan or commit. Each push to the fork needs a new approval.

    Examples:
        eph approve 4f2a91c0
        eph approve acme/shop#42
    """
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        if re.fullmatch(r"[0-9a-f]{6,64}", what):
            found = client.post(f"plans/{path_segment(what)}/approve")
            message = found["message"]
        else:
            found = _approve_commit(client, what, commit, yes)
            message = wording.operator.commit_approved(found["wanted_commit"])
    if form is not OutputFormat.TABLE:
        output.print_data(found, form)
    else:
        output.print_line(message)


def _approve_commit(client: ApiClient, name: str, commit: str, yes: bool) -> dict[str, Any]:
    """Applies to the commit that was shown or that the person named: later pushes aren't approved."""
    from orchestrator.cli.api_client import path_segment

    item = environment_names.find(client, name)
    if not commit:
        confirm(wording.operator.approve_question(item.wanted_commit, item.author, item.title), yes)
    body = {"commit": commit or item.wanted_commit}
    approved: dict[str, Any] = client.post(f"environments/{path_segment(item.ref)}/approve", body)
    return approved
