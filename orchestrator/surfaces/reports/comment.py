"""The one comment on a pull request, rendered from a view: phase and URL first, details below (P1).

Pure: the same view gives the same text, so the comment is edited only if something changed. ``markdown`` escapes text
from the pull request's author, a log or an error. Eph finds its comment by the hidden marker at the end, which
identifies the repository by number, because a number survives renames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from orchestrator.core.chat_commands import ChatReply
from orchestrator.core.util.formatting import format_time
from orchestrator.core.views import log_positions
from orchestrator.core.views.comment_markers import approvable, marker
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.failure_views import IMAGE_STEP, FailureView
from orchestrator.core.views.page_links import COMMIT_LENGTH, PageTab, line_url, tab_url
from orchestrator.core.views.phases import Phase
from orchestrator.core.wording import costs
from orchestrator.core.wording.chat import HELP
from orchestrator.forges.wording import DEFAULT_WORDS, ForgeWords
from orchestrator.surfaces.reports import suite_table
from orchestrator.surfaces.reports.markdown import cell, code, fence, link, plain, text
from orchestrator.surfaces.reports.phase_wording import (
    GONE_PHASES,
    fallback_tags,
    is_outdated,
    is_reachable,
    label,
    sentence,
    short_sha,
)
from programs import steps
from stacks.model import Key, OperationVerb

MAX_PROBLEMS = 20
MAX_SERVICES = 20
MAX_NOTICES = 10
MAX_REPLY_LINES = 20
_IN_PROGRESS_PHASES = frozenset({Phase.CREATING, Phase.UPDATING, Phase.STARTING})
_GOOD = "🟢"
_BUSY = "🟡"
_BAD = "🔴"
_CALM = "⚪"
_DOTS: Mapping[Phase, str] = {
    Phase.READY: _GOOD,
    Phase.UNHEALTHY: _BAD,
    Phase.FAILED: _BAD,
    Phase.STALLED: _BAD,
    Phase.REFUSED: _BAD,
    Phase.HELD: _BAD,
    Phase.ASLEEP: _CALM,
    Phase.EXPIRED: _CALM,
    Phase.DESTROYING: _CALM,
    Phase.DESTROYED: _CALM,
}


_SERVICE_STATUS: Mapping[Phase, str] = {
    Phase.READY: "ready",
    Phase.ASLEEP: "asleep",
    Phase.UNHEALTHY: "not responding",
}


def render(
    view: EnvironmentView, now: datetime, reply: ChatReply | None = None, words: ForgeWords = DEFAULT_WORDS
) -> str:
    """The headline, then what went wrong, then the state."""
    trouble = [_reason(view), _problems(view), _failure(view), _approval(view), _command(view)]
    state = [_services(view), _custom_links(view), _facts(view, now, words), suite_table.section(view), _notices(view)]
    hidden = [approvable(view.wanted_commit) if view.awaits_approval else "", marker(view.key) if view.key else ""]
    answer = _reply(reply) if reply is not None else ""
    parts = [_headline(view), *trouble, *state, answer, _links(view), _commands_help(view), *hidden]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_reply_only(key: Key, reply: ChatReply) -> str:
    """The reply to a chat command on a pull request without an environment."""
    return "\n\n".join([f"### {_CALM} No environment", _reply(reply), marker(key)]) + "\n"


def _headline(view: EnvironmentView) -> str:
    """Without a name if there is none yet, as with a mistake in the first eph.yaml."""
    place = link(view.url) if is_reachable(view) else code(view.name) if view.name else ""
    dot = _BUSY if fallback_tags(view) else _DOTS.get(view.phase, _BUSY)
    return f"### {dot} {text(label(view))}{': ' if place else ''}{place}"


def _reason(view: EnvironmentView) -> str:
    """The first reason, unless what follows says it all."""
    if view.phase in (Phase.READY, Phase.ASLEEP) or not view.reasons:
        return ""
    if view.phase in (Phase.FAILED, Phase.STALLED) and _shows_failure(view):
        return ""
    reason = view.reasons[0].removesuffix(f"; position {view.queue_position} in the queue")
    return text(sentence(reason))


def _approval(view: EnvironmentView) -> str:
    """With the whole SHA: another commit with the same first digits can be created within minutes."""
    if not view.awaits_approval:
        return ""
    return f"After a review, approve exactly this commit: {code(f'/eph approve {view.wanted_commit}')}"


def _facts(view: EnvironmentView, now: datetime, words: ForgeWords) -> str:
    return "\n".join(f"- {fact}" for fact in _iter_facts(view, now, words))


def _iter_facts(view: EnvironmentView, now: datetime, words: ForgeWords) -> Iterator[str]:
    if view.queue_position is not None:
        yield f"Position **{view.queue_position}** in the queue."
    if view.phase not in GONE_PHASES:
        yield from _commits(view)
        yield from _step(view)
        yield from _images(view)
        if view.repaired:
            yield text(sentence(view.repaired))
        yield from _label_changes(view)
        yield from _sleep(view)
        yield from _expiry(view, now)
        yield from _cost(view)
    elif view.phase is Phase.EXPIRED:
        yield (
            f"To recreate it, comment {code('/eph up')}, add the label again, or push a commit while it has the label."
            f"{_final_cost(view)}"
        )
    elif view.phase is not Phase.DESTROYING:
        how = f"comment {code('/eph up')} or add the label again"
        yield f"To recreate it while the {words.pull_request} is open, {how}."


def _label_changes(view: EnvironmentView) -> Iterator[str]:
    """What the pull request's labels change."""
    if view.disabled:
        yield f"Turned off by label: {', '.join(map(code, view.disabled))}."
    if view.size:
        yield f"Size: {code(view.size)}."


