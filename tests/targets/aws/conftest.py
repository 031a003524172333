"""The account that these tests use."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tests.targets.aws.aws_account import CREDENTIALS, AwsAccount, client_of


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()  # moto's state is the process's
        zone = client_of(endpoint, "route53").create_hosted_zone(Name="preview.test", CallerReference="1")["HostedZone"]
        yield AwsAccount(endpoint, zone["Id"].rpartition("/")[2])
    finally:
        server.stop()
