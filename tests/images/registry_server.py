"""A real registry for tests: Debian's docker-registry on loopback, open, with a password, or with our token server; and
images of a few bytes, created here and pushed through the API."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.demo.ministack import local_registry
from orchestrator.images.registry_http import RegistryHttp
from orchestrator.images.registry_policy import RegistryPolicy

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "puller", "a very secret word"
HASHED = "$2a$04$pVl28ssNcGmCQ5A8X.epKe2LVX4IUrSCT/RqycotSwRj6kHeci6C2"
"""The bcrypt hash of that password, the only kind that the registry supports."""
SERVICE, ISSUER = "registry.test", "issuer.test"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without certificate authorities: loading them takes longer than all requests here."""
OPEN_CONNECTIONS: list[RegistryHttp] = []
"""Closed after each test (conftest)."""


def wire(access: RegistryPolicy, now: Callable[[], float] = time.monotonic, **more: Any) -> RegistryHttp:
    OPEN_CONNECTIONS.append(RegistryHttp(access, now, **more))
    return OPEN_CONNECTIONS[-1]


def registry_program() -> str | None:
    """Its path; None if it isn't installed on this machine and couldn't be installed."""
    done = subprocess.run([ROOT / "infra/toolchain/registry.sh"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class RegistryServer:
    """``authorization``: the header for pushes. ``tokens``: the requests to the token server."""

    host: str
    authorization: str = ""
    token_host: str = ""
    tokens: list[Mapping[str, str]] = field(default_factory=list)

    def push(
        self,
        repository: str,
        tag: str,
        created: datetime | None = NOW,
        labels: Mapping[str, str] | None = None,
        architecture: str = "amd64",
    ) -> str:
        about: dict[str, Any] = {"architecture": architecture, "os": "linux", "config": {"Labels": labels or None}}
        if created:
            about["created"] = created.isoformat().replace("+00:00", ".123456789Z")
        config = json.dumps({**about, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        self._push_blob(repository, config)
        given = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)}
        return self.manifest(
            repository, tag, {"schemaVersion": 2, "mediaType": MANIFEST, "config": given, "layers": []}
        )

    def index(self, repository: str, tag: str, entries: Sequence[tuple[str, str]]) -> str:
        """Each with architecture and digest, and with the attestation that build tools add today."""
        listed = [
            {"mediaType": MANIFEST, "digest": one, "size": 1, "platform": {"os": "linux", "architecture": name}}
            for name, one in entries
        ]
        listed.append({**listed[0], "platform": {"os": "unknown", "architecture": "unknown"}})
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})

    def manifest(self, repository: str, tag: str, manifest: Mapping[str, Any]) -> str:
        body = json.dumps(manifest).encode()
        self._request("PUT", f"/v2/{repository}/manifests/{tag}", body, str(manifest["mediaType"]))
        return digest(body)

    def _push_blob(self, repository: str, blob: bytes) -> None:
        place = self._request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        self._request("PUT", f"{place}&digest={digest(blob)}", blob, "application/octet-stream")

    def _request(self, method: str, path: str, body: bytes = b"", kind: str = "") -> httpx.Response:
        headers = {"Authorization": self._authorization_for(path), "Content-Type": kind}
        given = {key: value for key, value in headers.items() if value}
        url = path if path.startswith("http") else f"http://{self.host}{path}"
        with httpx.Client(trust_env=False, verify=NO_TLS) as client:
            answer = client.request(method, url, content=body, headers=given)
        assert answer.is_success, answer.text
        return answer

    def _authorization_for(self, path: str) -> str:
        return self.authorization


@contextmanager
def open_registry(program: str, folder: Path) -> Iterator[RegistryServer]:
    with local_registry.running(folder, program) as host:
        yield RegistryServer(host)


@contextmanager
def password_registry(program: str, folder: Path) -> Iterator[RegistryServer]:
    folder.mkdir(exist_ok=True)
    (folder / "htpasswd").write_text(f"{USER}:{HASHED}\n")
    auth = {"auth": {"htpasswd": {"realm": SERVICE, "path": str(folder / "htpasswd")}}}
    with local_registry.running(folder, program, auth) as host:
        yield RegistryServer(host, f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}")


@contextmanager
def token_registry(program: str, folder: Path) -> Iterator[RegistryServer]:
    """The token server knows one user with pull permission; pushes use a token that it creates itself."""
    folder.mkdir(exist_ok=True)
    maker = TokenMaker(folder / "root.pem")
    with _token_server(maker) as port:
        told = {
            "realm": f"http://127.0.0.1:{port}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(maker.certificate),
        }
        with local_registry.running(folder, program, {"auth": {"token": told}}) as host:
            yield TokenRegistry(host, token_host=f"127.0.0.1:{port}", tokens=maker.requests, maker=maker)


@dataclass
class TokenRegistry(RegistryServer):
    maker: TokenMaker | None = None

    def _authorization_for(self, path: str) -> str:
        assert self.maker is not None
        repository = (
            urlsplit(path).path.removeprefix("/v2/").rpartition("/blobs/")[0]
            or (path.removeprefix("/v2/").rpartition("/manifests/")[0])
        )
        return f"Bearer {self.maker.token(repository, ['pull', 'push'])}"


class TokenMaker:
    """Signs tokens as the specification of Docker's registry requires: a JWT with its certificate in the header."""

    def __init__(self, certificate: Path) -> None:
        self.certificate, self.requests = certificate, list[Mapping[str, str]]()
        self.lifetime = 60
        self._key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)]), datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self._der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()

    def token(self, repository: str, actions: Sequence[str]) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "nbf": now - 10,
            "exp": now + 300,
            "access": [{"type": "repository", "name": repository, "actions": list(actions)}],
        }
        return jwt.encode(claims, self._key, "ES256", headers={"x5c": [self._der]})


@contextmanager
def _token_server(maker: TokenMaker) -> Iterator[int]:
    wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            maker.requests.append(asked)
            known = self.headers.get("Authorization") == f"Basic {wanted}"
            repository = asked.get("scope", "::").split(":")[1]
            token = maker.token(repository, ["pull"] if known or repository.startswith("open/") else [])
            body = json.dumps({"token": token, "expires_in": maker.lifetime}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with serve(Handler) as host:
        yield int(host.rpartition(":")[2])


@contextmanager
def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """On a free port of this machine; returns host and port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
