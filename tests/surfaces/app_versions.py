"""The environments of an app: its active version, and one under a label that replaced another commit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.core.views.environment_views import EarlierBuild, EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, sample
from stacks import keys
from stacks.model import RefKind, StackRef

ACTIVE, EPHEMERAL, REPLACED = "a" * 40, "b" * 40, "c" * 40


def app_views(repository: str = "demo/shop") -> list[EnvironmentView]:
    short = repository.partition("/")[2]
    project, host = f"eph-{short}-9ix", f"{short}.localhost"
    active = replace(
        sample(70, repository=repository),
        ref=StackRef(project, "branch-main"),
        key=keys.ref(1, RefKind.BRANCH, "main"),
        ref_name="main",
        host=host,
        app=host,
        url=f"http://{host}:8080",
        commit=ACTIVE,
        built_at=START - timedelta(hours=3),
        expires_at=None,
    )
    deploy = replace(
        sample(71, Phase.ASLEEP, repository),
        ref=StackRef(project, "deploy-feat-x"),
        key=keys.ref(1, RefKind.DEPLOY, "feat-x"),
        ref_name="feat-x",
        host=f"feat-x.{host}",
        app=host,
        url=f"http://feat-x.{host}:8080",
        commit=EPHEMERAL,
        author="bob",
        built_at=START - timedelta(hours=1),
        expires_at=START + timedelta(hours=5),
        earlier_builds=(EarlierBuild(REPLACED, START - timedelta(hours=2)),),
    )
    return [active, deploy]