def _commits(view: EnvironmentView) -> Iterator[str]:
    if is_outdated(view):
        verb = "Deploying" if view.phase in _IN_PROGRESS_PHASES else "Newest commit:"
        yield f"{verb} {code(short_sha(view.wanted_commit))}. {_live_commit(view)}."
    elif view.commit and view.ready_at is not None and view.phase is Phase.READY:
        yield f"Commit {code(short_sha(view.commit))}, ready since {format_time(view.ready_at)}."
    elif view.commit or view.wanted_commit:
        yield f"Commit {code(short_sha(view.commit or view.wanted_commit))}."


def _step(view: EnvironmentView) -> Iterator[str]:
    """The step that runs, and where its output is."""
    if view.phase not in _IN_PROGRESS_PHASES or not steps.is_label(view.progress):
        return
    page = tab_url(view.page_url, PageTab.LOGS, "output")
    output = f"[output](<{page}>)" if view.page_url else code(f"eph logs -f {view.name}")
    yield f"Step: {text(view.progress)} ({output})."


def _live_commit(view: EnvironmentView) -> str:
    commit = code(short_sha(view.commit))
    return f"Last deployed: {commit}" if view.phase in (Phase.UNHEALTHY, Phase.ASLEEP) else f"{commit} is still live"


def _services(view: EnvironmentView) -> str:
    """A table: each public service with its status, its URL and its logs."""
    if not is_reachable(view) or not view.urls:
        return ""
    status = _SERVICE_STATUS.get(view.phase, "previous version live" if is_outdated(view) else "starting")
    logs = f" [logs](<{tab_url(view.page_url, PageTab.LOGS)}>) |" if view.page_url else ""
    rows = [
        "| Service | Status | URL |" + (" Logs |" if logs else ""),
        "| --- | --- | --- |" + (" --- |" if logs else ""),
    ]
    rows += [
        f"| {cell(code(name))} | {_DOTS.get(view.phase, _BUSY)} {status} | {cell(link(url))} |{logs}"
        for name, url in sorted(view.urls.items())[:MAX_SERVICES]
    ]
    more = len(view.urls) - MAX_SERVICES
    return "\n".join([*rows, *(["", f"and {more} more"] if more > 0 else [])])


