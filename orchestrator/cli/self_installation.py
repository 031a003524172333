"""What ``eph self-install`` does, with Pulumi. It needs the extra ``server``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import confirm
from orchestrator.cli.output import OutputFormat
from orchestrator.config import server_keys
from orchestrator.config.settings.settings_fields import default_home
from programs import registry
from programs.costs import HOURS_PER_MONTH, format_money
from programs.installation import InstallationOptions, InstallationPlan
from programs.registry import PreparesServers
from stacks.backends import registry as backends
from stacks.operations.server_installation import InstallationFailed, PlannedChange, ServerInstallation
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import Toolchain

HEADINGS = ("ACTION", "TYPE", "NAME")
COST_HEADINGS = ("PART", "AMOUNT", "PER MONTH")


def prepare(target: str, values: Sequence[str], folder: Path | None) -> ServerInstallation:
    """``values``: options of the target, as KEY=VALUE. ``folder``: where the record of what exists is kept."""
    able = _able_targets()
    if target not in able:
        raise CliError(wording.self_install.cannot(target, sorted(able)), code=ExitCode.USAGE)
    options = _options(able[target], values)
    tools = _tools(target)
    return _open(target, _prepare(able[target], options), tools, folder)


def run(subject: ServerInstallation, form: OutputFormat, *, preview: bool, destroy: bool, yes: bool) -> None:
    """Shows what would be changed, and changes it after a confirmation. With ``preview`` it changes nothing."""
    try:
        if destroy and not subject.exists:
            raise CliError(wording.self_install.NOT_INSTALLED, code=ExitCode.NOT_FOUND)
        planned = subject.preview_destroy() if destroy else subject.preview()
        _show(subject.installation, planned, destroy, form)
        if preview:
            output.print_note(wording.self_install.ONLY_PREVIEW)
        else:
            _carry_out(subject, planned, destroy, yes)
    except InstallationFailed as error:
        raise CliError("\n".join([error.error, *error.tail])) from error


def _carry_out(subject: ServerInstallation, planned: Sequence[PlannedChange], destroy: bool, yes: bool) -> None:
    if not planned and not destroy:
        output.print_note(wording.self_install.UNCHANGED)
    else:
        question = wording.self_install.ask_apply(_summary(planned))
        confirm(wording.self_install.ASK_DESTROY if destroy else question, yes)
    if destroy:
        subject.destroy()
        output.print_note(wording.self_install.DESTROYED)
        return
    outputs = subject.apply()
    settings = str(outputs.get(subject.installation.configuration, ""))
    output.print_note(wording.self_install.APPLIED if settings else wording.self_install.APPLIED_WITHOUT_SETTINGS)
    for name, value in sorted(outputs.items()):
        if name != subject.installation.configuration:
            output.print_note(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    if settings:
        output.print_line(settings.rstrip("\n"))


def _options(target: PreparesServers, values: Sequence[str]) -> InstallationOptions:
    """Errors name each option with its description."""
    model = target.installation_options
    known = [f"{name}: {field.description}" for name, field in model.model_fields.items()]
    try:
        return model.model_validate(_pairs(values))
    except ValidationError as error:
        problems = (
            wording.self_install.option_problem(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors()
        )
        raise CliError("; ".join(problems), wording.self_install.options(known), ExitCode.USAGE) from error


def _prepare(target: PreparesServers, options: InstallationOptions) -> InstallationPlan:
    try:
        return target.installation(options)
    except Exception as error:
        sentence = getattr(error, "sentence", "")  # a target's own error
        if not sentence:
            raise
        raise CliError(sentence, code=ExitCode.REFUSED) from error


def _able_targets() -> Mapping[str, PreparesServers]:
    found = {name: registry.get(name) for name in registry.descriptions()}
    return {name: item for name, item in found.items() if isinstance(item, registry.PreparesServers)}


def _pairs(values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in values:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise CliError(wording.self_install.not_a_pair(text), code=ExitCode.USAGE)
        pairs[key] = value
    return pairs


def _tools(target: str) -> Toolchain:
    """Pulumi and what the target needs, which its preparation finds on PATH, too."""
    tools = plugins.with_plugins(pulumi_cli.ensure(output.print_note), [target], output.print_note)
    os.environ["PATH"] = os.pathsep.join([tools.path, os.environ.get("PATH", os.defpath)])
    return tools


def _open(target: str, installation: InstallationPlan, tools: Toolchain, folder: Path | None) -> ServerInstallation:
    home = (folder or default_home() / "self-install").expanduser().absolute()
    settings = WorkerSettings(
        backend=backends.open_backend(f"file://{home}/backend"),
        work=home / "work",
        pulumi_home=home / "pulumi",
        passphrase_file=server_keys.passphrase_file(home / "keys"),
    )
    return ServerInstallation(target, installation, settings, tools.version, output.print_note)


def _summary(planned: Sequence[PlannedChange]) -> str:
    counts = Counter(item.action for item in planned)
    return ", ".join(wording.self_install.change(action, count) for action, count in sorted(counts.items()))


def _monthly(hourly: Decimal) -> str:
    return format_money(hourly * HOURS_PER_MONTH)


def _show(installation: InstallationPlan, planned: Sequence[PlannedChange], destroy: bool, form: OutputFormat) -> None:
    if form is not OutputFormat.TABLE:
        output.print_data(_as_data(installation, planned), form)
        return
    output.print_line(wording.self_install.place(installation.place))
    if planned:
        output.print_table(HEADINGS, [(item.action, item.kind, item.name) for item in planned])
        output.print_line(_summary(planned))
    if destroy:
        return
    output.print_line("")
    output.print_line(wording.self_install.PERMISSIONS)
    output.print_pairs((item.what, item.why) for item in installation.permissions)
    output.print_line("")
    _show_cost(installation)


def _show_cost(installation: InstallationPlan) -> None:
    cost = installation.cost
    if not cost.lines and not cost.unpriced:
        output.print_line(wording.self_install.NO_COST)
        return
    output.print_line(f"{wording.self_install.COST} {_monthly(cost.rate.awake)}")
    rows = [(line.what, f"{line.quantity} {line.unit}", _monthly(line.rate.awake)) for line in cost.lines]
    output.print_table(COST_HEADINGS, rows)
    if missing := wording.self_install.not_priced(cost.unpriced, cost.excluded):
        output.print_prose(missing)


def _as_data(installation: InstallationPlan, planned: Sequence[PlannedChange]) -> dict[str, object]:
    cost = installation.cost
    return {
        "place": installation.place,
        "changes": [asdict(item) for item in planned],
        "permissions": [asdict(item) for item in installation.permissions],
        "monthly_cost": {line.what: _monthly(line.rate.awake) for line in cost.lines}
        | {"total": _monthly(cost.rate.awake)},
        "not_priced": [*cost.unpriced, *cost.excluded],
    }
