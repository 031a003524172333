"""Confirmation tokens for what can't be undone. A tool that receives none explains what it would do and returns one.

A token is bound to the caller, the environment and the commit that is live, and expires. Nothing is stored, so any
replica can check it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.auth.identities import Caller
from orchestrator.core.views.environment_views import EnvironmentView

VALID_FOR = timedelta(minutes=5)
DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class DestroyConfirmations:
    """``key`` is the server's key for sessions."""

    key: bytes

    def issue(self, caller: Caller, view: EnvironmentView, now: datetime, action: str = DESTROY) -> str:
        """``action``: what the token confirms."""
        return self._sign(caller, view, int((now + VALID_FOR).timestamp()), action)

    def is_valid(self, token: str, caller: Caller, view: EnvironmentView, now: datetime, action: str = DESTROY) -> bool:
        end, _, _ = token.partition(".")
        if not end.isdecimal() or len(end) > 12 or int(end) < now.timestamp():
            return False
        return hmac.compare_digest(self._sign(caller, view, int(end), action), token)

    def _sign(self, caller: Caller, view: EnvironmentView, end: int, action: str) -> str:
        text = "\0".join((action, caller.token, caller.name, str(view.ref), view.commit, str(end)))
        return f"{end}.{hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:32]}"