def _custom_links(view: EnvironmentView) -> str:
    """The links of eph.yaml."""
    if not is_reachable(view) or not view.links:
        return ""
    return " · ".join(link(item.url, item.name) for item in view.links)


def _images(view: EnvironmentView) -> Iterator[str]:
    """Images that weren't simply found by the commit's own tag."""
    for name, image in sorted(view.images.items())[:MAX_SERVICES]:
        if not image.how.startswith(("tag_template", "git note")):
            yield f"Image {code(name)}: {code(image.how)}."
    if fallback_tags(view):
        retry = code("/eph retry")
        yield f"Eph deploys the commit's own image once CI has pushed it. To look for it now, comment {retry}."


def _sleep(view: EnvironmentView) -> Iterator[str]:
    """Without the time of the last visit, or every visit would edit the comment."""
    if view.phase is Phase.ASLEEP:
        since = f" since {format_time(view.asleep_since)}" if view.asleep_since else ""
        hours = f" It wakes on schedule at {format_time(view.wakes_at)}." if view.wakes_at else ""
        yield f"Asleep{since}. Its data is kept. Open the URL or comment {code('/eph wake')} to wake it.{hours}"
    elif view.rules and view.commit:
        wakes = " A visit wakes it." if any(rule.startswith("sleeps") for rule in view.rules) else ""
        yield f"{text(sentence('; '.join(view.rules)))}{wakes}"


def _expiry(view: EnvironmentView, now: datetime) -> Iterator[str]:
    if _is_destroy_failing(view):
        return
    if view.kept and view.phase is not Phase.WAITING:
        yield f"Kept: it doesn't expire. Comment {code('/eph unkeep')} to turn expiry on again."
    if view.expires_at is None or not (view.commit or view.phase in _IN_PROGRESS_PHASES):
        return
    soon = "**Expires soon:**" if view.expires_soon or view.expires_at <= now else "Expires"
    longer = code("/eph extend 24h")
    yield f"{soon} {format_time(view.expires_at)}. A push resets the timer. {longer} adds a day."


def _problems(view: EnvironmentView) -> str:
    if not view.problems:
        return ""
    shown = [f"- {code(problem)}" for problem in view.problems[:MAX_PROBLEMS]]
    more = len(view.problems) - len(shown)
    rest = [f"- and {more} more; run {code('eph validate')} to see them all"] if more else []
    return "\n".join(["**Errors in eph.yaml**", "", *shown, *rest])


def _notices(view: EnvironmentView) -> str:
    """What has no effect in eph.yaml and the manifests, each with its place."""
    if not view.notices or view.phase in GONE_PHASES:
        return ""
    shown = [f"- {code(notice)}" for notice in view.notices[:MAX_NOTICES]]
    more = len(view.notices) - len(shown)
    return "\n".join(["**Notices**", "", *shown, *([f"- and {more} more"] if more else [])])


def _shows_failure(view: EnvironmentView) -> bool:
    """Not once the environment is ready, expired or destroyed; while it is asleep, only why it didn't wake up."""
    if view.failure is None or view.phase in (Phase.READY, Phase.DESTROYED, Phase.EXPIRED):
        return False
    return view.phase is not Phase.ASLEEP or view.failure.verb is OperationVerb.WAKE


def _failure(view: EnvironmentView) -> str:
    failure = view.failure
    if failure is None or not _shows_failure(view):
        return ""
    step = f" at {code(failure.step)}" if failure.step else ""
    commit = f" on commit {code(short_sha(failure.commit))}" if failure.commit else ""
    what = "Failed to wake up" if failure.verb is OperationVerb.WAKE else "Failed"
    head = f"**{what}**{step}{commit}, {format_time(failure.at)}: {text(failure.error)}"
    tail = fence(failure.tail) if any(line.strip() for line in failure.tail) else ""
    full = f"[Full log](<{logs_url(view)}>)." if view.page_url else ""
    return "\n\n".join(part for part in [head, tail, " ".join(filter(None, [_next_try(failure), full]))] if part)


