"""``eph deploy``: an environment under a label, without a pull request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output, polling
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas import DeployItem

app = typer.Typer()

POLL_INTERVAL = 0.5


@app.command()
def deploy(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="The first part of its host name: feat-x.")],
    ref: Annotated[str, typer.Option("--ref", help="The branch or tag to deploy.")] = "",
    version: Annotated[str, typer.Option("--version", help="The commit of a version that was built.")] = "",
    repository: Annotated[str, typer.Option("--repository", help="owner/name, if the server has several.")] = "",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it lives: 2h, 3d. Default: the server's.")] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until its URL responds.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Deploy a branch, a tag or a built version under a label.

    It gets its own URL and is destroyed when its TTL ends. The same label replaces the previous deploy. The app's
    active version isn't touched.
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas import DeployItem

    if bool(ref) == bool(version):
        raise CliError("say what to deploy", "Use either --ref or --version.", ExitCode.USAGE)
    body: dict[str, str | int] = {"label": label, "repository": repository, "ref": ref, "version": version}
    if ttl:
        body |= {"ttl_seconds": parse_seconds(ttl)}
    longest = parse_seconds(timeout)
    with connect() as client:
        item = DeployItem.model_validate(client.post("deploys", body))
        output.print_note(f"Deploying commit {item.commit[:7]} as {item.label}.")
        item = _until_deployed(client, item, longest)
        if wait:
            _until_ready(client, item, longest)
    if form is OutputFormat.TABLE:
        output.print_line(item.url)
        output.print_note(f"Expires {output.relative_time(item.expires_at)}.")
    else:
        output.print_data(item.model_dump(mode="json"), form)


def _until_deployed(client: ApiClient, item: DeployItem, timeout: float) -> DeployItem:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas import DeployItem

    end, shown = time.monotonic() + timeout, ""
    while True:
        item = DeployItem.model_validate(client.get(f"deploys/{path_segment(item.id)}"))
        if item.state == "deployed":
            return item
        if item.state != "pending":
            live = f"Commit {item.replaces[:7]} is still live." if item.replaces else "Nothing of it is left."
            raise CliError(f"the deploy {item.label} failed: {item.error}", live)
        if item.progress != shown:
            shown = item.progress
            output.print_note(f"{item.label}: {shown}")
        if time.monotonic() >= end:
            raise CliError(
                f"{item.label} is not deployed after {output.format_span(timeout)}",
                f"Eph continues in the background. Check with `eph get {item.ref}`.",
            )
        time.sleep(POLL_INTERVAL)


def _until_ready(client: ApiClient, item: DeployItem, timeout: float) -> None:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas import EnvironmentItem

    environment = EnvironmentItem.model_validate(client.get(f"environments/{path_segment(item.ref)}"))
    polling.until_ready(client, environment, timeout)
