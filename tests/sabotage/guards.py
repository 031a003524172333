"""The guards: where each is, how it is disabled, and what detects that.

A patch is a text that must occur exactly once; when the code around it changes, this list must follow.
"""

from __future__ import annotations

from dataclasses import dataclass

StepTuple = tuple[str, int, int]
"""A step of the model: kind, who, what."""


@dataclass(frozen=True, slots=True)
class Patch:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Guard:
    """``counter`` becomes non-zero without it. ``history`` or ``test`` is the proof; ``expected_output`` is in the
    failed test's output, so that it failed only because of the missing guard."""

    name: str
    counter: str
    patches: tuple[Patch, ...]
    history: tuple[StepTuple, ...] = ()
    also_disabled: tuple[Patch, ...] = ()
    test: str = ""
    expected_output: str = "AssertionError"

    @property
    def is_quick(self) -> bool:
        return bool(self.history)


DECISIONS, DESIRED = "orchestrator/core/planning/decisions.py", "orchestrator/core/desired/desired_state.py"
EXECUTOR, NOTIFIER = "orchestrator/runtime/operations/executor.py", "orchestrator/service/reports/notifier.py"
ORPHANS, QUEUES = "orchestrator/core/orphans/orphan_purges.py", "orchestrator/core/planning/queues.py"

NO_CONFIRM = Patch(
    DESIRED,
    "        return Unchanged(_confirm(environment))",
    '        return Unwanted("it is not in the list", UnwantedCode.GONE)',
)
NO_REPORT_MEMORY = (  # at the start of the process and of each term
    Patch(NOTIFIER, "EnvironmentView] = self._store.load()", "EnvironmentView] = {}"),
    Patch(NOTIFIER, " = self._store.load(), {}, set()", " = {}, {}, set()"),
)
ANY_AUTHOR = Patch(
    DESIRED, "    if guarded and not from_fork and request.trust is not Trust.TRUSTED:", "    if guarded and False:"
)
IGNORE_RUNNING = Patch(
    DECISIONS, "    if environment.running is not None:  # one operation", "    if False:  # one operation"
)

