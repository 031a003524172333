"""The one comment on a pull request, rendered from a view: state and URL first, then what people ask next (P1).

Pure: the same view gives the same text, so the comment is edited only when something changed. Whatever a pull
request's author, a log or an error says goes through ``markdown``. The hidden marker at the end is how the comment is
found again; it names the repository by its number, which survives renames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from orchestrator.core.chat_commands import ChatReply
from orchestrator.core.model.world import Key
from orchestrator.core.views.environment_views import EnvironmentView, FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.wording import DEFAULT_WORDS, ForgeWords
from orchestrator.surfaces.reports import suite_table
from orchestrator.surfaces.reports.markdown import code, fence, link, plain, text
from orchestrator.surfaces.reports.phase_wording import (
    GONE_PHASES,
    PHASE_LABELS,
    format_time,
    is_outdated,
    is_reachable,
    short_sha,
)

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


def marker(key: Key) -> str:
    return f"<!-- eph:{key.repository}/{key.number} -->"


def render(
    view: EnvironmentView, now: datetime, reply: ChatReply | None = None, words: ForgeWords = DEFAULT_WORDS
) -> str:
    state = [_headline(view), _reason(view), _facts(view, now, words), suite_table.section(view)]
    trouble = [_problems(view), _failure(view), _notices(view), _command(view)]
    end = marker(view.key) if view.key is not None else ""
    said = _reply(reply) if reply is not None else ""
    return "\n\n".join(part for part in [*state, *trouble, said, _help(view), end] if part) + "\n"


def render_reply_only(key: Key, reply: ChatReply) -> str:
    """For a pull request that has no environment, and somebody who asked for something."""
    return "\n\n".join([f"### {_CALM} No environment", _reply(reply), marker(key)]) + "\n"


def _headline(view: EnvironmentView) -> str:
    place = link(view.url) if is_reachable(view) else code(view.name)
    return f"### {_DOTS.get(view.phase, _BUSY)} {PHASE_LABELS[view.phase]}: {place}"


def _reason(view: EnvironmentView) -> str:
    """A ready environment needs no reason; all others give their first one."""
    if view.phase is Phase.READY or not view.reasons:
        return ""
    return text(view.reasons[0])


def _facts(view: EnvironmentView, now: datetime, words: ForgeWords) -> str:
    return "\n".join(f"- {fact}" for fact in _iter_facts(view, now, words))


def _iter_facts(view: EnvironmentView, now: datetime, words: ForgeWords) -> Iterator[str]:
    if view.queue_position is not None:
        yield f"Place **{view.queue_position}** in the queue."
    if view.phase not in GONE_PHASES:
        yield from _commits(view)
        yield from _services(view)
        yield from _images(view)
        if view.repaired:
            yield f"{text(view.repaired[:1].upper() + view.repaired[1:])}."
        yield from _sleep(view)
        yield from _expiry(view, now)
    elif view.phase is Phase.EXPIRED:
        yield f"For a new one, comment {code('/eph up')}, or put the label on again. While it is on, a push helps too."
    elif view.phase is not Phase.DESTROYING:
        how = f"comment {code('/eph up')}, or put the label on again"
        yield f"For a new one while the {words.pull_request} is open, {how}."


def _commits(view: EnvironmentView) -> Iterator[str]:
    if is_outdated(view):
        yield f"Commit {code(short_sha(view.wanted_commit))} is wanted; running commit {_running_commit(view)}."
    elif view.commit and view.ready_at is not None and view.phase is Phase.READY:
        yield f"Commit {code(short_sha(view.commit))}, ready since {format_time(view.ready_at)}."
    elif view.commit or view.wanted_commit:
        yield f"Commit {code(short_sha(view.commit or view.wanted_commit))}."


def _running_commit(view: EnvironmentView) -> str:
    answers = "still answers" if view.phase not in (Phase.UNHEALTHY, Phase.ASLEEP) else "is the last one made"
    return f"{code(short_sha(view.commit))} {answers}"


def _services(view: EnvironmentView) -> Iterator[str]:
    if not is_reachable(view) or len(view.urls) < 2:
        return
    for name, url in sorted(view.urls.items())[:MAX_SERVICES]:
        yield f"{code(name)}: {link(url)}"


def _images(view: EnvironmentView) -> Iterator[str]:
    """Those that are not simply this commit's own by its tag."""
    for name, image in sorted(view.images.items())[:MAX_SERVICES]:
        if not image.how.startswith(("tag_template", "git note")):
            yield f"Image {code(name)} by {code(image.how)}."


