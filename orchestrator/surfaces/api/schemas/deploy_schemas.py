"""What the API says about label deploys and the versions of an app."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from orchestrator.surfaces.api.schemas.environment_schemas import AttributeModel


class DeployBody(BaseModel):
    """What to deploy under a label: a branch or tag (``ref``), a version that was built (``version``), or the caller's
    own upload (``upload``)."""

    label: str = Field(min_length=1, max_length=200, description="Normalized to lowercase letters, digits and dashes.")
    repository: str = Field(default="", max_length=200, description="owner/name. Empty: the only repository.")
    ref: str = Field(default="", max_length=200, description="A branch or a tag.")
    version: str = Field(
        default="", max_length=40, description="The commit of a version that was built, running or replaced."
    )
    upload: str = Field(default="", max_length=40, description="The commit that /deploys/uploads returned.")
    ttl_seconds: int | None = Field(
        default=None, gt=0, le=366 * 86400, description="How long it lives. Default: the server's deploys.ttl."
    )


class UploadItem(AttributeModel):
    """A commit of a working copy. It is removed if its uploader doesn't deploy it within a few minutes."""

    commit: str
    repository: str
    files: int
    size: int = Field(description="The total size of its files, in bytes.")


class DeployItem(AttributeModel):
    """A label deploy. It is never the active version: no check, comment or deployment is created at the Git host."""

    id: str
    state: str = Field(description="pending, deployed, failed or replaced.")
    error: str = Field(description="Why it failed.")
    label: str
    repository: str
    ref: Annotated[str, BeforeValidator(str)] = Field(description="The Pulumi stack, as project/stack.")
    host: str
    url: str = Field(description="Set once it is deployed.")
    commit: str
    expires_at: datetime
    by: str
    progress: str
    replaces: str = Field(description="The commit that is live under this label until then.")
    output: list[str] = Field(default=[], description="The last lines of a failed build.")


class VersionItem(AttributeModel):
    """A version of an app: active, ephemeral (a label deploy), or replaced by a newer one."""

    kind: str = Field(description="active, ephemeral or replaced.")
    repository: str
    app: str = Field(description="The host name of the app's route; empty if its eph.yaml sets none.")
    label: str = Field(description="The label of an ephemeral version; empty for the app's branch.")
    commit: str
    built_at: datetime | None
    by: str = Field(description="Who deployed it, as far as known.")
    environment: str = Field(description="The Pulumi stack, as project/stack.")
    phase: str | None = Field(description="null for a replaced version.")
    url: str = Field(description="Empty for a replaced version.")
    expires_at: datetime | None
    images: dict[str, str] = Field(
        default={}, description="The images that it runs, by name, pinned to digests. Empty for a replaced version."
    )


class VersionList(BaseModel):
    items: list[VersionItem]
