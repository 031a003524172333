"""Rows about making environments: one against the bare CLI, twenty against the plain Automation API, the processes."""

from __future__ import annotations

import asyncio
import statistics
import time

from orchestrator.demo.demo_world import REPOSITORY
from programs.spec import EnvironmentSpec
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import PlainPulumi, counting_toolchain, plain_pulumi, running_eph, temporary_folder


async def label_to_url(size: Size) -> Row:
    """In turns, one of each for warming up first."""
    ours, theirs = [], []
    async with running_eph(size) as running:
        with plain_pulumi(running.world.settings.target_mapping("local")) as bare:
            for number in await running.open_pulls(size.turns):
                ours.append(await running.seconds_until_ready(number))
                theirs.append(await asyncio.to_thread(bare.up, "cli", f"pr-{number}", running.spec(number)))
    ours, theirs = ours[size.warm_ups :], theirs[size.warm_ups :]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "label-to-url",
        (Figure("ratio", ratio, 1.3),),
        f"Eph, from label to response through the gateway: {seconds(ours)}",
        f"`pulumi stack init` and `pulumi up`, until the app responds: {seconds(theirs)}",
    )


async def pulumi_processes(size: Size) -> Row:
    with temporary_folder() as home:
        tools, log = counting_toolchain(home)
        async with running_eph(size, tools) as running:
            [number] = await running.open_pulls(1)
            log.write_text("")
            await running.seconds_until_ready(number)
            first = log.read_text().splitlines()
            log.write_text("")
            branch = running.world.forge.pull(REPOSITORY, number)["head"]["ref"]
            commit = running.world.forge.push(REPOSITORY, branch, {"colour.txt": "#00ff00\n"}, "another colour")
            await running.wait_until_answering([number], commit)
            update = log.read_text().splitlines()
    return Row(
        "pulumi-processes",
        (Figure("first-up", len(first), 3), Figure("update", len(update), 2)),
        f"first up: {_summarize(first)}; update: {_summarize(update)}",
        "counted by a wrapper in front of `pulumi`",
    )


def _summarize(lines: list[str]) -> str:
    words = [[word for word in line.split() if not word.startswith("-")] for line in lines]
    return ", ".join(f"`pulumi {' '.join(found[: 2 if found[0] == 'stack' else 1])}`" for found in words)


async def parallel_20(size: Size) -> Row:
    """Half of the sequential ones before and half after, so that a machine that grows busy slows both."""
    many = size.many
    async with running_eph(size) as running:
        pulls = await running.open_pulls(many + 1)
        await running.seconds_until_ready(pulls[0])
        with plain_pulumi(running.world.settings.target_mapping("local")) as bare:
            spec = running.spec(pulls[0])
            await asyncio.to_thread(bare.up, "api", "warm-up", spec)
            before = await asyncio.to_thread(in_sequence, bare, range(many // 2), spec)
            begun = time.monotonic()
            await asyncio.gather(*(running.label(number) for number in pulls[1:]))
            await running.wait_until_answering(pulls[1:])
            ours = time.monotonic() - begun
            after = await asyncio.to_thread(in_sequence, bare, range(many // 2, many), spec)
    return Row(
        "parallel-20",
        (Figure("ratio", (before + after) / ours, 3.0, at_least=True),),
        f"Eph, {many} labels at once until all {many} respond: {ours:.1f} s",
        f"{many} times `create_or_select_stack` and `up` in one interpreter: {before + after:.1f} s",
    )


def in_sequence(plain_pulumi: PlainPulumi, numbers: range, spec: EnvironmentSpec) -> float:
    return sum(plain_pulumi.up("api", f"pr-{number}", spec) for number in numbers)
