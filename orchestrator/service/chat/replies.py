"""The newest reply to a chat command on each pull request; its comment shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.chat_commands import ChatReply
from stacks.model import Key


@dataclass(frozen=True, slots=True)
class Replies:
    """``reply_only``: pull requests without an environment, whose comment contains only the reply."""

    by_pull: Mapping[Key, ChatReply] = field(default_factory=dict)
    reply_only: frozenset[Key] = frozenset()


class ChatReplies:
    """Written by the command listener, read by the notifier. Lost on restart."""

    def __init__(self) -> None:
        self._replies: dict[Key, tuple[datetime, ChatReply]] = {}

    def add(self, key: Key, at: datetime, reply: ChatReply) -> None:
        self._replies[key] = at, reply

    def keep(self, is_kept: Callable[[Key, datetime], bool]) -> None:
        """Forget every reply for which ``is_kept`` returns false."""
        self._replies = {key: found for key, found in self._replies.items() if is_kept(key, found[0])}

    def clear(self) -> None:
        self._replies = {}

    def current(self) -> Mapping[Key, ChatReply]:
        return {key: reply for key, (_, reply) in self._replies.items()}
