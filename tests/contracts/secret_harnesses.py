"""Every secret provider that the contract tests run on. A new adapter adds an entry: verbs that change its secrets."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchestrator.secret_providers import registry
from orchestrator.secret_providers.fake import FakeSecretProvider
from orchestrator.secret_providers.port import SecretProvider
from tests.contracts.secret_servers import ClusterServer, StoredSecrets, VaultServer, serving

PATH = "shop/stripe"


@dataclass
class SecretHost:
    """``put`` stores the keys of the secret at a path. None: the provider has no such thing."""

    provider: SecretProvider
    reference: Callable[[str, str], str]
    put: Callable[[str, Mapping[str, bytes]], None]
    delete: Callable[[str], None]
    deny: Callable[[str], None] | None = None
    stop: Callable[[], None] | None = None
    has_keys: bool = True
    has_bytes: bool = True


Harness = Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[SecretHost]]


def open_with(name: str, **settings: Any) -> SecretProvider:
    adapter = registry.get(name)
    return adapter.open(adapter.settings_model(**settings))


def _stored_host(provider: SecretProvider, stored: StoredSecrets | FakeSecretProvider, **more: Any) -> SecretHost:
    return SecretHost(
        provider,
        lambda path, key: f"{path}#{key}",
        lambda path, keys: stored.stored.update({path: dict(keys)}),
        stored.stored.__delitem__,
        stored.denied.add,
        **more,
    )


@contextmanager
def _fake(_: Path, __: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    fake = FakeSecretProvider()
    yield _stored_host(fake, fake, stop=lambda: setattr(fake, "is_down", True))


@contextmanager
def _file(folder: Path, _: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    def file(path: str, key: str) -> Path:
        return folder / path.replace("/", "-") / key

    def put(path: str, keys: Mapping[str, bytes]) -> None:
        for key, value in keys.items():
            file(path, key).parent.mkdir(exist_ok=True)
            file(path, key).write_bytes(value)

    def deny(path: str) -> None:
        """Tests may run as root, who can read any file but no folder."""
        file(path, "key").unlink()
        file(path, "key").mkdir()

    yield SecretHost(
        open_with("file"),
        lambda path, key: str(file(path, key)),
        put,
        lambda path: file(path, "key").unlink(),
        deny,
        has_keys=False,
    )


@contextmanager
def _variable(_: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    def put(path: str, keys: Mapping[str, bytes]) -> None:
        for key, value in keys.items():
            monkeypatch.setenv(_variable_name(path, key), value.decode(errors="surrogateescape"))

    yield SecretHost(
        open_with("variable"),
        _variable_name,
        put,
        lambda path: monkeypatch.delenv(_variable_name(path, "key")),
        has_keys=False,
    )


def _variable_name(path: str, key: str) -> str:
    return f"{path}_{key}".replace("/", "_").upper()


@contextmanager
def _vault(_: Path, __: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    vault = VaultServer()
    with serving(vault.answer) as (url, stop):
        provider = open_with("vault", address=url, token="root-token")
        yield _stored_host(provider, vault, stop=stop, has_bytes=False)


@contextmanager
def _kubernetes(folder: Path, _: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    cluster = ClusterServer()
    with serving(cluster.answer) as (url, stop):
        provider = open_with("kubernetes", kubeconfig=str(write_kubeconfig(folder, url)))
        yield _stored_host(provider, cluster, stop=stop)


def write_kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    config = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "eph"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "eph", "user": {"token": "account-token"}}],
    }
    path.write_text(json.dumps(config))
    return path


@contextmanager
def _aws(_: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretHost]:
    """moto's Secrets Manager."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("secretsmanager", region_name="eu-central-1", endpoint_url=f"http://{host}:{port}")
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # moto's state is the process's
    found: set[str] = set()

    def put(path: str, keys: Mapping[str, bytes]) -> None:
        text = json.dumps({key: value.decode() for key, value in keys.items()})
        if path in found:
            client.put_secret_value(SecretId=path, SecretString=text)
        else:
            client.create_secret(Name=path, SecretString=text)
            found.add(path)

    def delete(path: str) -> None:
        client.delete_secret(SecretId=path, ForceDeleteWithoutRecovery=True)
        found.discard(path)

    provider = open_with("aws", region="eu-central-1", endpoint=f"http://{host}:{port}")
    try:
        yield SecretHost(provider, lambda path, key: f"{path}#{key}", put, delete, stop=server.stop, has_bytes=False)
    finally:
        server.stop()


HARNESSES: Mapping[str, Harness] = {
    "fake": _fake,
    "file": _file,
    "variable": _variable,
    "vault": _vault,
    "kubernetes": _kubernetes,
    "aws": _aws,
}
