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
from orchestrator.cli import contexts
from orchestrator.cli.cli_errors import CliError
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.demo import wording
from orchestrator.demo.demo_world import LABEL, DemoWorld
from orchestrator.demo.git_hosts import DemoGitHubHost
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
    """Label the first pull requests, as a person would, then show the table until cancelled."""
    screen = LiveScreen(console, list(wording.introduction(tuple(_access(world, ephd)), _hints(world))))
    for number in list(world.pulls.values())[:2]:
        await asyncio.to_thread(world.forge.label, world.repository, number, LABEL)
    opened: set[str] = set()
    with screen:
        while True:
            views = ephd.system.service.environments() if ephd.system.service.status().last_cycle else []
            screen.show(views)
            if open_browser:
                _open_ready(views, opened)
            await asyncio.sleep(REFRESH_INTERVAL)


class LiveScreen:
    """The introduction and, below it, a table that is redrawn in place.

    A terminal that is resized wraps lines that were printed before, so the place of the table is lost. Then the screen
    is cleared and everything is printed again. Without a terminal, each change is printed once, as a line.
    """

    def __init__(self, console: Console, introduction: Sequence[str]) -> None:
        self._console, self._introduction = console, introduction
        self._size = console.size
        self._live: Live | None = None
        self._shown: tuple[tuple[str, ...], ...] | None = None

    def __enter__(self) -> LiveScreen:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, views: Sequence[EnvironmentView]) -> None:
        rows = tuple(_row(view) for view in views)
        if self._live is not None and self._console.size != self._size:
            self._live.stop()
            self._console.clear()
            self._start()
        if rows == self._shown:
            return
        for row in (row for row in rows if self._live is None and row not in (self._shown or ())):
            self._console.print("  ".join(row), highlight=False, soft_wrap=True, markup=False)
        if self._live is not None:
            self._live.update(_table(views), refresh=True)
        self._shown = rows

    def _start(self) -> None:
        self._size, self._shown = self._console.size, None
        for line in self._introduction:
            self._console.print(line, highlight=False, soft_wrap=True, markup=False)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()


def _hints(world: DemoWorld) -> Sequence[str]:
    if world.own and isinstance(world.forge, DemoGitHubHost):
        return wording.own_hints(LABEL, next(iter(world.pulls)), world.forge.remote(world.repository))
    return wording.shop_hints(LABEL)


def _access(world: DemoWorld, ephd: RunningEphd) -> Iterator[tuple[str, str]]:
    """Each way to look at the demo: its name, and a URL or command."""
    token = ephd.token_file.read_text().strip()
    exports = " ".join(f"{name}={shlex.quote(world.pulumi_environment[name])}" for name in _SHOWN_VARIABLES)
    yield "Pull requests", world.forge.url
    if isinstance(world.forge, DemoGitHubHost):
        yield "Git remote", world.forge.remote(world.repository)
    yield "Dashboard, API", f"http://localhost:{world.ports.gateway}/?token={token}"
    if world.cluster:
        kubectl = f"kubectl --kubeconfig {shlex.quote(str(world.cluster.kubeconfig))} get namespaces"
        label = f"-l {object_names.SERVER}={object_names.label_value(world.target_settings['server'])}"
        yield "Cluster", f"{kubectl} {label}"
    yield "CLI", wording.CLI_EXAMPLES if _is_default_server() else wording.CLI_EXAMPLES_ELSEWHERE
    yield "Pulumi", f"export {exports} && pulumi stack ls --all"


def _is_default_server() -> bool:
    """Whether `eph` would use this demo; not if the user works with another server."""
    try:
        used = contexts.default()
    except CliError:
        return False
    return used is not None and used.server.is_local and used.server.name == "demo"


def _row(view: EnvironmentView) -> tuple[str, str, str, str]:
    return (
        display_name(view).removeprefix(view.repository),
        view.phase.value,
        view.commit[:7],
        _status_text(view).plain,
    )


def _table(views: Sequence[EnvironmentView]) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    *narrow, wide = wording.TABLE_COLUMNS
    for name in narrow:
        table.add_column(name)
    table.add_column(wide, ratio=1, overflow="fold")
    for view in views:
        name, phase, commit, _ = _row(view)
        table.add_row(name, Text(phase, style=_COLOURS.get(view.phase, "cyan")), commit, _status_text(view))
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
