"""What every secret provider promises: the current value, or an error that names the reference and never a value. S4.

AWS is moto's server, Vault and Kubernetes are small servers of ours; tests/cluster reads from a real Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.secret_providers import registry
from orchestrator.secret_providers.port import SecretProviderUnavailable, UnreadableSecret
from programs.settings import InvalidValue
from tests.contracts.secret_harnesses import HARNESSES, PATH, SecretHost

VALUE, OTHER = b"sk_test_4eC39HqLyjWDarjtT1zdp7dc", b"whsec_zRkIZ0mVtXhqkJ2f"


@pytest.fixture(params=HARNESSES)
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    with HARNESSES[request.param](tmp_path, monkeypatch) as opened:
        opened.put(PATH, {"key": VALUE, "webhook": OTHER})
        yield opened


def error_of(host: SecretHost, reference: str) -> str:
    with pytest.raises(UnreadableSecret) as caught:
        host.provider.read(reference)
    text = str(caught.value)
    assert host.provider.describe(reference) in text
    assert VALUE.decode() not in text
    assert OTHER.decode() not in text
    assert "; " in text, "it says what to do"
    assert caught.value.__cause__ is None, "a cause may contain what the provider answered"
    return text


def test_every_adapter_has_a_harness() -> None:
    assert set(registry.installed_providers()) == set(HARNESSES) - {"fake"}


def test_value_is_read_by_its_key(host: SecretHost) -> None:
    assert host.provider.read(host.reference(PATH, "key")) == VALUE
    assert host.provider.read(host.reference(PATH, "webhook")) == OTHER


def test_changed_value_is_read(host: SecretHost) -> None:
    host.provider.read(host.reference(PATH, "key"))
    host.put(PATH, {"key": OTHER})
    assert host.provider.read(host.reference(PATH, "key")) == OTHER


def test_text_of_other_alphabets_survives(host: SecretHost) -> None:
    host.put(PATH, {"key": "пароль ключ 密码 \"'\\".encode()})
    assert host.provider.read(host.reference(PATH, "key")) == "пароль ключ 密码 \"'\\".encode()


def test_bytes_that_are_not_text_survive(host: SecretHost) -> None:
    if not host.has_bytes:
        pytest.skip("it stores text only")
    host.put(PATH, {"key": b"\xff\xfe\x01"})
    assert host.provider.read(host.reference(PATH, "key")) == b"\xff\xfe\x01"


def test_missing_secret_is_an_error(host: SecretHost) -> None:
    error_of(host, host.reference("shop/missing", "key"))


def test_missing_key_is_an_error(host: SecretHost) -> None:
    error_of(host, host.reference(PATH, "missing"))


def test_deleted_secret_is_an_error(host: SecretHost) -> None:
    host.provider.read(host.reference(PATH, "key"))
    host.delete(PATH)
    error_of(host, host.reference(PATH, "key"))
    host.put(PATH, {"key": OTHER})
    assert host.provider.read(host.reference(PATH, "key")) == OTHER


def test_denied_access_is_an_error(host: SecretHost) -> None:
    if host.deny is None:
        pytest.skip("it can't deny access")
    host.deny(PATH)
    error_of(host, host.reference(PATH, "key"))


def test_outage_is_no_missing_secret(host: SecretHost) -> None:
    if host.stop is None:
        pytest.skip("it isn't a server")
    host.stop()
    with pytest.raises(SecretProviderUnavailable) as caught:
        host.provider.read(host.reference(PATH, "key"))
    assert "; " in str(caught.value)
    assert caught.value.__cause__ is None


INVALID_REFERENCES = {
    "vault": [
        "secret",
        "secret/shop",
        "secret/shop#",
        "#key",
        "secret/../sys/raw#key",
        "secret/a/..#k",
        "/a/b#k",
        "a/b?x#k",
    ],
    "kubernetes": ["stripe#key", "eph/stripe", "eph/stripe#", "Eph/stripe#key", "eph/../x#key", "eph/a/b#key"],
    "aws": ["", "a b", "shop/stripe#", "arn:aws:s3:::bucket", "arn:aws:secretsmanager:x:1:secret:a"],
}


@pytest.mark.parametrize(
    ("name", "reference"), [(name, item) for name, items in INVALID_REFERENCES.items() for item in items]
)
def test_reference_that_leads_elsewhere_is_refused_with_an_example(name: str, reference: str) -> None:
    with pytest.raises(InvalidValue, match=r"use a value such as \w+/\w+"):
        registry.get(name).check_reference(reference)


VALID_REFERENCES = {
    "vault": ["secret/shop/stripe#key", "kv/a.b/c-d#api.key"],
    "kubernetes": ["eph/stripe#key", "eph/my.secret#tls.key"],
    "aws": [
        "shop/stripe",
        "shop/stripe#key",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/stripe-a1B2c3#key",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:stripe-a1B2c3",
    ],
}


@pytest.mark.parametrize(
    ("name", "reference"), [(name, item) for name, items in VALID_REFERENCES.items() for item in items]
)
def test_correct_reference_is_accepted(name: str, reference: str) -> None:
    registry.get(name).check_reference(reference)
