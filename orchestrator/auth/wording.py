"""Sign-in, tokens and share links: refusals, and messages for the audit trail."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

# --- Preview tokens


def preview_token_too_short(path: Path, length: int) -> str:
    return f"{path} has no token of {length} characters or more; delete the file to get a new one"


# --- Share links

WITH_PASSWORD = ", with a password"


def link_valid_until(expires_at: datetime, protection: str) -> str:
    return f"until {expires_at:%Y-%m-%d %H:%M} UTC{protection}"


def unknown_link(link: str) -> str:
    return f"There is no share link {link!r}. Run `eph share list`."


LINK_REVOKED = "it no longer opens the preview"
LINK_INVALID = "This link has expired or was revoked. Ask for a new one."


def share_link(link: str) -> str:
    return f"share link {link}"


def created_by(person: str) -> str:
    return f"created by {person}"


TOO_MANY_PASSWORDS = "Too many wrong passwords. Try again in 10 minutes."


def link_changed(link: str, environment: str, detail: str) -> str:
    return f"Share link {link} of {environment}: {detail}."


def link_lifetime_limit(days: int) -> str:
    return f"A share link is valid for at most {days} days."


def password_length(shortest: int, longest: int) -> str:
    return f"A password has {shortest} to {longest} characters."


def no_url_yet(environment: str) -> str:
    return f"{environment} has no URL yet. Try again once it is ready."


def links_unavailable(database: str, error: str) -> str:
    return f"The share links at {database} can't be read or written: {error}."


# --- The identity provider


def provider_refused(error: object) -> str:
    return f"The identity provider refused the sign-in: {error}."


def provider_returned(status: int) -> str:
    return f"The identity provider returned {status}."


def provider_silent(kind: str) -> str:
    return f"The identity provider doesn't respond ({kind})."


PROVIDER_NOT_JSON = "The identity provider's response isn't JSON."


def other_issuer(url: str, issuer: str) -> str:
    return f"{url} doesn't describe the issuer {issuer}; check the setting auth.issuer."


def invalid_id_token(kind: str) -> str:
    return f"The identity provider's ID token isn't valid: {kind}."


ID_TOKEN_OF_OTHER_APP = "The identity provider's ID token is for another application."
USERINFO_OF_OTHER_PERSON = "The identity provider's userinfo is about another person."


def claim_missing(claim: str) -> str:
    return f"The identity provider sent no {claim!r}; check the setting auth.name_claim."


EMAIL_UNVERIFIED = (
    "The identity provider hasn't verified your email address. Verify it there; or an operator can set "
    "auth.name_claim to another claim that people can't change, such as preferred_username."
)


def configuration_lacks(key: str) -> str:
    return f"The identity provider's configuration has no {key}."


# --- People and tokens


def no_role_for_you(person: str) -> str:
    return f"You are {person}, but none of your groups has a role here. Ask an Eph administrator."


UNUSABLE_NAME = "The identity provider sent a name that Eph can't use in its audit trail."


def tokens_unavailable(database: str, error: str) -> str:
    return f"The tokens at {database} can't be read or written: {error}."


def signed_in(person: str, role: str) -> str:
    return f"{person} signed in as {role}."


def no_role(person: str) -> str:
    return f"{person} has no role here."


def unknown_token(token: str) -> str:
    return f"There is no token {token!r}. Run `eph auth token list`."


def token_created(token: str, owner: str, role: str, scope: str, until: str) -> str:
    return f"Token {token} of {owner}, {role}{scope}, until {until}."


def at_most_deploys(limit: int) -> str:
    return f", at most {limit} label deploys"


def too_many_deploys(limit: int) -> str:
    return f"Your own token allows at most {limit} label deploys."


def token_revoked(token: str, owner: str) -> str:
    return f"Token {token} of {owner}."


def role_too_high(role: str) -> str:
    return f"You can't create a token with the role {role}: it exceeds your own."


def token_lifetime_limit(days: int) -> str:
    return f"A token is valid for at most {days} days."


INVALID_LABEL = "The label has control characters or more than 100 characters."


def not_a_repository(pattern: str) -> str:
    return f"{pattern!r} is not a repository; use owner/name or owner/*."


def not_covered(pattern: str) -> str:
    return f"Your own token doesn't cover {pattern!r}."


ONLY_ADMIN_FOR_SERVICES = "Only an admin can create tokens for services."
INVALID_SERVICE_NAME = "The name of a service has 1 to 40 lowercase letters, digits and dashes."
NAME_THE_SERVICE = "This token doesn't belong to a person. Name the service that the new token is for."


# --- Clients of coding agents

UNNAMED_CLIENT = "an unnamed client"
TOO_MANY_CODES = "too many clients are being signed in; try again in a minute"
CLIENT_TOO_LONG = "the client's name, URIs and state are too long"


def redirect_uri_count(most: int) -> str:
    return f"a client has 1 to {most} redirect URIs"


def redirect_uri_not_allowed(uri: str) -> str:
    return f"redirect URI {uri}: use https, or http on this machine"
