"""How the certificates of the webhook are made, renewed in time, and read out of a Secret."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID

from pilothouse.webhook.certificates import Broken, Keys, made, read, renewed

from ..authority import Authority

NAME = "pilothouse-webhook.pilothouse.svc"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def is_trusted(keys: Keys, bundle: bytes, at: datetime, name: str = NAME) -> bool:
    """Whether a client that trusts these CAs would call a server with these keys."""
    roots = x509.load_pem_x509_certificates(bundle)
    store = x509.verification.Store(roots)
    verifier = (
        x509.verification.PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(name))
    )
    try:
        verifier.verify(keys.served, [])
    except x509.verification.VerificationError:
        return False
    return True


def test_a_new_certificate_is_trusted_by_its_bundle_for_its_name_alone() -> None:
    keys = made(NAME, NOW)
    assert is_trusted(keys, keys.bundle, NOW)
    assert not is_trusted(keys, keys.bundle, NOW, "other.pilothouse.svc")
    assert not is_trusted(keys, made(NAME, NOW).bundle, NOW)
    assert not is_trusted(keys, keys.bundle, NOW + 91 * DAY)


def test_a_secret_gives_back_what_was_put_into_it() -> None:
    keys = made(NAME, NOW)
    assert read(keys.data()).data() == keys.data()


def test_the_library_of_tls_takes_them(tmp_path) -> None:
    for file, content in made(NAME, NOW).data().items():
        (tmp_path / file).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    context.load_verify_locations(tmp_path / "ca.crt")


def test_no_key_is_shown() -> None:
    assert "key=" not in repr(made(NAME, NOW))


def test_nothing_is_renewed_before_two_thirds_of_its_life() -> None:
    keys = made(NAME, NOW)
    assert renewed(keys, NAME, keys.bundle, NOW + 59 * DAY) is keys


def test_a_certificate_is_renewed_by_the_same_ca() -> None:
    keys = made(NAME, NOW)
    then = NOW + 61 * DAY
    again = renewed(keys, NAME, keys.bundle, then)
    assert again.bundle == keys.bundle
    assert again.until == then + 90 * DAY
    assert again.data()["tls.key"] != keys.data()["tls.key"]
    assert is_trusted(again, keys.bundle, then)


def test_a_new_ca_is_trusted_before_it_signs() -> None:
    then = NOW + 490 * DAY
    old = made(NAME, NOW)
    # The certificate is of last week.
    old = renewed(old, NAME, old.bundle, then - 7 * DAY)
    both = renewed(old, NAME, old.bundle, then)
    assert len(both.authorities) == 2
    assert both.served == old.served
    assert both.authority_key is not old.authority_key
    assert renewed(both, NAME, old.bundle, then) is both, "the API server does not trust the new CA yet"
    switched = renewed(both, NAME, both.bundle, then)
    assert switched.bundle == both.bundle
    assert is_trusted(switched, both.bundle, then)
    assert is_trusted(old, both.bundle, then), "a replica may still have the old certificate"
    assert not is_trusted(switched, old.bundle, then)


def test_a_ca_is_forgotten_when_it_has_expired() -> None:
    keys = made(NAME, NOW)
    keys = renewed(keys, NAME, keys.bundle, NOW + 490 * DAY)
    keys = renewed(keys, NAME, keys.bundle, NOW + 490 * DAY)
    keys = renewed(keys, NAME, keys.bundle, NOW + 725 * DAY)
    assert len(keys.authorities) == 2
    keys = renewed(keys, NAME, keys.bundle, NOW + 731 * DAY)
    assert len(keys.authorities) == 1
    assert is_trusted(keys, keys.bundle, NOW + 731 * DAY)


def test_through_the_years_a_certificate_is_trusted_by_who_was_told_at_the_last_look() -> None:
    keys = made(NAME, NOW)
    told = keys.bundle
    for days in range(0, 6 * 365, 5):
        now = NOW + days * DAY
        keys = renewed(keys, NAME, told, now)
        assert is_trusted(keys, told, now), now
        told = keys.bundle
    assert len(keys.authorities) <= 2


def test_a_certificate_that_has_expired_is_replaced_whoever_trusts_it() -> None:
    keys = made(NAME, NOW)
    then = NOW + 91 * DAY
    again = renewed(keys, NAME, b"", then)
    assert again.bundle == keys.bundle
    assert is_trusted(again, again.bundle, then)


def test_after_years_of_rest_everything_is_made_anew() -> None:
    keys, then = made(NAME, NOW), NOW + 800 * DAY
    again = renewed(keys, NAME, keys.bundle, then)
    assert len(again.authorities) == 1
    assert is_trusted(again, again.bundle, then)


def test_a_service_of_another_name_gets_a_certificate_of_its_own() -> None:
    keys = made(NAME, NOW)
    again = renewed(keys, "other.mesh.svc", b"", NOW)
    assert again.bundle == keys.bundle
    assert is_trusted(again, again.bundle, NOW, "other.mesh.svc")


ISSUED = Authority().issue(NAME)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ca.crt": b"garbage"}, "what should be a certificate is none"),
        ({"tls.crt": b""}, "what should be a certificate is none"),
        ({"tls.key": b"-----BEGIN PRIVATE KEY-----"}, "tls.key is no private key that can be read"),
        ({"tls.key": made(NAME, NOW).data()["tls.key"]}, "tls.key is not the key of its certificate"),
        ({"ca.key": made(NAME, NOW).data()["ca.key"]}, "ca.key is not the key of its certificate"),
        ({"tls.crt": ISSUED.cert, "tls.key": ISSUED.key}, "no CA in ca.crt has signed tls.crt"),
        ({"ca.key": None}, "ca.key is missing"),
    ],
)
def test_a_broken_secret_is_told_by_what_is_wrong(changed: dict[str, bytes | None], reason: str) -> None:
    data = {name: value for name, value in (made(NAME, NOW).data() | changed).items() if value is not None}
    with pytest.raises(Broken, match=f"^{reason}$"):
        read(data)


def test_a_certificate_whose_names_cannot_be_read_is_a_broken_secret() -> None:
    keys = made(NAME, NOW)
    names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x01nonsense")
    odd = (
        x509.CertificateBuilder()
        .subject_name(keys.served.subject)
        .issuer_name(keys.served.issuer)
        .public_key(keys.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .add_extension(names, critical=False)
        .sign(keys.authority_key, hashes.SHA256())
    )
    with pytest.raises(Broken, match="what should be a certificate is none"):
        read(replace(keys, served=odd).data())
