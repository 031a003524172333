"""Limits how often a client can request unknown host names (S5).

Names must not be guessable by trial and error. Each client has a token bucket: a request for an unknown host takes a
token, and time adds them back. A client with an empty bucket gets a 429 for every host that it hasn't reached before:
if only unknown hosts returned it, the difference would tell a guesser what it wants to know. Hosts that the client has
already reached keep working.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

import cachetools

from orchestrator.auth.client_networks import client_network

PER_MINUTE = 20
MAX_CLIENTS = 10_000
MAX_HOSTS_PER_CLIENT = 256


@dataclass(slots=True)
class _Client:
    tokens: float
    refilled_at: float
    known_hosts: set[str] = field(default_factory=set)


class GuessLimiter:
    def __init__(self, per_minute: int = PER_MINUTE, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60
        self._monotonic = monotonic
        self._clients: cachetools.LRUCache[str, _Client] = cachetools.LRUCache(MAX_CLIENTS)

    def allow_host(self, address: str, host: str) -> float:
        """For a known host: 0 if allowed, otherwise the seconds to wait. Loopback is always allowed, because ephd sends
        its health checks from there."""
        client = self._client(client_network(address))
        if host in client.known_hosts:
            return 0.0
        if self._refill(client) < 1 and not is_loopback(address):
            return self._retry_after(client)
        if len(client.known_hosts) < MAX_HOSTS_PER_CLIENT:
            client.known_hosts.add(host)
        return 0.0

    def take_try(self, address: str) -> float:
        """For an unknown host: takes a token and returns 0, or returns the seconds until there is one."""
        client = self._client(client_network(address))
        if self._refill(client) < 1:
            return self._retry_after(client)
        client.tokens -= 1
        return 0.0

    def _client(self, network: str) -> _Client:
        client = self._clients.get(network)
        if client is None:
            client = self._clients[network] = _Client(self._capacity, self._monotonic())
        return client

    def _refill(self, client: _Client) -> float:
        now = self._monotonic()
        client.tokens = min(self._capacity, client.tokens + (now - client.refilled_at) * self._rate)
        client.refilled_at = now
        return client.tokens

    def _retry_after(self, client: _Client) -> float:
        return max(1, ceil((1 - client.tokens) / self._rate))


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
