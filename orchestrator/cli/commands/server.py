"""``eph server``: pause, drain and resume the server, for example to update its machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import extras, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.config.settings.server_settings import ServerSettings
    from orchestrator.surfaces.api.schemas.environment_schemas import PauseState, StatusResponse

app = typer.Typer(help="Show, pause, resume and back up the server.", no_args_is_help=True)

POLL_INTERVAL = 1.0
Reason = Annotated[str, typer.Option("--reason", help="Why; everyone who asks the server sees it.")]
Config = Annotated[Path | None, typer.Option("--config", help="The server's eph.toml. Default: the one in $EPH_HOME.")]


@app.command()
def status(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Show whether the server is paused, and what it does.

    Examples:
        eph server status
        eph server status --output json
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        found = _status(client)
        if form is not OutputFormat.TABLE:
            output.print_data(found.model_dump(mode="json"), form)
            return
        output.print_line(wording.operator.server_version(client.described, found.version))
    looked = output.relative_time(found.last_cycle) or "never"
    output.print_line(wording.environments.status(found.environments, found.running, found.queued, looked))
    for note in found.notes:
        output.print_line(note)
    if found.pause is not None:
        output.print_line(wording.operator.drain_state(found.pause.remaining, found.pause.drained))


@app.command()
def pause(reason: Reason = "", form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Start nothing until `eph server resume`.

    Previews keep responding. Running operations continue to their end: `eph server drain` waits for them. The pause
    outlives restarts of the server. Meanwhile, requests such as `eph up` are refused.

    Examples:
        eph server pause
        eph server pause --reason 'kernel update'
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        _print_pause(_pause(client, reason), form)


@app.command()
def drain(
    reason: Reason = "",
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Pause the server and wait until nothing runs.

    Waits for operations and test suites. Exit status: 1 if something still runs after the timeout; the server stays
    paused.

    Examples:
        eph server drain --reason 'kernel update'
        eph server drain --timeout 10m
    """
    from orchestrator.cli.api_client import connect

    seconds = parse_seconds(timeout)
    with connect() as client:
        state = _pause(client, reason)
        shown, end = -1, time.monotonic() + seconds
        while not state.drained:
            if state.remaining != shown:
                shown = state.remaining
                output.print_note(wording.operator.drain_state(state.remaining, drained=False))
            if time.monotonic() >= end:
                raise CliError(
                    wording.operator.not_drained(state.remaining, output.format_span(seconds)),
                    wording.operator.STILL_PAUSED,
                )
            time.sleep(POLL_INTERVAL)
            found = _status(client).pause
            if found is None:
                raise CliError(wording.operator.RESUMED_MEANWHILE, wording.operator.DRAIN_AGAIN)
            state = found
    _print_pause(state, form)


@app.command()
def resume(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """End a pause.

    Everything that waited starts with the next cycle, within seconds.

    Examples:
        eph server resume
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        found = client.post("resume")
    if form is not OutputFormat.TABLE:
        output.print_data(found, form)
    else:
        output.print_line(wording.operator.RESUMED if found["was_paused"] else wording.operator.WAS_NOT_PAUSED)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to create, for example eph.tar.gz.")],
    config: Config = None,
) -> None:
    """Write what this machine's server must keep to an archive.

    Run it on the server's machine as the user of ephd, while ephd is stopped; previews keep responding. The archive
    contains all keys, so store it encrypted. What it doesn't contain is listed.

    Examples:
        eph server backup /root/eph.tar.gz --config /etc/eph/eph.toml
    """
    from datetime import UTC, datetime

    extras.require_server("eph server backup")
    from orchestrator.runtime.server.backup import create_backup

    with _explained(config) as settings:
        found = create_backup(settings, file, datetime.now(UTC))
    output.print_line(wording.operator.backup_written(file, found.parts))
    _print_missing(found.missing)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive of `eph server backup`.")],
    config: Config = None,
) -> None:
    """Restore a backup on this machine.

    Nothing is replaced: the server's folders must not exist yet. The restored server is paused, so that nothing starts
    until `eph server resume`. If the command is interrupted, repeat it.

    Examples:
        eph server restore /root/eph.tar.gz --config /etc/eph/eph.toml
    """
    import getpass
    from datetime import UTC, datetime

    extras.require_server("eph server restore")
    from orchestrator.runtime.server.backup import restore_backup

    with _explained(config) as settings:
        found = restore_backup(settings, file, getpass.getuser(), datetime.now(UTC))
    output.print_line(wording.operator.backup_restored(file, found.parts))
    _print_missing(found.missing)


@app.command("rotate-keys")
def rotate_keys(config: Config = None) -> None:
    """Replace this machine's server's keys and tokens.

    Run it on the server's machine as the user of ephd, while ephd is stopped. It encrypts the variables of
    environments with a new key, and replaces the token of this machine's `eph`, the token of previews, and the key of
    sign-in cookies of previews. If the command is interrupted, repeat it. The keys that names and stacks depend on
    stay.

    Examples:
        eph server rotate-keys --config /etc/eph/eph.toml
    """
    extras.require_server("eph server rotate-keys")
    from orchestrator.runtime.server import key_rotation

    with _explained(config) as settings:
        found = key_rotation.rotate_keys(settings)
    output.print_line(wording.operator.keys_rotated(found.encrypted))
    for ref in found.unreadable:
        output.print_note(wording.operator.variables_unreadable(str(ref)))
    if found.problems:
        raise CliError("\n".join(found.problems), wording.operator.REPEAT)


@contextlib.contextmanager
def _explained(config: Path | None) -> Iterator[ServerSettings]:
    """The settings of this machine's server. Errors of the block are for people."""
    from orchestrator.config.problems import InvalidSettings
    from orchestrator.config.server_keys import InvalidKey
    from orchestrator.config.settings.loading import load
    from orchestrator.runtime.server.addresses import StartupError
    from orchestrator.runtime.server.backup import BackupError

    try:
        yield load(config)
    except InvalidSettings as error:
        raise CliError(str(error), wording.operator.NAME_CONFIG, ExitCode.USAGE) from error
    except BackupError as error:
        raise CliError(str(error), wording.operator.SEE_BACKUP) from error
    except StartupError as error:
        raise CliError(str(error), wording.operator.STOP_FIRST) from error
    except (InvalidKey, OSError) as error:
        raise CliError(str(error), wording.operator.REPEAT) from error


def _print_missing(missing: tuple[str, ...]) -> None:
    output.print_note(wording.operator.NOT_IN_BACKUP)
    for each in missing:
        output.print_note(f"- {each}")


def _status(client: ApiClient) -> StatusResponse:
    from orchestrator.surfaces.api.schemas.environment_schemas import StatusResponse

    return StatusResponse.model_validate(client.get("status"))


def _pause(client: ApiClient, reason: str) -> PauseState:
    from orchestrator.surfaces.api.schemas.environment_schemas import PauseState

    return PauseState.model_validate(client.post("pause", {"reason": reason}))


def _print_pause(state: PauseState, form: OutputFormat) -> None:
    if form is not OutputFormat.TABLE:
        output.print_data(state.model_dump(mode="json"), form)
        return
    output.print_line(state.message)
    output.print_line(wording.operator.drain_state(state.remaining, state.drained))
