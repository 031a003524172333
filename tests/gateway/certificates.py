"""A certificate authority for a test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, serial: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@dataclass
class CertificateAuthority:
    """Issues certificates for ``hosts`` into ``folder``, numbered from 1."""

    folder: Path
    hosts: tuple[str, ...] = ("eph.test", "*.eph.test")
    issued: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder("Test CA", "Test CA", self.key, 1000).add_extension(constraints, critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    @property
    def certificate_file(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key_file(self) -> Path:
        return self.folder / "tls.key"

    def issue(self, passphrase: bytes = b"") -> None:
        certificate, key = self.pair(passphrase)
        self.certificate_file.write_bytes(certificate)
        self.key_file.write_bytes(key)

    def pair(self, passphrase: bytes = b"") -> tuple[bytes, bytes]:
        """A new certificate and its key, in PEM."""
        self.issued += 1
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in self.hosts])
        signed = _builder(self.hosts[0], "Test CA", key, self.issued).add_extension(names, critical=False)
        certificate = signed.sign(self.key, hashes.SHA256())
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        encoding, layout = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return certificate.public_bytes(encoding), key.private_bytes(encoding, layout, encryption)

    @property
    def text(self) -> str:
        """Its own certificate, in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def client_context(self) -> ssl.SSLContext:
        """Trusts this authority and no other."""
        return ssl.create_default_context(cadata=self.text)
