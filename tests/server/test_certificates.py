"""Files of certificates: what is read, what is not believed, and what is warned of."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from pilothouse.feeds.pem import Files, Unusable, Validity, read
from pilothouse.server.certificates import Certificates

from ..authority import Authority, replace


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    authority.issue("127.0.0.1").write(tmp_path, "tls")
    replace(tmp_path / "ca.crt", authority.pem)
    return Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")


def test_new_files_are_in_force_when_they_are_looked_at(files: Files, authority: Authority) -> None:
    certificates, renewed = Certificates(files), authority.issue("127.0.0.1")
    renewed.write(files.cert.parent, "tls")
    replace(Path(str(files.client_ca)), b"")
    replace(Path(str(files.client_ca)), Authority().pem + authority.pem)
    with structlog.testing.capture_logs() as logs:
        certificates.refresh()
        certificates.refresh()
    assert certificates.tls.contents == (renewed.cert, renewed.key, Path(str(files.client_ca)).read_bytes())
    assert [entry["event"] for entry in logs] == ["certificates read again"]
    assert certificates.warnings == []


SPOILT = {
    "gone": lambda files: files.cert.unlink(),
    "empty": lambda files: files.cert.write_bytes(b""),
    "half": lambda files: files.cert.write_bytes(files.cert.read_bytes()[:200]),
    "one and a half": lambda files: files.cert.write_bytes((files.cert.read_bytes() * 2)[:-50]),
    "no key": lambda files: files.key.write_bytes(b"x"),
    "half a key": lambda files: files.key.write_bytes(files.key.read_bytes()[:100]),
    "another key": lambda files: files.key.write_bytes(Authority().issue().key),
    "half a CA": lambda files: files.client_ca.write_bytes(files.client_ca.read_bytes()[:200]),
    "a pipe": lambda files: [files.cert.unlink(), os.mkfifo(files.cert)],  # type: ignore[func-returns-value]
    "a folder": lambda files: files.key.unlink() or files.key.mkdir(),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_cannot_be_used_leaves_what_was_read_before_and_is_logged_once(files: Files, spoil) -> None:
    certificates = Certificates(files)
    before = certificates.tls.contents
    spoil(files)
    with structlog.testing.capture_logs() as logs:
        certificates.refresh()
        certificates.refresh()
    assert certificates.tls.contents == before
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert str(files.cert.parent) in logs[0]["reason"]
    assert certificates.warnings == [f"{certificates.error}; keeping what was read before"]


def test_files_that_are_good_again_are_used(files: Files, authority: Authority) -> None:
    certificates, renewed = Certificates(files), authority.issue("127.0.0.1")
    replace(files.cert, renewed.cert)
    certificates.refresh()
    assert "is not the key of" in certificates.error
    replace(files.key, renewed.key)
    certificates.refresh()
    assert (certificates.error, certificates.tls.cert) == ("", renewed.cert)


def test_a_link_that_is_turned_to_another_folder_is_followed(tmp_path: Path, authority: Authority) -> None:
    """As Kubernetes mounts a Secret."""
    pairs = [authority.issue("127.0.0.1"), authority.issue("127.0.0.1")]
    for number, pair in enumerate(pairs):
        (tmp_path / f"..{number}").mkdir()
        pair.write(tmp_path / f"..{number}", "tls")
    (tmp_path / "..data").symlink_to("..0")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    certificates = Certificates(Files(tmp_path / "tls.crt", tmp_path / "tls.key"))
    (tmp_path / "new").symlink_to("..1")
    (tmp_path / "new").rename(tmp_path / "..data")
    certificates.refresh()
    assert (certificates.tls.cert, certificates.error) == (pairs[1].cert, "")


@pytest.mark.parametrize(
    ("lives", "left", "complaint"),
    [
        (365, 8, ""),
        (365, 6, "expires soon"),
        (365, -1, "expired at"),
        (1, 0.5, ""),
        (1, 0.1, "expires soon"),
        (10, 11, "is not valid before"),
    ],
)
def test_what_is_valid_for_less_than_a_week_or_a_fifth_of_its_life_expires_soon(
    lives, left, complaint
) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(days=left)
    said = Validity(Path("tls.crt"), until - timedelta(days=lives), until).complaint(now)
    assert said.startswith(f"tls.crt {complaint}") if complaint else said == ""


def test_a_certificate_that_expires_soon_is_warned_of_once(files: Files, authority: Authority) -> None:
    authority.issue("127.0.0.1", days=0.1).write(files.cert.parent, "tls")
    with structlog.testing.capture_logs() as logs:
        certificates = Certificates(files)
        certificates.refresh()
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert certificates.warnings == [logs[0]["problem"]]
    assert logs[0]["problem"].startswith(f"{files.cert} expires soon, at ")


def test_a_chain_ends_with_its_first_certificate_and_a_bundle_with_its_first_valid_one(
    files: Files, authority: Authority
) -> None:
    mine = authority.issue("127.0.0.1", days=20)
    replace(files.cert, mine.cert + Authority(days=10).pem)
    replace(files.key, mine.key)
    replace(Path(str(files.client_ca)), Authority(days=-1).pem + Authority(days=12).pem + authority.pem)
    now = datetime.now(UTC)
    assert [(each.until - now).days + 1 for each in read(files).validities] == [10, 12]
    replace(Path(str(files.client_ca)), Authority(days=-1).pem + Authority(days=-3).pem)
    assert read(files).validities[1].complaint(now).startswith(f"{files.client_ca} expired at ")


def test_a_key_that_others_can_read_is_warned_of(files: Files) -> None:
    files.key.chmod(0o644)
    certificates = Certificates(files)
    warning = f"{files.key} is a private key that others can read: its mode is 0644"
    assert certificates.warnings == [warning]
    files.key.chmod(0o640)
    certificates.refresh()
    assert certificates.warnings == []


def test_no_text_shows_a_key(files: Files) -> None:
    key = files.key.read_bytes()
    certificates = Certificates(files)
    assert "PRIVATE" not in repr(certificates.tls)
    replace(files.cert, key)
    with pytest.raises(Unusable) as error:
        read(files)
    assert key.splitlines()[1].decode() not in str(error.value)
