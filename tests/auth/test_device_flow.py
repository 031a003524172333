"""How many clients may wait for a confirmation, with a manual clock. Row: S1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.auth.device_flow import LIFETIME, MAX_PENDING, MAX_PENDING_PER_CLIENT, DeviceFlow, TooManyPending
from orchestrator.auth.identities import Caller, Role


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def fill(flow: DeviceFlow, address: str) -> None:
    for _ in range(MAX_PENDING_PER_CLIENT):
        flow.start("x", address)


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [("192.0.2.1", "192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1")],
)
def test_a_client_that_starts_too_many_keeps_only_itself_from_signing_in(address: str, same: str, other: str) -> None:
    """A person has 2**64 IPv6 addresses."""
    clock = Clock()
    flow = DeviceFlow(clock)
    fill(flow, address)
    with pytest.raises(TooManyPending):
        flow.start("x", same)
    flow.start("x", other)
    clock.now += LIFETIME
    flow.start("x", same)


def test_many_clients_replace_the_oldest_request() -> None:
    flow = DeviceFlow(Clock())
    _, oldest = flow.start("x", "192.0.2.1")
    for number in range(MAX_PENDING // MAX_PENDING_PER_CLIENT):
        fill(flow, f"198.51.100.{number}")
    assert flow.pending(oldest.user_code) is None
    _, newest = flow.start("x", "192.0.2.1")
    assert flow.pending(newest.user_code) is newest
    assert len(flow._requests) == MAX_PENDING


def test_a_request_that_was_fetched_no_longer_counts() -> None:
    flow = DeviceFlow(Clock())
    code, request = flow.start("x", "192.0.2.1")
    for _ in range(MAX_PENDING_PER_CLIENT - 1):
        flow.start("x", "192.0.2.1")
    flow.decide(request, Caller("grace", Role.DEVELOPER, person="grace"), approve=True)
    flow.fetch(code)
    flow.start("x", "192.0.2.1")
