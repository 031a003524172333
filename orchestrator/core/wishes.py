"""What should be, for one environment: wanted, not wanted, or left as it is because something is missing.

Read ``of`` from the top like a table: the first line that applies decides. ``Unwanted`` needs a statement by the Git
host, or by a person; whatever is less than that ends in ``Stay``. A reading that failed is never read as 'gone'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core import expiries, globs, reasons, rests, sought
from orchestrator.core.actions import Because, Confirm, Expire, Find, Hold, Refuse, Revive, Unlabel, Wait
from orchestrator.core.model import CheckState, PullState, Recipe, RecipeError, RepositoryFacts
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class At:
    """What every decision of one plan shares."""

    policy: Policy
    now: datetime
    stacks_complete: bool = True
    stacks_reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Unwanted:
    """``guarded``: not stated positively. ``loud``: worth a word on the pull request even when nothing exists."""

    reason: str
    guarded: bool = False
    loud: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Stay:
    """Whatever exists stays as it is, and this is said or done about it."""

    action: Wait | Refuse | Hold | Confirm | Find | Expire | Unlabel | Revive


Wish = Wanted | Unwanted | Stay


def of(subject: Subject, at: At) -> Wish:
    down, again = subject.asked("down"), subject.asked("retry")
    if down is not None and (again is None or again.at < down.at):  # a person's word needs no Git host
        return Unwanted(f"{down.by} asked to take it down", loud=True)
    if subject.repository is None:  # nobody tells us about it any more: an operator decides
        return Stay(_not_served(subject))
    if subject.candidate is None:  # not among the labelled ones: why?
        return _absent(subject, subject.repository)
    stated = _stated(subject, at)
    if (
        stated is not None and not subject.repository.is_whole(subject.key.number) and _exists(subject)
    ):  # half an answer destroys nothing
        return Stay(_incomplete(subject, subject.repository))
    if stated is not None:  # closed, unlabelled, expired, a draft: the Git host says so
        return _afterlife(subject, stated, at) or stated
    over = _over(subject, at)
    if over is not None:  # its time is up: first the mark, then the destroy
        return Stay(over)
    return _fit(subject, at)


def _exists(subject: Subject) -> bool:
    return subject.record is not None or subject.running is not None


def _not_served(subject: Subject) -> Hold:
    return Hold(
        subject.ref,
        f"the repository of {subject.title} is not among those that this server is told to serve, "
        "so nothing says whether it is still wanted",
        f"eph down {subject.ref}",
    )


def _absent(subject: Subject, repository: RepositoryFacts) -> Wish:
    """A stack whose pull request is not among the labelled ones."""
    if subject.key.kind is not RefKind.PULL:
        return _absent_ref(subject, repository)
    number = subject.key.number
    confirmed = repository.confirmed.get(number)
    if number in repository.open:
        if repository.complete:  # open, read whole, and without our label
            return Unwanted(f"{subject.title} carries no label that asks for an environment")
        return Stay(_incomplete(subject, repository))
    if confirmed is not None and confirmed.state in (PullState.CLOSED, PullState.MERGED):  # stated for this very one
        return Unwanted(f"{subject.title} is {confirmed.state}")
    if confirmed is not None and confirmed.state is PullState.GONE:  # weaker: a wrong id or a bug could say this
        return Unwanted(f"{subject.title} does not exist on the Git host", guarded=True)
    if not repository.complete:  # absence from half a list proves nothing
        return Stay(_incomplete(subject, repository))
    if confirmed is None:  # absent from a whole list: ask for that very one
        return Stay(Confirm(subject.ref, subject.key, f"{subject.title} is not among the open pull requests"))
    return Stay(Hold(subject.ref, f"{subject.title} is open, but was not in the list; the next look will tell"))


def _absent_ref(subject: Subject, repository: RepositoryFacts) -> Wish:
    """A stack whose branch or tag is not among the watched ones: is it gone, or is it watched no more?"""
    kind, confirmed = subject.key.kind, repository.confirmed.get(subject.key.number)
    if not repository.is_whole(subject.key.number):
        return Stay(_incomplete(subject, repository))
    if confirmed is None:
        reason = f"{subject.title} is not among what the triggers of eph.yaml name (a {kind})"
        return Stay(Confirm(subject.ref, subject.key, reason, subject.ref_name))
    if confirmed.state is PullState.GONE:
        return Unwanted(f"the {kind} {subject.ref_name} does not exist on the Git host", guarded=True)
    if not globs.any_matches(repository.watched.of(kind), confirmed.head_ref):
        return Unwanted(f"no trigger in the default branch's eph.yaml names the {kind} {confirmed.head_ref}")
    return Stay(Hold(subject.ref, f"{subject.title} is there, but was not in the list; the next look will tell"))


def _incomplete(subject: Subject, repository: RepositoryFacts) -> Hold:
    why = repository.reason or repository.refs_reason or "the Git host's answer was not whole"
    return Hold(subject.ref, f"{repository.full_name} could not be read whole ({why}), so nothing of it is destroyed")


def _stated(subject: Subject, at: At) -> Unwanted | None:
    """The Git host says positively that this pull request gets no environment."""
    candidate = subject.candidate
    if candidate is None:
        return None
    pull, recipe = candidate.pull, candidate.recipe
    if pull.state is not PullState.OPEN:
        return Unwanted(f"{subject.title} is {pull.state}")
    # A broken eph.yaml cannot say which labels it means: it never takes away what it once gave.
    unlabelled = pull.key.kind is RefKind.PULL and not pull.labels & recipe.labels
    if unlabelled and (isinstance(recipe, Recipe) or not _exists(subject)):
        wanted = reasons.listing(recipe.labels) or "none at all"
        return Unwanted(f"{subject.title} carries no label that asks for an environment (here: {wanted})")
    if expiries.is_marked(subject, at.policy, at.now):
        _, unused, why = candidate.expired_why.partition(rests.UNUSED)
        over = f"{unused}{why}" if unused else f"the time of commit {reasons.commit(subject.head)} ran out"
        return Unwanted(over, loud=True, expired=True)
    if isinstance(recipe, Recipe) and pull.draft and not recipe.drafts:
        return Unwanted(f"{subject.title} is a draft, and its eph.yaml wants none for drafts", loud=True)
    if isinstance(recipe, Recipe) and recipe.paths and candidate.touches is False:
        paths = reasons.listing(recipe.paths)
        return Unwanted(f"{subject.title} changes no file that its eph.yaml names (paths: {paths})", loud=True)
    return None


def _afterlife(subject: Subject, stated: Unwanted, at: At) -> Stay | None:
    """What expired loses its label once it is gone; and a label that comes back is a person who asks for more."""
    candidate = subject.candidate
    if not stated.expired or candidate is None or _exists(subject) or not at.stacks_complete:
        return None
    commit, labels = subject.head, tuple(sorted(candidate.pull.labels & candidate.recipe.labels))
    if candidate.label_off and labels:
        reason = f"its label was put on again after the time of commit {reasons.commit(commit)} ran out"
        return Stay(Revive(subject.ref, subject.key, commit, reason))
    if candidate.label_off is None and labels:
        return Stay(Unlabel(subject.ref, subject.key, commit, labels, stated.reason))
    return None


def _over(subject: Subject, at: At) -> Expire | None:
    end = expiries.expires_at(subject, at.policy, at.now)
    if subject.candidate and subject.candidate.expired:
        return None
    unused = rests.unused(subject, at.policy, at.now)
    if unused:
        return Expire(subject.ref, subject.key, subject.head, unused)
    if end is None or end > at.now:
        return None
    ttl = reasons.duration(expiries.ttl(subject, at.policy))
    reason = f"its time ran out at {reasons.moment(end)} ({ttl} after the newest commit, or the last extension)"
    return Expire(subject.ref, subject.key, subject.head, reason)


def _fit(subject: Subject, at: At) -> Wish:
    """Open, labelled and in time: may it be built, and is everything known that building needs?"""
    candidate = subject.candidate
    if candidate is None:
        raise ValueError(f"{subject.ref} has no pull request to judge")
    pull, recipe = candidate.pull, candidate.recipe
    if pull.from_fork and (not at.policy.forks or not candidate.approved):  # nothing of a fork's runs unseen
        return Stay(_unapproved(subject, at))
    if isinstance(recipe, RecipeError):
        return Stay(_unreadable_recipe(subject, recipe))
    guarded = recipe.spec.target in at.policy.trusted_authors_only
    if guarded and pull.from_fork and not at.policy.approval_is_trust:
        return Stay(_outside(subject, recipe))
    if guarded and not pull.from_fork and not pull.author_trusted:
        return Stay(_untrusted(subject, recipe, pull.author, pull.author_trusted))
    if recipe.paths and candidate.touches is None and not _exists(subject):
        reason = f"what {subject.title} changes could not be read yet, and its eph.yaml names the paths that count"
        return Stay(Wait(subject.ref, subject.key, reason))
    missing = _missing_checks(subject, recipe)
    if missing:
        return Stay(Wait(subject.ref, subject.key, missing, because=Because.CHECKS))
    whole = sought.judge(subject, recipe, at.policy, at.now)
    return Wanted(whole) if isinstance(whole, Recipe) else Stay(whole)


def _unreadable_recipe(subject: Subject, error: RecipeError) -> Wait | Refuse:
    commit = reasons.commit(subject.head)
    if error.transient:
        why = "; ".join(error.problems) or "the Git host did not answer"
        return Wait(subject.ref, subject.key, f"eph.yaml at {commit} could not be read just now: {why}")
    stays = "; the environment stays as it was" if subject.record else ""
    return Refuse(subject.ref, subject.key, f"eph.yaml at {commit} is not valid{stays}", error.problems)


def _unapproved(subject: Subject, at: At) -> Wait | Refuse:
    """The label alone never lets a fork run: people who may label may still not be let push."""
    if not at.policy.forks:
        return Refuse(
            subject.ref, subject.key, f"{subject.title} comes from a fork, and this server runs nothing of one"
        )
    reason = (
        f"{subject.title} comes from a fork and waits for approval of commit {reasons.commit(subject.head)} by someone "
        f"with write access: comment `/eph approve`, or run `eph approve {subject.title}`"
    )
    return Wait(subject.ref, subject.key, reason, because=Because.APPROVAL)


def _outside(subject: Subject, recipe: Recipe) -> Refuse:
    reason = (
        f"{subject.title} comes from a fork, and the target {recipe.spec.target} of this server runs only what people "
        "with write access pushed, approved or not"
    )
    return Refuse(subject.ref, subject.key, reason)


def _untrusted(subject: Subject, recipe: Recipe, author: str, trusted: bool | None) -> Wait | Refuse:
    target = recipe.spec.target
    if trusted is None:
        reason = f"whether {author} may write to the repository could not be found out yet; {target} needs it"
        return Wait(subject.ref, subject.key, reason)
    reason = f"{author} may not write to the repository, and the target {target} runs only what such people pushed"
    return Refuse(subject.ref, subject.key, reason)


def _missing_checks(subject: Subject, recipe: Recipe) -> str:
    """The sentence for checks that are not green; empty when nothing is missing, or this commit is built already."""
    checks = subject.candidate.checks if subject.candidate else {}
    built = subject.record.built if subject.record else None
    if not recipe.wait_for_checks or (built is not None and built.commit == subject.head):
        return ""
    found = [pair for name in recipe.wait_for_checks for pair in _states(name, checks)]
    failed = [name for name, state in found if state is CheckState.FAILED]
    open_ = [name for name, state in found if state in (None, CheckState.PENDING)]
    parts = [f"{reasons.listing(failed)} failed"] if failed else []
    parts += [f"{reasons.listing(open_)} not done"] if open_ else []
    return f"waits for checks of {reasons.commit(subject.head)}: {', '.join(parts)}" if parts else ""


def _states(wanted: str, checks: Mapping[str, CheckState]) -> list[tuple[str, CheckState | None]]:
    """A name, or a glob of names: then all of them, and while there is none the glob itself is missing."""
    if wanted in checks or not globs.has_wildcard(wanted):
        return [(wanted, checks.get(wanted))]
    return [(name, checks[name]) for name in sorted(checks) if globs.matches(wanted, name)] or [(wanted, None)]
