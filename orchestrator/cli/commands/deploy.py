"""``eph deploy``: an environment under a label, without a pull request. ``eph versions``: what is deployed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import data_output, output, polling, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.cli.api_client import ApiClient
    from orchestrator.cli.working_copy import PackOptions
    from orchestrator.surfaces.api.schemas.deploy_schemas import DeployItem, VersionItem

app = typer.Typer()

POLL_INTERVAL = 0.5
VERSION_HEADINGS = ("VERSION", "LABEL", "COMMIT", "BUILT", "TTL LEFT", "BY", "PHASE", "URL", "REPOSITORY")
VERSION_PRIORITY = ("VERSION", "LABEL", "COMMIT", "TTL LEFT", "BY", "BUILT", "PHASE")


@app.command()
def deploy(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="The first part of its host name: feat-x.")],
    ref: Annotated[str, typer.Option("--ref", help="The branch or tag to deploy.")] = "",
    version: Annotated[
        str, typer.Option("--version", help="The commit of a version that was built, running or replaced.")
    ] = "",
    env: Annotated[
        list[str] | None, typer.Option("--env", help="Set a variable for this deploy: NAME=VALUE. Repeatable.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", help="Run this image: NAME=REPOSITORY:TAG or NAME=REPOSITORY@DIGEST. Repeatable."),
    ] = None,
    disable: Annotated[
        list[str] | None, typer.Option("--disable", help="Turn off this service for this deploy. Repeatable.")
    ] = None,
    size: Annotated[str, typer.Option("--size", help="The size in eph.yaml to deploy.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Upload files even if they look like secrets.")] = False,
    repository: Annotated[str, typer.Option("--repository", help="owner/name, if the server has several.")] = "",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it lives: 2h, 3d. Default: the server's.")] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until its URL responds.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Deploy the working copy, a branch or a version under a label.

    Without --ref and --version, uploads the files of the clone in the current folder, uncommitted ones included, except
    those that .gitignore or .ephignore excludes.

    A deploy gets its own URL and is destroyed when its TTL ends. The same label replaces the previous deploy. The app's
    active version isn't touched.

    Examples:
        eph deploy feat-x --wait
        eph deploy feat-x --ref my-branch --ttl 3d
        eph deploy feat-x --ref main --disable mailer --size small
        eph deploy feat-x --env DEBUG=1 --image web=registry.example.com/shop/web:pr-7
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.cli.recipe_overrides import RecipeOverrides, parse_pairs
    from orchestrator.cli.working_copy import PackOptions
    from orchestrator.surfaces.api.schemas.deploy_schemas import DeployItem

    if ref and version:
        raise CliError(wording.deploys.REF_AND_VERSION, wording.deploys.ONLY_ONE, ExitCode.USAGE)
    overrides = RecipeOverrides(
        parse_pairs(env or [], "--env"), parse_pairs(image or [], "--image"), tuple(disable or ()), size
    )
    if overrides and version:
        raise CliError(wording.deploys.NO_FILES, wording.deploys.WITHOUT_VERSION, ExitCode.USAGE)
    body: dict[str, str | int] = {"label": label, "repository": repository, "ref": ref, "version": version}
    if ttl:
        body |= {"ttl_seconds": parse_seconds(ttl)}
    longest = parse_seconds(timeout)
    with connect() as client:
        if overrides or not (ref or version):
            body |= _upload(client, repository, PackOptions(force, ref, overrides)) | {"ref": ""}
        item = DeployItem.model_validate(client.post("deploys", body))
        output.print_note(wording.environments.deploying(item.commit[:7], item.label))
        item = _until_deployed(client, item, longest)
        if wait:
            _until_ready(client, item, longest)
    if form is OutputFormat.TABLE:
        output.print_line(item.url)
        output.print_note(f"Expires {output.relative_time(item.expires_at)}.")
    else:
        output.print_data(item.model_dump(mode="json"), form)


@app.command()
def versions(
    repository: Annotated[
        str, typer.Option("--repository", "-r", help="Show only the app of this repository, as owner/repo.")
    ] = "",
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Show only label deploys.")] = False,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """List the versions of an app.

    Shows the active version, those deployed under a label, and the ones that they replaced.

    Examples:
        eph versions
        eph versions --repository acme/shop --ephemeral
        eph versions --json label,commit,url
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.deploy_schemas import VersionItem, VersionList

    chosen = data_output.requested(form, fields, jq)

    with connect() as client:
        found = VersionList.model_validate(client.get("versions", repository=repository, ephemeral=ephemeral)).items
    if chosen:
        chosen.print([item.model_dump(mode="json") for item in found], lambda: VersionItem.model_fields)
        return
    if found:
        output.print_table(VERSION_HEADINGS, [_version_row(item) for item in found], VERSION_PRIORITY)
    else:
        output.print_note(wording.environments.NO_VERSIONS)


def _upload(client: ApiClient, repository: str, options: PackOptions) -> dict[str, str]:
    """The upload and its repository: the one of the clone's remote, if none is given."""
    from orchestrator.cli import working_copy
    from orchestrator.surfaces.api.schemas.deploy_schemas import UploadItem

    name = repository or working_copy.repository_name(Path())
    with working_copy.packed(Path(), options) as bundle:
        size = output.format_size(bundle.size)
        what = options.ref or wording.deploys.WORKING_COPY
        output.print_note(wording.deploys.uploading(what, size, bundle.changed))
        uploaded = UploadItem.model_validate(client.upload("deploys/uploads", bundle.path, repository=name))
    return {"upload": uploaded.commit, "repository": uploaded.repository}


def _version_row(item: VersionItem) -> list[str | Text]:
    return [
        item.kind,
        item.label or item.app,
        item.commit[:7],
        output.relative_time(item.built_at),
        output.relative_time(item.expires_at).removeprefix("in "),
        item.by,
        output.styled_phase(item.phase) if item.phase else "",
        item.url,
        item.repository,
    ]


def _until_deployed(client: ApiClient, item: DeployItem, timeout: float) -> DeployItem:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.deploy_schemas import DeployItem

    end, shown = time.monotonic() + timeout, ""
    while True:
        item = DeployItem.model_validate(client.get(f"deploys/{path_segment(item.id)}"))
        if item.state == "deployed":
            return item
        if item.state != "pending":
            for line in item.output:
                output.print_note(line)
            raise CliError(wording.environments.deploy_failed(item.label, item.error), _what_is_left(item))
        if item.progress != shown:
            shown = item.progress
            output.print_note(f"{item.label}: {shown}")
        if time.monotonic() >= end:
            raise CliError(
                wording.environments.not_deployed(item.label, output.format_span(timeout)),
                wording.environments.continues_with(item.ref),
            )
        time.sleep(POLL_INTERVAL)


def _what_is_left(item: DeployItem) -> str:
    if item.state == "replaced":
        return wording.environments.SEE_NEWER
    return wording.environments.still_live(item.replaces[:7]) if item.replaces else wording.environments.NOTHING_LEFT


def _until_ready(client: ApiClient, item: DeployItem, timeout: float) -> None:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

    path = f"environments/{path_segment(item.ref)}"
    environment = EnvironmentItem.model_validate(client.get(path))
    if environment.phase == "asleep":  # nothing of it runs before its first request
        environment = EnvironmentItem.model_validate(client.post(f"{path}/wake", {}))
    polling.until_ready(client, environment, timeout)