def _sleep(view: EnvironmentView) -> Iterator[str]:
    """No times that move with each visit: the comment would be edited with each."""
    if view.phase is Phase.ASLEEP:
        since = f" since {format_time(view.asleep_since)}" if view.asleep_since else ""
        hours = f" Its hours begin {format_time(view.wakes_at)}." if view.wakes_at else ""
        yield f"Asleep{since}, with all its data. Open the URL, or comment {code('/eph wake')}: both wake it.{hours}"
    elif view.rules and view.commit:
        yield f"{'; '.join(text(rule) for rule in view.rules).capitalize()}. A visit wakes it again."


def _expiry(view: EnvironmentView, now: datetime) -> Iterator[str]:
    if view.kept and view.phase is not Phase.WAITING:
        yield f"Kept: it does not expire. The comment {code('/eph unkeep')} lets its time count again."
    if view.expires_at is None or not (view.commit or view.phase in _IN_PROGRESS_PHASES):
        return
    soon = "**Expires soon:**" if view.expires_soon or view.expires_at <= now else "Expires"
    longer = code("/eph extend 24h")
    yield f"{soon} {format_time(view.expires_at)}. A push starts the time anew; the comment {longer} adds to it."


def _problems(view: EnvironmentView) -> str:
    if not view.problems:
        return ""
    shown = [f"- {code(problem)}" for problem in view.problems[:MAX_PROBLEMS]]
    more = len(view.problems) - len(shown)
    rest = [f"- and {more} more: {code('eph validate')} shows them all"] if more else []
    return "\n".join(["**What to change in eph.yaml**", "", *shown, *rest])


def _notices(view: EnvironmentView) -> str:
    """What people asked for in eph.yaml and do not get; each sentence names its line."""
    if not view.notices or view.phase in GONE_PHASES:
        return ""
    shown = [f"- {code(notice)}" for notice in view.notices[:MAX_NOTICES]]
    more = len(view.notices) - len(shown)
    return "\n".join(["**Asked for in eph.yaml, and not done**", "", *shown, *([f"- and {more} more"] if more else [])])


def _failure(view: EnvironmentView) -> str:
    """Shown while it is news: not once the environment is ready, nor after it is gone on purpose."""
    failure = view.failure
    if failure is None or view.phase in (Phase.READY, Phase.DESTROYED, Phase.EXPIRED, Phase.ASLEEP):
        return ""
    step = f" at {code(failure.step)}" if failure.step else ""
    commit = f" on commit {code(short_sha(failure.commit))}" if failure.commit else ""
    head = f"**What failed**{step}{commit}, {format_time(failure.at)}: {text(failure.error)}"
    tail = fence(failure.tail) if any(line.strip() for line in failure.tail) else ""
    return "\n\n".join(part for part in [head, tail, _next_try(failure)] if part)


def _next_try(failure: FailureView) -> str:
    tries = {0: "", 1: "Tried once."}.get(failure.tries, f"Tried {failure.tries} times.")
    now = f"A push, or the comment {code('/eph retry')}, tries again at once."
    return " ".join(
        filter(None, [tries, f"Next try {format_time(failure.next_try)}." if failure.next_try else "", now])
    )


def _reply(reply: ChatReply) -> str:
    """What people asked in a comment: their words as code, ours as prose, output as it is and nothing else."""
    answer = reply.result
    head = f"{code(reply.command)} by {code(reply.author)}: {text(answer.text)}"
    if not answer.lines:
        return head
    listed = [f"- {text(line)}" for line in answer.lines[:MAX_REPLY_LINES] if plain(line)]
    return f"{head}\n\n{fence(answer.lines) if answer.verbatim else chr(10).join(listed)}"


def _command(view: EnvironmentView) -> str:
    return f"An operator goes on with {code(view.command)}." if view.phase is Phase.HELD and view.command else ""


def _help(view: EnvironmentView) -> str:
    why = f"Why it is so: {code(f'eph why {view.name}')}."
    more = f"What can be said in a comment: {code('/eph help')}."
    return why if view.phase in GONE_PHASES else f"{why} What it prints: {code(f'eph logs {view.name}')}. {more}"
