"""Which role uses too much of the shared PostgreSQL server (S3)."""

from __future__ import annotations

import pytest

from programs.kit.database.session_usage import (
    RoleUsage,
    ServerUsage,
    SessionBounds,
    SharedResource,
    find_excesses,
)

BOUNDS = SessionBounds(memory=1000, locks=100, all_locks=250, temporary=500, notifications=0.1, transaction=5)
LOCKS, MEMORY = SharedResource.LOCKS, SharedResource.MEMORY
TEMPORARY, NOTIFICATIONS = SharedResource.TEMPORARY_FILES, SharedResource.NOTIFICATIONS


def excesses(*roles: RoleUsage, notifications: float = 0.0) -> list[tuple[int, SharedResource]]:
    return [(role.role, resource) for role, resource in find_excesses(ServerUsage(roles, notifications), BOUNDS)]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (RoleUsage(1, locks=100, memory=1000, temporary=500, transaction=900), []),
        (RoleUsage(1, locks=101), [(1, LOCKS)]),
        (RoleUsage(1, memory=1001), [(1, MEMORY)]),
        (RoleUsage(1, temporary=501), [(1, TEMPORARY)]),
        (RoleUsage(1, locks=101, memory=1001, temporary=501), [(1, LOCKS)]),
    ],
)
def test_role_beyond_a_bound_is_found_once(usage: RoleUsage, expected: list[tuple[int, SharedResource]]) -> None:
    assert excesses(usage, RoleUsage(2, locks=5)) == expected


def test_several_roles_that_fill_the_table_together_end_until_there_is_room() -> None:
    """Each of them is within its own bound."""
    roles = [RoleUsage(number, locks=80 + number) for number in range(4)]
    assert excesses(*roles) == [(3, LOCKS)]
    assert excesses(*roles, RoleUsage(4, locks=95), RoleUsage(5, locks=1)) == [(4, LOCKS), (3, LOCKS)]


def test_oldest_transaction_ends_while_the_queue_of_notifications_is_full() -> None:
    """The server can't remove what that one may still have to read."""
    young, old = RoleUsage(1, transaction=4), RoleUsage(2, transaction=6)
    assert excesses(young, old, notifications=0.2) == [(2, NOTIFICATIONS)]
    assert excesses(young, old, notifications=0.1) == []
    assert excesses(young, notifications=0.2) == []
    assert excesses(notifications=0.2) == []
