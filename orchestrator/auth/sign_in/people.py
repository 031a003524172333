"""Signs people in: an identity provider says who they are, and their groups decide what they may do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.auth import local_token, wording
from orchestrator.auth.identities import ANONYMOUS
from orchestrator.auth.roles import RolePolicy
from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.port import IdentityProvider, Person, SignInFailed
from orchestrator.auth.token_service import TokenService
from orchestrator.auth.tokens import SERVICE_PREFIX, Token

CALLBACK_PATH = "/auth/callback"
MAX_NAME = 200
RESERVED_NAMES = frozenset({"eph", local_token.OWNER, ANONYMOUS.name})
"""Actors of the audit trail that aren't people."""


@dataclass(frozen=True, slots=True)
class PeopleSignIn:
    """``url`` is the dashboard's public URL, without a slash at the end."""

    provider: IdentityProvider
    policy: RolePolicy
    url: str
    tokens: TokenService
    lifetime: timedelta

    @property
    def redirect_uri(self) -> str:
        return self.url + CALLBACK_PATH

    async def authorization_url(self, attempt: Attempt) -> str:
        return await self.provider.authorization_url(attempt, self.redirect_uri)

    async def complete(self, code: str, attempt: Attempt) -> Token:
        """The token of the new session. Raises SignInFailed, also for a person without a role."""
        person = await self.provider.identify(code, attempt, self.redirect_uri)
        _check_name(person)
        role = self.policy.role(person.groups)
        if role is None:
            await asyncio.to_thread(self.tokens.refuse_session, person.name)
            raise SignInFailed(wording.no_role_for_you(person.name))
        groups = tuple(sorted(person.groups))
        return await asyncio.to_thread(self.tokens.start_session, person.name, role, self.lifetime, groups)


def _check_name(person: Person) -> None:
    name = person.name
    reserved = name.lower() in RESERVED_NAMES or name.lower().startswith(SERVICE_PREFIX)
    if reserved or not name.isprintable() or len(name) > MAX_NAME:
        raise SignInFailed(wording.UNUSABLE_NAME)
