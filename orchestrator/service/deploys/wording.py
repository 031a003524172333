"""Sentences about deploys by label and working copies."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.util.formatting import commit, duration, format_time

REF_OR_VERSION = (
    "Say what to deploy: a branch or tag (--ref), a version that was built (--version), or an upload of a working copy."
)


NO_UPLOADS = "This server doesn't accept working copies. Push a branch and deploy it with --ref."


def unknown_upload(sha: str) -> str:
    return f"You have no upload {sha[:40]!r} on this server, or it was removed since. Upload the working copy again."


def invalid_upload(problem: str) -> str:
    return f"The upload was refused: {problem}"


def upload_too_large(limit: int) -> str:
    return (
        f"The upload is larger than {limit // 1_000_000} MB, this server's limit (deploys.upload_mb). "
        "Exclude files with .ephignore, or push a branch and deploy it with --ref."
    )


UPLOAD_TIMEOUT = (
    "The upload took too long. Try again on a faster connection, exclude files with .ephignore, or push a branch and "
    "deploy it with --ref."
)


def too_many_uploads(limit: int, kept: timedelta) -> str:
    return (
        f"{limit} uploads of yours aren't deployed yet. Deploy them, or wait: they are removed after {duration(kept)}."
    )


def deploy_requested(deploy: LabelDeploy) -> str:
    return (
        f"requested the deploy {deploy.label} of commit {commit(deploy.commit)} until {format_time(deploy.expires_at)}"
    )


def label_too_long(label: str, name: str) -> str:
    return f"The label {label} is too long for an environment named {name}. Use a shorter one."


def deploy_not_found(deploy: str) -> str:
    return (
        f"The server doesn't know the deploy {deploy[:80]!r}. It restarted since, or the deploy ended over an hour ago."
    )


def deploy_withdrawn(person: str) -> str:
    return f"{person} destroyed the deploy"


def deploy_not_kept(name: str) -> str:
    return f"{name} is a label deploy, which always expires. Extend it, or deploy it again with another TTL."


def extended_too_far(name: str, latest: datetime) -> str:
    return f"{name} is a label deploy. It can be extended until {format_time(latest)} at most."


def being_replaced(name: str, deploy: LabelDeploy) -> str:
    return (
        f"{name} is being replaced by commit {commit(deploy.commit)}, which expires at "
        f"{format_time(deploy.expires_at)}. Extend it once that commit is live, or deploy it again with another TTL."
    )


def invalid_ttl(length: timedelta, most: timedelta) -> str:
    given = duration(length) if length > timedelta(0) else f"{length.total_seconds():.0f} s"
    return f"A TTL of {given} isn't possible. Use more than 0 s and at most {duration(most)}."


def unknown_app(name: str, known: list[str]) -> str:
    choice = ", ".join(known) or "none"
    return f"Unknown repository {name!r}. Known: {choice}." if name else f"Say which repository to deploy: {choice}."


def unknown_ref(repository: str, name: str) -> str:
    return (
        f"{repository} has no branch or tag {name[:80]!r}. A commit can be deployed with --version once it was built."
    )


def unknown_version(version: str, matches: int, known: list[str]) -> str:
    choice = ", ".join(known) or "none"
    problem = f"is the beginning of {matches} versions" if matches else "isn't a version that was built"
    return f"{version[:80]!r} {problem}. Built: {choice}."


def refs_unreadable(repository: str, reason: object) -> str:
    return f"The branches and tags of {repository} can't be read right now: {reason}"


def origin_unknown(repository: str, sha: str) -> str:
    return f"Whether commit {commit(sha)} is a fork's isn't known, because {repository} can't be read right now."


def invalid_recipe(sha: str, problems: tuple[str, ...]) -> str:
    return f"Commit {commit(sha)} can't be deployed: {'; '.join(problems)}"


def host_reserved(host: str) -> str:
    return f"{host} already leads to an app or to Eph itself. Use another label."


def host_taken(host: str, owner: str) -> str:
    return f"{host} already leads to {owner}. Use another label."


def too_many_deploys(owner: str, limit: int) -> str:
    return (
        f"This token allows at most {limit} live label deploys, and {owner} has as many. Destroy one of them with "
        "`eph down`, or deploy under one of their labels. `eph versions --ephemeral` lists them."
    )


def made_room(label: str) -> str:
    return f"it was the closest to expiry and was destroyed to make room for {label}"
