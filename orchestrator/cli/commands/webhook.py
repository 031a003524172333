"""``eph webhook test``: checks whether webhooks arrive, and lists the Git host's latest deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.environment_schemas import WebhookTest

app = typer.Typer(help="Check webhooks from the Git host.", no_args_is_help=True)


@app.callback()
def webhook() -> None:
    """Check webhooks from the Git host."""


@app.command("test")
def send_test(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Send a signed ping to the server's public address and show the result.

    The address is forge.webhook_url, or else the server's own. Also lists the latest deliveries from the Git
    host, if Eph can read them. Changes nothing. Exit status: 1 if the ping didn't arrive.

    Examples:
        eph webhook test
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.environment_schemas import StatusResponse, WebhookTest

    with connect(timeout=60.0) as client:
        forge = StatusResponse.model_validate(client.get("status")).forge
        found = WebhookTest.model_validate(client.post(f"webhooks/{forge}/test"))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    else:
        _print_result(found)
    if not found.arrived:
        raise typer.Exit(1)


def _print_result(found: WebhookTest) -> None:
    answer = wording.server.webhook_result(found.status, found.milliseconds) if found.status else "no response"
    output.print_line(f"{found.url}: {answer}")
    output.print_line(found.message)
    for url in found.hook_urls:
        output.print_line(wording.server.webhook_url(url))
    for line in found.deliveries:
        output.print_line(f"  {line}")
    if found.note:
        output.print_note(found.note)
