"""Reads certificates, keys and CAs from PEM files and checks that they match. Never quotes contents."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from pilothouse.structures.paths import content

_LONGEST = 1 << 20
#: Warn a week before a certificate expires, or a fifth of its lifetime before, whichever is shorter.
_SOON, _SHARE = timedelta(days=7), 5


class Unusable(ValueError):
    """The files cannot be used. The text names the file and the reason, and quotes no contents."""


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of PEM files. Certificate files can hold a chain, and the CA file several CAs."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """The time during which a file is valid."""

    file: Path
    since: datetime
    until: datetime

    def complaint(self, now: datetime) -> str:
        """What a user should know about the validity. Empty if all is well."""
        if now >= self.until:
            return f"{self.file} expired at {self.until:%Y-%m-%d %H:%M} UTC"
        if now < self.since:
            return f"{self.file} is not valid before {self.since:%Y-%m-%d %H:%M} UTC"
        if self.until - now < min(_SOON, (self.until - self.since) / _SHARE):
            return f"{self.file} expires soon, at {self.until:%Y-%m-%d %H:%M} UTC"
        return ""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM contents that fit together. With `client_ca`, clients must present a certificate that it signed."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    validities: tuple[Validity, ...]
    caution: str = ""  # about the key file

    @property
    def contents(self) -> tuple[bytes, bytes, bytes | None]:
        return self.cert, self.key, self.client_ca

    def __repr__(self) -> str:
        return "<Tls>"  # never show the key


def read(files: Files) -> Tls:
    """Read the files now. Raises Unusable."""
    cert, key = _content(files.cert), _content(files.key)
    chain = _certificates(files.cert, cert)
    _match(files, chain[0], key)
    validities = [_of_chain(files.cert, chain)]
    ca = None
    if files.client_ca is not None:
        ca = _content(files.client_ca)
        validities.append(_of_bundle(files.client_ca, _certificates(files.client_ca, ca)))
    return Tls(cert, key, ca, tuple(validities), _caution(files.key))


def authorities(path: Path) -> bytes:
    """The CAs in a file. Raises Unusable."""
    found = _content(path)
    _certificates(path, found)
    return found


def _content(path: Path) -> bytes:
    try:
        return content(path, _LONGEST)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None


def _certificates(path: Path, text: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError:
        raise Unusable(f"{path} holds no certificates (PEM)") from None
    if len(found) != text.count(b"-----BEGIN CERTIFICATE-----"):
        raise Unusable(f"{path} is cut off: a certificate in it has no end")
    return found


def _match(files: Files, certificate: x509.Certificate, key: bytes) -> None:
    mismatch = f"{files.key} is not the key of {files.cert}"
    try:
        public = load_pem_private_key(key, None).public_key()
        theirs = certificate.public_key()
    except TypeError:
        raise Unusable(f"{mismatch}: it is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable(f"{mismatch}: it is not a private key that can be read") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != theirs.public_bytes(*form):
        raise Unusable(f"{mismatch}: they do not match")


def _of_chain(path: Path, chain: Sequence[x509.Certificate]) -> Validity:
    """The validity of a chain: the time during which all of its certificates are valid."""
    return Validity(
        path,
        max(each.not_valid_before_utc for each in chain),
        min(each.not_valid_after_utc for each in chain),
    )


def _of_bundle(path: Path, bundle: Sequence[x509.Certificate]) -> Validity:
    """The validity of the valid CA that expires first. An expired one may stay beside its successor."""
    now = datetime.now(UTC)
    living = [each for each in bundle if each.not_valid_after_utc > now]
    first = min(living or bundle, key=lambda each: each.not_valid_after_utc)
    return Validity(path, first.not_valid_before_utc, first.not_valid_after_utc)


def _caution(key: Path) -> str:
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError:
        return ""  # the file has disappeared since it was read; the next look reports that
    return f"{key} is a private key that others can read: its mode is {mode:04o}" if mode & 0o004 else ""
