"""A remote provider is read in the background, and an outage takes no value away. S4."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from orchestrator.config.secret_store import REREAD_INTERVAL, SecretStore
from orchestrator.config.settings.secret_tables import PreviewSecret
from orchestrator.secret_providers.fake import FakeSecretProvider
from orchestrator.secret_providers.readers import REFRESH_INTERVAL, RETRY_INTERVAL, CachedReader, SecretReading

FIRST, SECOND = b"first-value", b"second-value"
KEY = "shop/stripe#key"


class CachedSetup:
    """A provider with one secret, a manual clock, and background work that runs when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.provider = FakeSecretProvider({"shop/stripe": {"key": FIRST}})
        self.waiting: list[Callable[[], None]] = []
        self.reader = CachedReader(self.provider, lambda: self.now, self.waiting.append)

    def run_background(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()

    def put(self, value: bytes) -> None:
        self.provider.stored["shop/stripe"]["key"] = value

    def value(self) -> bytes | None:
        return self.reader.read(KEY).value


def test_first_read_waits_and_later_ones_do_not() -> None:
    setup = CachedSetup()
    assert setup.value() == FIRST
    setup.put(SECOND)
    assert (setup.value(), setup.provider.reads) == (FIRST, [KEY])
    setup.now += REFRESH_INTERVAL
    assert (setup.value(), len(setup.waiting)) == (FIRST, 1)
    setup.value()
    assert len(setup.waiting) == 1, "one refresh at a time"
    setup.run_background()
    assert (setup.value(), setup.waiting) == (SECOND, [])


def test_outage_keeps_the_last_value_and_is_reported() -> None:
    setup = CachedSetup()
    setup.value()
    setup.provider.is_down = True
    setup.now += REFRESH_INTERVAL
    setup.value()
    setup.run_background()
    reading = setup.reader.read(KEY)
    assert reading.value == FIRST
    assert reading.problem == "can't read the secret shop/stripe#key: the provider doesn't respond; start it"
    setup.provider.is_down = False
    setup.put(SECOND)
    setup.now += RETRY_INTERVAL
    setup.value()
    setup.run_background()
    assert setup.reader.read(KEY).value == SECOND
    assert setup.reader.read(KEY).problem == ""


def test_provider_that_is_down_is_asked_once_for_all_its_secrets() -> None:
    setup = CachedSetup()
    setup.provider.is_down = True
    readings = [setup.reader.read(f"shop/{number}#key") for number in range(50)]
    assert len(setup.provider.reads) == 1
    assert all(
        reading.value is None and f"shop/{number}#" in reading.problem for number, reading in enumerate(readings)
    )
    setup.now += RETRY_INTERVAL
    setup.value()
    setup.run_background()
    assert len(setup.provider.reads) == 2


def test_deleted_secret_or_revoked_access_ends_the_value() -> None:
    deleted, revoked = CachedSetup(), CachedSetup()
    for setup in (deleted, revoked):
        assert setup.value() == FIRST
    deleted.provider.stored.clear()
    revoked.provider.denied.add("shop/stripe")
    for setup in (deleted, revoked):
        setup.now += REFRESH_INTERVAL
        setup.value()
        setup.run_background()
        assert setup.value() is None


def test_reading_does_not_show_its_value() -> None:
    assert "first" not in repr(SecretReading(FIRST))


def test_secret_store_keeps_previews_running_through_an_outage() -> None:
    """The fingerprint stays, so no preview is updated, and the operator sees the problem."""
    setup = CachedSetup()
    entry = PreviewSecret.model_validate({"vault": "secret/shop/stripe#key", "repositories": ["acme/shop"]})
    setup.provider.stored["secret/shop/stripe"] = {"key": FIRST}
    store = SecretStore({"stripe": entry}, b"k" * 32, lambda: setup.now, {"vault": setup.reader})
    before, granted = store.fingerprint(), store.grants("acme/shop", False)
    assert store.problems() == []
    setup.provider.is_down = True
    for _ in range(2):
        setup.now += REFRESH_INTERVAL + REREAD_INTERVAL
        store.values()
        setup.run_background()
    assert (store.fingerprint(), store.grants("acme/shop", False)) == (before, granted)
    assert store.values() == (FIRST.decode(),)
    [problem] = store.problems()
    assert problem.startswith("secret stripe: can't read the secret secret/shop/stripe#key: ")
