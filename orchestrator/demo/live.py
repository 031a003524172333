"""The demo to click on: URLs, what to try, and a table of states that keeps itself up to date."""

from __future__ import annotations

import asyncio
import shlex
import webbrowser
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.app.running import RunningEphd
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.demo.demo_world import LABEL, REPOSITORY, DemoWorld
from programs.targets.kubernetes.api import object_names

REFRESH_INTERVAL = 0.25
_COLOURS = {
    Phase.READY: "green",
    Phase.FAILED: "red",
    Phase.STALLED: "red",
    Phase.UNHEALTHY: "red",
    Phase.REFUSED: "yellow",
    Phase.HELD: "yellow",
}
_SHOWN_VARIABLES = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME")


async def run(world: DemoWorld, ephd: RunningEphd, console: Console, open_browser: bool) -> None:
    """Until cancelled. Labels the first two pull requests, as a person would."""
    _print_intro(world, ephd, console)
    for branch in ("warmer-colour", "sell-tea"):
        await asyncio.to_thread(world.forge.label, REPOSITORY, world.pulls[branch], LABEL)
    opened: set[str] = set()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            views = ephd.system.service.environments()
            live.update(_table(views), refresh=True)
            if open_browser:
                _open_ready(views, opened)
            await asyncio.sleep(REFRESH_INTERVAL)


def _print_intro(world: DemoWorld, ephd: RunningEphd, console: Console) -> None:
    token = ephd.token_file.read_text().strip()
    exports = " ".join(f"{name}={shlex.quote(world.pulumi_environment[name])}" for name in _SHOWN_VARIABLES)
    console.print(f"pull requests   {world.forge.url}", highlight=False)
    console.print(f"dashboard, API  http://localhost:{world.ports.gateway}/?token={token}", highlight=False)
    if world.cluster:
        seen = f"kubectl --kubeconfig {shlex.quote(str(world.cluster.kubeconfig))} get namespaces"
        label = f"-l {object_names.SERVER}={object_names.label_value(world.target_settings['server'])}"
        console.print(f"cluster         {seen} {label}", highlight=False, soft_wrap=True)
    console.print("command line    eph list, eph why 1, eph logs 1 (in another terminal)", highlight=False)
    console.print(f"Pulumi          export {exports} && pulumi stack ls --all", highlight=False, soft_wrap=True)
    console.print(
        f"\nPull requests 1 and 2 get the label {LABEL} now. Label 3, push, unlabel, close: watch what follows."
    )
    console.print("Ctrl-C ends it all and leaves nothing behind.\n")


def _table(views: Sequence[EnvironmentView]) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for name, options in (("PR", {}), ("state", {}), ("commit", {}), ("URL, or what is being done", {"ratio": 1})):
        table.add_column(name, **options)  # type: ignore[arg-type]  # rich names them all
    for view in views:
        state = Text(view.phase.value, style=_COLOURS.get(view.phase, "cyan"))
        table.add_row(display_name(view).removeprefix(view.repository), state, view.commit[:7], _status_text(view))
    return table


def _status_text(view: EnvironmentView) -> Text:
    if view.failure is not None:
        return Text(f"{view.failure.step}: {view.failure.error}".strip(": "), style="red")
    if view.phase is Phase.READY:
        return Text(view.url, style="bold")
    return Text(view.progress or (view.reasons[0] if view.reasons else ""))


def _open_ready(views: Sequence[EnvironmentView], opened: set[str]) -> None:
    for view in views:
        if view.phase is Phase.READY and view.url not in opened:
            opened.add(view.url)
            webbrowser.open(view.url)
