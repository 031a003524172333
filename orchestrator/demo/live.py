"""The interactive demo: URLs, what to try, and a live table of environments."""

from __future__ import annotations

import asyncio
import shlex
import webbrowser
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.app.running import RunningEphd
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.demo import wording
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
    """Label the first two pull requests, as a person would, then show the table until cancelled."""
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
    for line in wording.introduction(tuple(_access(world, ephd)), LABEL):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _access(world: DemoWorld, ephd: RunningEphd) -> Iterator[tuple[str, str]]:
    """Each way to look at the demo: its name, and a URL or command."""
    token = ephd.token_file.read_text().strip()
    exports = " ".join(f"{name}={shlex.quote(world.pulumi_environment[name])}" for name in _SHOWN_VARIABLES)
    yield "Pull requests", world.forge.url
    yield "Dashboard, API", f"http://localhost:{world.ports.gateway}/?token={token}"
    if world.cluster:
        kubectl = f"kubectl --kubeconfig {shlex.quote(str(world.cluster.kubeconfig))} get namespaces"
        label = f"-l {object_names.SERVER}={object_names.label_value(world.target_settings['server'])}"
        yield "Cluster", f"{kubectl} {label}"
    yield "CLI", wording.CLI_EXAMPLES
    yield "Pulumi", f"export {exports} && pulumi stack ls --all"


def _table(views: Sequence[EnvironmentView]) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    *narrow, wide = wording.TABLE_COLUMNS
    for name in narrow:
        table.add_column(name)
    table.add_column(wide, ratio=1)
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
