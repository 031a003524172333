"""``eph audit``, ``sweep`` and ``approve``: looking after the service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import environment_names, output
from orchestrator.cli.commands.environment_actions import confirm
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas import AuditResponse

app = typer.Typer()

ORPHANS, UNREAD = 1, 2


@app.command()
def audit(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Compares what there really is with stacks and pull requests.

    Ends with 0 when all is accounted for, 1 with orphans, 2 when something could not be looked at.
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas import AuditResponse

    with connect(timeout=300.0) as client:
        found = AuditResponse.model_validate(client.get("audit"))
    if form is OutputFormat.TABLE:
        _print_audit(found)
    else:
        output.print_data(found.model_dump(mode="json"), form)
    if found.orphans or found.unread:
        raise typer.Exit(ORPHANS if found.orphans else UNREAD)


def _print_audit(found: AuditResponse) -> None:
    for orphan in found.orphans:
        output.print_line(f"{orphan.where}: {orphan.kind} {orphan.name}")
        output.print_prose(f"whose: {orphan.whose or 'unknown'}")
        output.print_prose(f"why: {orphan.why}")
        output.print_line(f"  remove: {orphan.command}")
    for sentence in found.unread:
        output.print_note(f"not looked at: {sentence}")
    looked = ", ".join(f"{number} {place}" for place, number in found.looked.items())
    what = f"{len(found.orphans)} orphans" if len(found.orphans) != 1 else "1 orphan"
    output.print_line(f"{what}; looked at {looked or 'nothing'}")
    if swept := sum(orphan.swept for orphan in found.orphans):
        output.print_note(f"`eph sweep` removes {swept} of them")


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Removes leftovers now.

    Stacks of pull requests that are closed, and what no stack accounts for: all that an audit names as ours.
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas import Sweep

    with connect(timeout=300.0) as client:
        found = Sweep.model_validate(client.post("sweep", dry_run=dry_run))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    for sentence in found.found:
        output.print_line(sentence)
    if not found.found:
        output.print_line("nothing is left over")
    elif dry_run:
        output.print_note("nothing was removed; leave --dry-run out to do it")


@app.command()
def approve(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A plan's digest, as `eph list` shows it; or a fork's pull request, as owner/repo#42."
        ),
    ],
    commit: Annotated[str, typer.Option("--commit", help="The commit that you looked at, all forty digits.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Lets a held plan, or a fork's commit, go on.

    That very plan or commit and no other. A push to the fork needs a new approval.
    """
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        if re.fullmatch(r"[0-9a-f]{6,64}", what):
            found = client.post(f"plans/{path_segment(what)}/approve")
            message = found["message"]
        else:
            found = _approve_commit(client, what, commit, yes)
            message = f"commit {found['wanted_commit']} may run; a push needs a new approval"
    if form is not OutputFormat.TABLE:
        output.print_data(found, form)
    else:
        output.print_line(message)


def _approve_commit(client: ApiClient, name: str, commit: str, yes: bool) -> dict[str, Any]:
    """Bound to the commit that was shown, or that the person named: whatever is pushed meanwhile is not approved."""
    from orchestrator.cli.api_client import path_segment

    item = environment_names.find(client, name)
    if not commit:
        confirm(f"Run commit {item.wanted_commit} of {item.author} ({item.title})?", yes)
    body = {"commit": commit or item.wanted_commit}
    approved: dict[str, Any] = client.post(f"environments/{path_segment(item.ref)}/approve", body)
    return approved
