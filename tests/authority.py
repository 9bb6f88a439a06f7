"""A certificate authority that issues what tests need: names of any kind, and any validity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Issued(NamedTuple):
    """A certificate and its key, in PEM."""

    cert: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """To `NAME.crt` and `NAME.key`, each replaced at once; gives the two paths."""
        return replace(folder / f"{name}.crt", self.cert), replace(folder / f"{name}.key", self.key)


def replace(path: Path, content: bytes) -> str:
    """Give a file another content at once, readable by its owner only."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o600)
    new.replace(path)
    return str(path)


class Authority:
    """A CA that is valid from yesterday on, for a month or as long as is said."""

    def __init__(self, days: float = 30) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called("CA of a test")
        made = self._made(self._name, self._key, days).add_extension(x509.BasicConstraints(True, None), True)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self, *names: str, days: float = 30, user: str = "of a test", groups: tuple[str, ...] = ()
    ) -> Issued:
        """A certificate for URIs, IP addresses and DNS names that ends in so many days.

        Its subject is that of a user of Kubernetes, who is known by the common name and the organizations.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._made(_called(user, *groups), key, days)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), False)
        cert = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return Issued(cert, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _made(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + timedelta(days=days)) - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
        )


def _called(name: str, *organizations: str) -> x509.Name:
    found = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return x509.Name([*found, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
