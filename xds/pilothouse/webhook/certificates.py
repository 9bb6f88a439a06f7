"""The certificates of the webhook: how they are made, when they are renewed, how a Secret holds them. Pure,
but for the chance in a key.

The API server trusts a CA of our own, whose certificate stands in the configuration of the webhook. A new CA
is trusted first, and signs later: in between, the certificate of the old one goes on. The old CA stays among
the trusted ones until it expires, but its key is forgotten as soon as there is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_LIFE, _LIFE = timedelta(days=730), timedelta(days=90)
# Clocks differ.
_BACKDATED = timedelta(hours=1)

_Key: TypeAlias = ec.EllipticCurvePrivateKey


# What the library raises for certificates that are none, or of a sort that it does not know; some of it only
# when it is asked what they say.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Broken(ValueError):
    """What a Secret holds is not what we put there. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The CAs that are to be trusted, the newest first, with its key; and what is served, with its key."""

    authorities: tuple[x509.Certificate, ...]
    served: x509.Certificate
    authority_key: _Key = field(repr=False)
    key: _Key = field(repr=False)

    @property
    def bundle(self) -> bytes:
        """All CAs, in PEM."""
        return b"".join(_pem(each) for each in self.authorities)

    @property
    def until(self) -> datetime:
        """When the served certificate expires."""
        return self.served.not_valid_after_utc

    @property
    def chain_and_key(self) -> tuple[bytes, bytes]:
        """What a server is given, in PEM."""
        return _pem(self.served), _written(self.key)

    def data(self) -> dict[str, bytes]:
        """As a Secret holds it."""
        certificate, key = self.chain_and_key
        return {
            "ca.crt": self.bundle,
            "ca.key": _written(self.authority_key),
            "tls.crt": certificate,
            "tls.key": key,
        }


def read(data: Mapping[str, bytes]) -> Keys:
    """The keys that a Secret holds. Raises Broken."""
    try:
        authorities = tuple(x509.load_pem_x509_certificates(data["ca.crt"]))
        served = x509.load_pem_x509_certificate(data["tls.crt"])
        pems = data["ca.key"], data["tls.key"]
        public = authorities[0].public_key(), served.public_key()
        for each in (*authorities, served):
            each.extensions  # noqa: B018  (is parsed here)
    except KeyError as missing:
        raise Broken(f"{missing.args[0]} is missing") from None
    except _UNREADABLE:
        raise Broken("what should be a certificate is none") from None
    keys = Keys(authorities, served, _key("ca.key", pems[0]), _key("tls.key", pems[1]))
    for name, key, expected in (
        ("ca.key", keys.authority_key, public[0]),
        ("tls.key", keys.key, public[1]),
    ):
        if key.public_key() != expected:
            raise Broken(f"{name} is not the key of its certificate")
    if not any(_signed(served, each) for each in authorities):
        raise Broken("no CA in ca.crt has signed tls.crt")
    return keys


def made(name: str, now: datetime) -> Keys:
    """New ones, for a server of this DNS name."""
    authority, authority_key = _authority(now)
    served, key = _issued(name, authority, authority_key, now)
    return Keys((authority,), served, authority_key, key)


def renewed(keys: Keys, name: str, trusted: bytes, now: datetime) -> Keys:
    """The same, with what is due made anew: that is what has lived two thirds of its life.

    `trusted` are the CAs, in PEM, by which the API server checks us now.
    """
    living = tuple(each for each in keys.authorities if each.not_valid_after_utc > now)
    if not living:
        return made(name, now)
    if len(living) < len(keys.authorities):
        keys = replace(keys, authorities=living)
    if _is_due(living[0], now):
        authority, authority_key = _authority(now)
        keys = replace(keys, authorities=(authority, *living), authority_key=authority_key)
    newest = keys.authorities[0]
    usable = now < keys.until and _is_for(keys.served, name)
    is_due = not _signed(keys.served, newest) or _is_due(keys.served, now)
    if not usable or (is_due and _pem(newest) in trusted):
        served, key = _issued(name, newest, keys.authority_key, now)
        keys = replace(keys, served=served, key=key)
    return keys


def _is_due(certificate: x509.Certificate, now: datetime) -> bool:
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= since + (until - since) * 2 / 3


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return name in found.value.get_values_for_type(x509.DNSName)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _authority(now: datetime) -> tuple[x509.Certificate, _Key]:
    # Each CA has a name of its own: a client that knows several finds the one that signed by its name.
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"pilothouse webhook CA {x509.random_serial_number():x}")
    usage = _usage(digital_signature=False, key_cert_sign=True, crl_sign=True)
    certificate = (
        _begun(name, name, key, now, now + _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _issued(
    name: str, authority: x509.Certificate, authority_key: _Key, now: datetime
) -> tuple[x509.Certificate, _Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + _LIFE, authority.not_valid_after_utc)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _begun(_name("pilothouse webhook"), authority.subject, key, now, until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_cert_sign=False, crl_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(signer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _begun(
    subject: x509.Name, issuer: x509.Name, key: _Key, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(until)
    )


def _usage(digital_signature: bool, key_cert_sign: bool, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key(name: str, pem: bytes) -> _Key:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Broken(f"{name} is no private key that can be read") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Broken(f"{name} is a key of another sort than ours")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _written(key: _Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