MODELLED = (
    Guard(
        "an absence is confirmed by asking for that very pull request", "lost", (NO_CONFIRM,),
        (("open", 1, 0), ("long_pass", 0, 0), ("mood", 0, 3), ("pass", 0, 6)),
    ),
    Guard(
        "half a list destroys nothing", "lost",
        (Patch(DESIRED, "    if not complete:  # absence from an incomplete", "    if False:  # absence from an incomplete"),),
        (("open", 1, 0), ("long_pass", 0, 0), ("mood", 0, 2), ("crash", 0, 4), ("pass", 0, 6)), also_disabled=(NO_CONFIRM,),
    ),
    Guard(
        "no more than a share goes within an hour without the Git host stating it", "excess",
        (Patch("orchestrator/core/planning/guards.py", "    if limit.recent + len(open_) <= limit.maximum or command", "    if True or command"),),
        (*(("open", each, 0) for each in (0, 1, 0, 1)), ("long_pass", 0, 0), ("mood", 0, 5), ("pass", 0, 7), ("pass", 0, 6)),
    ),
    Guard(
        "a pull request that is said not to exist counts against that share", "excess",
        (Patch(DESIRED, "UnwantedCode.CLOSED, guarded=gone)\n    if not complete:",
               "UnwantedCode.CLOSED)\n    if not complete:"),),
        (*(("open", each, 0) for each in (0, 1, 0, 1)), ("long_pass", 0, 0), ("mood", 0, 5), ("pass", 0, 7), ("pass", 0, 6)),
    ),
    Guard(
        "one stack has one operation", "overlaps",
        (IGNORE_RUNNING, Patch(EXECUTOR, "        if action.ref in self._active or (", "        if (")),
        (("open", 0, 0), ("pass", 0, 5), ("drag", 0, 0), ("push", 1, 0), ("pass", 0, 4), ("close", 1, 0), ("pass", 0, 4)),
    ),
    Guard(
        "a build that nobody wants any more is ended", "stuck",
        (Patch(DECISIONS, "    if builds and isinstance(desired, Unwanted) and not desired.guarded:", "    if False:"),),
        (("open", 0, 0), ("drag", 0, 2), ("unlabel", 1, 0), ("pass", 0, 7)),
    ),
    Guard(
        "an end of an operation wakes the loop", "lies",
        (Patch(EXECUTOR, "            self._active.pop(ref, None)\n            self._dependencies.wake()", "            self._active.pop(ref, None)"),),
        (("open", 1, 0), ("pass", 0, 5), ("prompt", 0, 0)),
    ),
    Guard(
        "the mark of expiry comes before the destroy", "lost",
        (Patch(DESIRED, "    if over is not None:  # expired: first the commit status, then the destroy\n        return Unchanged(over)",
               "    if over is not None:\n        return Unwanted(over.reason, UnwantedCode.EXPIRED)"),),
        (("open", 1, 0), *[("long_pass", 0, 2)] * 3),
    ),
    Guard(
        "the same environment is not served by two stacks", "overlaps",
        (Patch(DECISIONS, "    if environment.duplicate_of is not None:", "    if False:"),),
        (("open", 0, 0), ("pass", 0, 5), ("twin", 0, 0), ("drag", 0, 0), ("drag", 1, 0), ("push", 1, 0), ("pass", 0, 6)),
    ),
    Guard(
        "a tag that names another stops everything", "lost",
        (Patch(DECISIONS, "    if tag is not None and environment.has_foreign_tag:", "    if False and tag is not None:"),),
        (("open", 0, 0), ("open", 0, 0), ("pass", 0, 6), ("swap_tag", 0, 0), ("close", 0, 0), ("pass", 0, 6)),
    ),
    Guard(
        "nothing is purged while not all stacks are known", "lost",
        (Patch("orchestrator/core/planning/plans.py", "    if world.stacks.complete:\n        actions += orphan_purges", "    if True:\n        actions += orphan_purges"),),
        (("open", 6, 0), ("blind", 5, 1), ("unlabel", 6, 7), ("crash", 7, 5)),
    ),
    Guard(
        "a stack whose name is not known protects its number", "lost",
        (Patch(ORPHANS, "            numbers.add(subject.key.id)", "            pass"),),
        (("open", 0, 0), ("pass", 0, 5), ("push", 0, 7), ("cut_state", 0, 0), ("unlabel", 0, 0), ("pass", 0, 6)),
    ),
    Guard(
        "what an operation makes is not taken for a leftover", "lost",
        (Patch(ORPHANS, "record is not None or subject.running is not None", "record is not None"),),
        (("lag", 0, 3), ("open", 1, 0), ("pass", 0, 5), ("unlabel", 1, 0), ("pass", 0, 6)),
    ),
    Guard(
        "nothing of a fork runs unapproved", "secrets",
        (Patch(DESIRED, "    if from_fork and (not context.policy.allow_forks or not request.approval):", "    if False:"),
         Patch(DESIRED, "    if guarded and from_fork and not context.policy.approval_is_trust:", "    if False:")),
        (("open", 0, 7), ("pass", 0, 5)),
    ),
    Guard(
        "only what trusted authors pushed runs on this machine", "secrets", (ANY_AUTHOR,),
        (("open", 0, 6), ("pass", 0, 5)),
    ),
    Guard(
        "a failed build is tried again later, not at once", "excess",
        (Patch(DECISIONS, "    found = retry_delay(environment, context)\n    if found is None:", "    found = retry_delay(environment, context)\n    if True or found is None:"),),
        (("open", 0, 0), ("push", 1, 6), ("long_pass", 0, 0)),
    ),
    Guard(
        "a storm of pushes does not starve the update", "excess",
        (Patch(DECISIONS, "    if running.superseded >= context.policy.max_supersedes:", "    if False:"),),
        (("open", 0, 0), ("pass", 0, 5), ("drag", 0, 0), ("storm", 0, 7), ("storm", 0, 7), ("storm", 0, 7)),
    ),
    Guard(
        "a last word is said before the record goes", "lies",
        (Patch(NOTIFIER, "        view = self._last_views.get(operation.ref)\n        if view is None", "        return True\n        view = self._last_views.get(operation.ref)\n        if view is None"),),
        (("open", 0, 0), ("pass", 0, 5), ("mood", 1, 1), ("close", 1, 0), ("pass", 0, 4), ("crash", 1, 4)),
        also_disabled=NO_REPORT_MEMORY,
    ),
    Guard(
        "who was told something is remembered over a kill", "lies", NO_REPORT_MEMORY,
        (("open", 1, 0), ("unlabel", 0, 0), ("crash", 0, 4)),
    ),
    Guard(
        "what broke off is refreshed before it goes on", "stuck",
        (Patch("orchestrator/core/planning/repairs.py", "UpdateCode.HALF_DONE, refresh=True)", "UpdateCode.HALF_DONE)"),),
        (("open", 1, 0), ("pass", 0, 1), ("kill", 0, 0)),
    ),
    Guard(
        "a URL that does not answer is repaired", "lost",
        (Patch("orchestrator/core/planning/repairs.py", "    if context.now < deadline:\n        return None", "    return None"),),
        (("open", 0, 0), ("pass", 0, 5), ("wreck", 0, 1)),
    ),
    Guard(
        "the limits on environments", "excess",
        (Patch(QUEUES, "        if self.total >= self.policy.max_environments:", "        if False:"),
         Patch(QUEUES, "        if held >= self.policy.max_per_repository:", "        if False:")),
        (*[("open", each, 0) for each in range(8)], ("pass", 0, 6)),
    ),
    Guard(
        "the limit on operations at once", "excess",
        (Patch(QUEUES, "    free = max(0, policy.max_concurrent - sum(running))", "    free = 99"),),
        (*[("open", each, 0) for each in range(6)], ("pass", 0, 5)),
    ),
    Guard(
        "a clock that is put back does not keep the loop from looking", "lies",
        (Patch("orchestrator/core/util/time_windows.py", "    return start <= now < start + length", "    return now < start + length"),),
        (("open", 0, 0), ("pass", 0, 5), ("jump", 0, 0), ("push", 0, 0)),
    ),
    Guard(
        "logs of what is gone go too", "leaks",
        (Patch(NOTIFIER, "                del self._pending[ref]\n                self._dependencies.forget_record(ref)",
               "                del self._pending[ref]"),),
        (("open", 0, 0), ("kill", 0, 0), ("unlabel", 0, 0), ("crash", 0, 4)),
    ),
)  # fmt: skip
