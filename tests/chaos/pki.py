"""Certificates on disk, issued anew whenever they are rotated."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pilothouse.sidecar.bootstrap import Tls


class Pki:
    """A CA, the certificate and key of the control plane at 127.0.0.1, and those of sidecars."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chaos")])
        ca = _signed(self._key.public_key(), None, self._name, self._key)
        self._write("ca.crt", ca.public_bytes(Encoding.PEM))
        self._issue("sidecar", x509.UniformResourceIdentifier("spiffe://mesh.test/ns/shop/sa/web"))
        self.rotate()

    @property
    def flags(self) -> tuple[str, ...]:
        """For `pilothouse serve`."""
        files = {"--tls-cert": "server.crt", "--tls-key": "server.key", "--client-ca": "ca.crt"}
        return tuple(word for flag, name in files.items() for word in (flag, str(self._folder / name)))

    @property
    def sidecar(self) -> Tls:
        """For a bootstrap."""
        return Tls(*(str(self._folder / name) for name in ("ca.crt", "sidecar.crt", "sidecar.key")))

    def rotate(self) -> None:
        """Put another certificate and key in the place of the control plane's."""
        self._issue("server", x509.IPAddress(ip_address("127.0.0.1")))

    def spoil(self) -> None:
        """Leave the control plane's certificate half-written."""
        file = self._folder / "server.crt"
        text = file.read_text()
        file.write_text(text[: len(text) // 2])

    def shown(self, port: int) -> str:
        """The certificate that a new connection is shown. Raises OSError."""
        context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        context.load_cert_chain(self._folder / "sidecar.crt", self._folder / "sidecar.key")
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")

    def _issue(self, name: str, identity: x509.GeneralName) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(key.public_key(), identity, self._name, self._key)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(f"{name}.crt", certificate.public_bytes(Encoding.PEM))
        self._write(f"{name}.key", pem)

    def _write(self, name: str, data: bytes) -> None:
        draft = self._folder / f".{name}"
        draft.write_bytes(data)
        draft.chmod(0o600)
        os.replace(draft, self._folder / name)


def _signed(
    key: ec.EllipticCurvePublicKey,
    identity: x509.GeneralName | None,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Of somebody, or of the CA itself if there is no identity."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, x509.Name([]) if identity else issuer, key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
    builder = builder.add_extension(x509.BasicConstraints(identity is None, None), critical=True)
    if identity is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([identity]), critical=True)
    return builder.sign(by, hashes.SHA256())
