"""Credentials that a cloud issues for its registry, from the setting to an answered request: ECR (moto), GAR and ACR
(small stand-ins that verify what they are sent). I2, S4."""

from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.images.errors import RegistryRefused, RegistryUnavailable
from orchestrator.images.helpers import acr, credential_helpers, gar
from orchestrator.images.helpers.credential_helpers import InvalidCredentialHelper
from orchestrator.images.helpers.ecr import EcrHelper
from orchestrator.images.helpers.issued_credentials import IssuedCredentials, RenewedCredentials
from orchestrator.images.registry_client import RegistryClient
from orchestrator.images.registry_policy import RegistryPolicy
from programs import image_references
from tests.images import registry_server
from tests.images.registry_server import serve

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
PRINCIPALS = "the principal's own"
DIGEST = f"sha256:{'a' * 64}"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@dataclass
class Cloud:
    """A cloud's token services and its registry at one address. ``issued`` is the password that the registry accepts.
    ``status``: of every answer of the token services, if not 200."""

    host: str = ""
    issued: str = ""
    status: int = 200
    requests: list[dict[str, str]] = field(default_factory=list)

    def issue(self) -> str:
        self.issued = f"token-{len(self.requests)}"
        return self.issued

    def client(self, *helpers: str) -> RegistryClient:
        """As ephd creates it from its settings."""
        plain = {"plain_http": self.host}
        policy = RegistryPolicy.from_settings(plain, helpers=credential_helpers.create(helpers, (self.host,)))
        return RegistryClient(policy, registry_server.wire(policy))

    def digest(self, client: RegistryClient) -> str:
        return client.digest(image_references.parse(f"{self.host}/acme/shop:main"))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    found = Cloud()
    with serve(handler_of(found)) as host:
        found.host = host
        yield found


