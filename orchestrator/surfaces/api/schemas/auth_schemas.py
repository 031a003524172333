"""The API's responses about callers, tokens and sign-in; shared with the CLI, so only Pydantic is imported."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

RoleName = Literal["viewer", "developer", "admin"]
SECONDS_A_DAY = 86400


class WhoAmI(BaseModel):
    """The caller, as Eph sees it."""

    name: str = Field(description="As in the audit trail.")
    role: RoleName
    repositories: list[str] = Field(description="The repositories that the token is restricted to; empty means all.")
    token: str = Field(description="The token's ID; empty for the server's own token.")
    expires_at: datetime | None
    max_deploys: int = Field(default=0, description="The most live label deploys; 0 means no limit.")


class TokenItem(BaseModel):
    """A token, without its secret, which is stored nowhere."""

    id: str
    owner: str
    kind: str = Field(description="session, cli, person or service")
    label: str
    role: RoleName
    repositories: list[str]
    created_at: datetime | None
    expires_at: datetime | None
    max_deploys: int = Field(default=0, description="The most live label deploys of its owner; 0 means no limit.")


class TokenList(BaseModel):
    items: list[TokenItem]


class NewToken(BaseModel):
    """A request for a token: for a service if one is named, otherwise for the caller."""

    service: str = Field(default="", max_length=40)
    label: str = Field(default="", max_length=100)
    role: RoleName = "viewer"
    repositories: list[str] = Field(default=[], max_length=50, description="owner/name or owner/*; empty means all.")
    seconds: int = Field(default=30 * SECONDS_A_DAY, gt=0, le=365 * SECONDS_A_DAY)
    max_deploys: int = Field(
        default=0, ge=0, le=1000, description="Refuse a new label deploy while its owner has this many; 0: no limit."
    )


class CreatedToken(BaseModel):
    secret: str = Field(description="The token itself. It is shown only here.")
    token: TokenItem


class DeviceStart(BaseModel):
    label: str = Field(default="", max_length=100, description="What the client says about itself, for people.")


class DeviceCodes(BaseModel):
    device_code: str
    user_code: str = Field(description="The code that a person enters at the URL.")
    verification_url: str
    interval: int = Field(description="Seconds between two polls.")
    expires_in: int


class DevicePoll(BaseModel):
    device_code: str = Field(max_length=200)


class DeviceResult(BaseModel):
    """``token`` is null until a person has confirmed."""

    state: Literal["pending", "approved"]
    token: CreatedToken | None = None


class NewShareLink(BaseModel):
    """A request for a link that opens one preview without an account."""

    environment: str = Field(max_length=300, description="Its name, owner/repo#42 or stack.")
    seconds: int = Field(default=SECONDS_A_DAY, gt=0, le=30 * SECONDS_A_DAY)
    password: str = Field(default="", max_length=200, description="At least 8 characters; empty for none.")


class ShareLinkItem(BaseModel):
    """A share link, without its secret, which is stored nowhere."""

    id: str
    environment: str
    repository: str
    has_password: bool
    created_by: str
    created_at: datetime
    expires_at: datetime


class ShareLinkList(BaseModel):
    items: list[ShareLinkItem]


class CreatedShareLink(BaseModel):
    url: str = Field(description="The link itself. It is shown only here.")
    link: ShareLinkItem
