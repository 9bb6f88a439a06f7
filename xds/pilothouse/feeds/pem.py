"""Certificates, keys and CAs out of PEM files, checked as a whole; nothing of what they hold is quoted."""

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
#: A certificate should be renewed a week before its end, or a fifth of its life if that is less.
_SOON, _SHARE = timedelta(days=7), 5


class Unusable(ValueError):
    """Files that cannot be used; the text names the file and says why, and quotes nothing out of it."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where they are. Certificate files can hold a chain, the CA file several CAs."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a file is of use."""

    file: Path
    since: datetime
    until: datetime

    def complaint(self, now: datetime) -> str:
        """What is the matter with it, if anything is."""
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
    caution: str = ""  # about the file of the key

    @property
    def contents(self) -> tuple[bytes, bytes, bytes | None]:
        return self.cert, self.key, self.client_ca

    def __repr__(self) -> str:
        return "<Tls>"  # never the key


def read(files: Files) -> Tls:
    """What the files hold now. Raises Unusable."""
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
    """The CAs that a file holds. Raises Unusable."""
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
    """Of use as long as all are."""
    return Validity(
        path,
        max(each.not_valid_before_utc for each in chain),
        min(each.not_valid_after_utc for each in chain),
    )


def _of_bundle(path: Path, bundle: Sequence[x509.Certificate]) -> Validity:
    """Those of the valid CA that expires first: an expired one may stay beside its successor."""
    now = datetime.now(UTC)
    living = [each for each in bundle if each.not_valid_after_utc > now]
    first = min(living or bundle, key=lambda each: each.not_valid_after_utc)
    return Validity(path, first.not_valid_before_utc, first.not_valid_after_utc)


def _caution(key: Path) -> str:
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError:
        return ""  # gone since it was read; the next look says so
    return f"{key} is a private key that others can read: its mode is {mode:04o}" if mode & 0o004 else ""