def handler_of(cloud: Cloud) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            known = {base64.b64encode(f"{user}:{cloud.issued}".encode()).decode() for user in (gar.USER, acr.USER)}
            accepted = self.headers.get("Authorization", "").removeprefix("Basic ") in known
            headers = {"Docker-Content-Digest": DIGEST} if accepted else {"WWW-Authenticate": 'Basic realm="registry"'}
            self._send(200 if accepted else 401, {}, headers)

        def do_GET(self) -> None:
            assert self.path == gar.METADATA_PATH
            assert self.headers["Metadata-Flavor"] == "Google"
            self._issue({}, "access_token")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            match self.path:
                case "/google/token":
                    claims = jwt.decode(
                        form["assertion"], KEY.public_key(), ["RS256"], audience=f"http://{cloud.host}/google/token"
                    )
                    assert (form["grant_type"], claims["iss"], claims["scope"]) == (gar.GRANT, "eph@acme", gar.SCOPE)
                    self._issue(form, "access_token")
                case "/acme-tenant/oauth2/v2.0/token":
                    known = (form["client_id"], form["client_secret"]) == ("eph", PRINCIPALS)
                    self._issue(form, "access_token") if known else self._send(401, {"error": "invalid_client"})
                case "/oauth2/exchange":
                    assert (form["service"], form["access_token"]) == (cloud.host, cloud.issued)
                    self._issue(form, "refresh_token")

        def _issue(self, form: dict[str, str], name: str) -> None:
            cloud.requests.append(form)
            if cloud.status != 200:
                return self._send(cloud.status, {"error": "refused"})
            return self._send(200, {name: cloud.issue(), "expires_in": 3599})

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            for header, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(header, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    return Handler


def google_key(cloud: Cloud, path: Path, **changes: str) -> Path:
    key = {"client_email": "eph@acme", "private_key": PRIVATE, "private_key_id": "1"}
    path.write_text(json.dumps({**key, "token_uri": f"http://{cloud.host}/google/token", **changes}))
    return path


def azure_key(cloud: Cloud, path: Path, secret: str = PRINCIPALS) -> Path:
    known = {"tenant": "acme-tenant", "client_id": "eph", "client_secret": secret}
    path.write_text(json.dumps({**known, "authority": f"http://{cloud.host}"}))
    return path


def test_gar_with_a_service_accounts_key(cloud: Cloud, tmp_path: Path) -> None:
    client = cloud.client(f"{cloud.host}=gar:{google_key(cloud, tmp_path / 'key.json')}")
    assert cloud.digest(client) == DIGEST
    assert len(cloud.requests) == 1


def test_gar_with_the_account_of_this_machine(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.host)
    assert cloud.digest(cloud.client(f"{cloud.host}=gar")) == DIGEST


def test_acr_exchanges_a_principals_token(cloud: Cloud, tmp_path: Path) -> None:
    client = cloud.client(f"{cloud.host}=acr:{azure_key(cloud, tmp_path / 'key.json')}")
    assert cloud.digest(client) == DIGEST
    assert [form["grant_type"] for form in cloud.requests] == ["client_credentials", "access_token"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"private_key": "not a key"}, "private_key"),
        ({"token_uri": "http://tokens.example.com"}, "tokens.example.com would receive credentials without TLS"),
    ],
)
def test_unusable_key_is_an_error_without_its_content(
    cloud: Cloud, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    client = cloud.client(f"{cloud.host}=gar:{google_key(cloud, tmp_path / 'key.json', **changes)}")
    with pytest.raises(RegistryRefused, match=message) as caught:
        cloud.digest(client)
    assert "PRIVATE KEY" not in str(caught.value)
    with pytest.raises(RegistryRefused, match="isn't a readable JSON file"):
        cloud.digest(cloud.client(f"{cloud.host}=gar:{tmp_path / 'missing.json'}"))


def test_refused_login_names_service_and_reason_but_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    client = cloud.client(f"{cloud.host}=acr:{azure_key(cloud, tmp_path / 'key.json', 'an old secret')}")
    with pytest.raises(RegistryRefused, match=r"issues no token \(401, invalid_client\)") as caught:
        cloud.digest(client)
    assert "an old secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_service_that_is_down_allows_no_conclusion(cloud: Cloud, tmp_path: Path, status: int) -> None:
    cloud.status = status
    with pytest.raises(RegistryUnavailable):
        cloud.digest(cloud.client(f"{cloud.host}=gar:{google_key(cloud, tmp_path / 'key.json')}"))


class Issuer:
    """Issues numbered passwords for an hour each, unless it is down."""

    def __init__(self) -> None:
        self.count, self.down = 0, False

    def fetch(self, registry: str) -> IssuedCredentials:
        if self.down:
            raise RegistryUnavailable("down")
        self.count += 1
        return IssuedCredentials("user", f"{registry}-{self.count}", 3600.0)


def test_credentials_are_renewed_before_they_expire_and_used_until_then() -> None:
    issuer, seconds = Issuer(), [0.0]
    found = RenewedCredentials(issuer, "r", lambda: seconds[0])

    def password() -> str:
        return base64.b64decode(found.basic()).decode().partition(":")[2]

    assert [password(), password()] == ["r-1", "r-1"]
    seconds[0] = 2881.0
    issuer.down = True
    assert password() == "r-1", "still valid, though they can't be renewed right now"
    issuer.down = False
    assert password() == "r-2"
    seconds[0], issuer.down = 10_000.0, True
    with pytest.raises(RegistryUnavailable):
        password()


def test_repository_with_its_own_pull_secret_gets_nothing_else(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "team.json").write_text(json.dumps({"auths": {}}))
    settings = {"plain_http": cloud.host, "pull_secrets": f"acme/*={tmp_path / 'team.json'}"}
    policy = RegistryPolicy.from_settings(settings, helpers=credential_helpers.create([f"{cloud.host}=gar"]))
    assert policy.for_repository("acme/shop").credentials_for(cloud.host, cloud.host) == ""
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gar", "isn't HOST=KIND"),
        ("registry.test=docker", "one of the kinds ecr, gar, acr"),
        ("registry.test=ecr", "isn't a registry of ECR"),
        (f"{ECR}=ecr:/etc/eph/key.json", "remove the file"),
        ("acme.azurecr.io=acr", "names no file"),
    ],
)
def test_entry_that_makes_no_sense_is_an_error(entry: str, message: str) -> None:
    with pytest.raises(InvalidCredentialHelper, match=message):
        credential_helpers.parse(entry)


@pytest.mark.real
@pytest.mark.long
def test_ecr_issues_a_password_for_twelve_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.targets.aws.aws_account import running_account
    from tests.targets.aws.aws_server import Fault

    with running_account(monkeypatch) as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", account.endpoint)
        issued = EcrHelper(lambda: datetime(2014, 12, 31, 12, tzinfo=UTC)).fetch(ECR)  # moto's expire in 2015
        assert (issued.user, issued.lifetime) == ("AWS", 12 * 3600)
        assert issued.password
        assert account.server is not None
        account.server.faults.append(Fault("ecr GetAuthorizationToken", "AccessDeniedException"))
        with pytest.raises(RegistryRefused, match="ecr:GetAuthorizationToken"):
            EcrHelper().fetch(ECR)


def test_ecr_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(RegistryRefused, match="NoCredentialsError"):
        EcrHelper().fetch(ECR)
