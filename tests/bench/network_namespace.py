"""What the isolation of an environment costs: the same label with it, and on a server that was told to run without."""

from __future__ import annotations

import statistics
from typing import Any

from orchestrator.demo import demo_world
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import running_eph


async def network_namespace(size: Size) -> Row:
    """In turns, one of each for warming up first. Both Ephs run all the time."""
    isolated, bare = [], []
    bare_local = _local_without_sandbox()
    async with running_eph(size) as with_namespaces, running_eph(size, local=bare_local) as without:
        pulls = zip(await with_namespaces.open_pulls(size.turns), await without.open_pulls(size.turns), strict=True)
        for ours, theirs in pulls:
            isolated.append(await with_namespaces.seconds_until_ready(ours))
            bare.append(await without.seconds_until_ready(theirs))
    isolated, bare = isolated[size.warm_ups :], bare[size.warm_ups :]
    ratio = statistics.median(isolated) / statistics.median(bare)
    return Row(
        "network-namespace",
        (Figure("ratio", ratio, 1.3),),
        f"each environment in its own namespaces: {seconds(isolated)}",
        f'`local.sandbox = "none"`: {seconds(bare)}',
    )


def _local_without_sandbox() -> dict[str, Any]:
    """As the demo's, whose previews use the interpreter that runs it."""
    return {
        "sandbox": "none",
        "toolbox": tuple(demo_world.python_prefixes()),
        "path": demo_world.search_path(),
    }