def logs_url(view: EnvironmentView) -> str:
    """The logs on the dashboard. If a failure is shown: at the end of the step that failed."""
    failure = view.failure if _shows_failure(view) else None
    if failure is None or failure.step == IMAGE_STEP:
        return tab_url(view.page_url, PageTab.LOGS)
    if steps.is_label(failure.step):
        return line_url(view.page_url, failure.commit[:COMMIT_LENGTH], failure.step)
    return line_url(view.page_url, "", log_positions.OPERATION)


def _next_try(failure: FailureView) -> str:
    """How often it failed, and what to do. A failed destroy needs nothing: Eph retries it."""
    if failure.permanent:
        return f"This commit would fail again, so Eph won't retry it. To retry it anyway, comment {code('/eph retry')}."
    tries = {0: "", 1: "Failed once."}.get(failure.tries, f"Failed {failure.tries} times.")
    next_try = f"Next attempt at {format_time(failure.next_try)}." if failure.next_try else ""
    match failure.verb:
        case OperationVerb.DESTROY:
            retry = "Eph retries until the environment is destroyed."
        case OperationVerb.WAKE:
            retry = f"To retry now, comment {code('/eph wake')}."
        case _:
            retry = f"To retry now, push a commit or comment {code('/eph retry')}."
    return " ".join(filter(None, [tries, next_try, retry]))


def _cost(view: EnvironmentView) -> Iterator[str]:
    """The estimate. Not what it has cost so far, or every cycle would edit the comment."""
    cost = view.cost
    if cost is None or not cost.estimate.is_priced:
        return
    yield text(sentence(costs.estimate(cost.awake_hourly, cost.awake_daily, cost.asleep_hourly)))
    if cost.budget is not None:
        yield text(sentence(costs.budget(cost.budget)))


def _final_cost(view: EnvironmentView) -> str:
    """Once nothing of it exists, the amount doesn't change any more."""
    gone = view.phase is Phase.EXPIRED and view.cost is not None and not view.cost.exists and view.cost.spent
    return f" {text(sentence(costs.cost_so_far(view.cost.spent)))}" if gone and view.cost else ""


def _is_destroy_failing(view: EnvironmentView) -> bool:
    return view.failure is not None and view.failure.verb is OperationVerb.DESTROY


def _reply(reply: ChatReply) -> str:
    """The reply to a chat command: the command as code, our text as prose, output verbatim."""
    answer = reply.result
    head = f"{code(reply.command)} by {code(reply.author)}: {text(answer.text)}"
    if not answer.lines:
        return head
    listed = [f"- {text(line)}" for line in answer.lines[:MAX_REPLY_LINES] if plain(line)]
    return f"{head}\n\n{fence(answer.lines) if answer.verbatim else chr(10).join(listed)}"


def _command(view: EnvironmentView) -> str:
    return (
        f"To continue, an operator can run {code(view.command)}." if view.phase is Phase.HELD and view.command else ""
    )


def _links(view: EnvironmentView) -> str:
    why = f"Details: {code(f'eph why {view.name}')}" if view.name else ""
    logs = "" if not view.name or _is_over(view) else f"Logs: {code(f'eph logs {view.name}')}"
    page = f"[Dashboard](<{view.page_url}>)" if view.page_url else ""
    return " · ".join(filter(None, [page, why, logs]))


def _commands_help(view: EnvironmentView) -> str:
    if _is_over(view):
        return ""
    listed = (line.partition(": ") for line in HELP)
    rows = [f"- {code(f'/eph {name}')}: {text(what)}" for name, _, what in listed]
    return "\n".join(["<details><summary>Commands</summary>", "", *rows, "", "</details>"])


def _is_over(view: EnvironmentView) -> bool:
    return view.phase in GONE_PHASES or _is_destroy_failing(view)
