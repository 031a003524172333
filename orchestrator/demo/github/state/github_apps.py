"""GitHub Apps of the sandbox: who holds a key, where it was installed, and the tokens that were bought with it.

An App is a person called ``slug[bot]`` who may write where it is installed and see nothing elsewhere that is not
public. Written from GitHub's public documentation of App authentication.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, Hub, not_found

TOKEN_LIFETIME = timedelta(hours=1)
JWT_SECONDS = 600
BOT_SUFFIX = "[bot]"


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """``quota_key``: what the quota is counted on. ``app`` or ``installation``: when it is one."""

    login: str = ""
    quota_key: str = ""
    app: int = 0
    installation: int = 0


def create(hub: Hub, slug: str) -> Document:
    """With the private key, which is shown this once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    made = hub.store.add("app", {"slug": slug, "key": public.decode()}, key=slug)
    hub.store.add("user", {"login": f"{slug}{BOT_SUFFIX}"}, key=f"{slug}{BOT_SUFFIX}")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {**made, "private_key": private.decode()}


def install(hub: Hub, app: int, account: str) -> Document:
    doc = {"app": app, "account": account, "suspended_at": None, "created_at": hub.timestamp()}
    return hub.store.add("installation", doc, key=account.lower())


def suspend(hub: Hub, installation: int, suspended: bool) -> Document:
    found = get_installation(hub, installation)
    new = {**found, "suspended_at": hub.timestamp() if suspended else None}
    hub.store.save("installation", new)
    return new


def uninstall(hub: Hub, installation: int) -> None:
    hub.store.delete("installation", get_installation(hub, installation)["id"])


def revoke_tokens(hub: Hub) -> None:
    """Every token that was bought is good no more."""
    for doc in hub.store.find("app_token"):
        hub.store.delete("app_token", doc["id"])


def get_installation(hub: Hub, installation: int) -> Document:
    found = hub.store.get("installation", installation)
    if found is None:
        raise not_found()
    return found


def installations_of(hub: Hub, app: int) -> list[Document]:
    return [doc for doc in hub.store.find("installation") if doc["app"] == app]


def create_token(hub: Hub, app: int, installation: int) -> Document:
    found = get_installation(hub, installation)
    if found["app"] != app:
        raise not_found()
    if found["suspended_at"]:
        raise GitHubApiError(403, "This installation has been suspended")
    token = f"ghs_{secrets.token_hex(20)}"
    until = (hub.now() + TOKEN_LIFETIME).replace(microsecond=0)
    hub.store.add("app_token", {"installation": installation, "until": until.isoformat()}, key=token)
    return {"token": token, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "repository_selection": "all"}


def caller_for_token(hub: Hub, token: str) -> ApiCaller | None:
    doc = hub.store.first("app_token", key=token)
    if doc is None or datetime.fromisoformat(doc["until"]) <= hub.now():
        return None
    installation = hub.store.get("installation", doc["installation"])
    if installation is None or installation["suspended_at"]:
        return None
    app = hub.store.get("app", installation["app"])
    slug = app["slug"] if app else ""
    return ApiCaller(f"{slug}{BOT_SUFFIX}", f"installation {installation['id']}", 0, installation["id"])


def caller_for_jwt(hub: Hub, token: str) -> ApiCaller:
    """A JWT by the App's key. Refused as GitHub does: another key, times that are wrong."""
    wrong = GitHubApiError(401, "A JSON web token could not be decoded")
    try:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
    except jwt.PyJWTError:
        raise wrong from None
    app = hub.store.get("app", int(issuer)) if issuer.isdecimal() else None
    if app is None:
        raise wrong
    try:
        said = jwt.decode(token, app["key"], algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
    except jwt.PyJWTError:
        raise wrong from None
    now = hub.now().timestamp()
    if said.get("exp", 0) <= now or said.get("exp", 0) > now + JWT_SECONDS:
        raise GitHubApiError(401, "'Expiration time' claim ('exp') must be a numeric value in the next 10 minutes")
    if said.get("iat", 0) > now:
        raise GitHubApiError(401, "'Issued at' claim ('iat') must be an Integer representing a time in the past")
    return ApiCaller(f"{app['slug']}{BOT_SUFFIX}", f"app {app['id']}", app["id"])
