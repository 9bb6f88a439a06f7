"""What a file of secrets may say, and that a mistake names its place and quotes no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.config.settings import ConfigError, load
from pilothouse.feeds.feed import Feed, Mistake
from pilothouse.feeds.secrets import read

from ..authority import Authority


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Beside it are `web.crt` and `web.key`, `other.key` and `ca.crt`."""
    authority = Authority()
    authority.issue("web.test").write(tmp_path, "web")
    authority.issue("web.test").write(tmp_path, "other")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    return tmp_path / "s.yaml"


def test_secrets_are_certificates_or_authorities_for_somebody(file: Path, tmp_path: Path) -> None:
    file.write_text(
        "web: {cert: web.crt, key: web.key, namespaces: [shop], ids: ['spiffe://a/b']}\n"
        "roots: {ca: ca.crt, anyone: true}\n"
    )
    web, roots = read(file)
    assert (web.name, web.namespaces, web.ids, web.anyone) == (
        "web",
        frozenset({"shop"}),
        frozenset({"spiffe://a/b"}),
        False,
    )
    assert (web.chain, web.key) == ((tmp_path / "web.crt").read_bytes(), (tmp_path / "web.key").read_bytes())
    assert (roots.authorities, roots.anyone) == ((tmp_path / "ca.crt").read_bytes(), True)
    assert "KEY" not in repr(web)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "web: {cert: web.crt, key: web.key}",
            "web: does not say who may have it: namespaces, ids or anyone",
        ),
        ("web: {cert: web.crt, key: web.key, namespaces: []}", "web: does not say who may have it"),
        ("web: {cert: web.crt, key: web.key, anyone: false}", "web: does not say who may have it"),
        ("web: {cert: web.crt, anyone: true}", "web: needs cert and key, or ca alone"),
        ("web: {cert: web.crt, key: web.key, ca: ca.crt, anyone: true}", "web: needs cert and key, or ca"),
        ("web: {anyone: true}", "web: needs cert and key, or ca alone"),
        ("web: {ca: ca.crt, anyone: 1}", "web.anyone: is neither true nor false"),
        ("web: {ca: ca.crt, namespaces: shop}", "web.namespaces: is not a list"),
        ("web: {ca: ca.crt, namespaces: [1]}", "web.namespaces[0]: is not a string"),
        ("web: {ca: ca.crt, namespace: [shop]}", "web.namespace: is not known; known keys are"),
        ("web: {ca: none.crt, anyone: true}", "web: {folder}/none.crt: No such file or directory"),
        ("web: {ca: web.key, anyone: true}", "web: {folder}/web.key holds no certificates (PEM)"),
        ("web: {cert: web.crt, key: other.key, anyone: true}", "web: {folder}/other.key is not the key of"),
        ("web: x", "web: is not a mapping"),
    ],
)
def test_each_mistake_names_its_place(file: Path, text: str, mistake: str) -> None:
    file.write_text(f"# first\n{text}\n")
    with pytest.raises(Mistake) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}:2: " + mistake.replace("{folder}", str(file.parent)))


def test_a_wrong_file_is_one_clear_error_at_the_start(file: Path, tmp_path: Path) -> None:
    file.write_text("web: {ca: none.crt, anyone: true}\n")
    with pytest.raises(ConfigError) as raised:
        load({"manifests": [str(tmp_path)], "secrets": str(file)}, {})
    assert str(raised.value).startswith(f"--secrets: {file}:1: web: {tmp_path}/none.crt: No such file")


def test_a_pair_that_does_not_fit_yet_leaves_the_last_one_in_force(file: Path, tmp_path: Path) -> None:
    file.write_text("web: {cert: web.crt, key: web.key, namespaces: [shop]}\n")
    feed = Feed("secrets", lambda: read(file))
    before, new = feed.value, Authority().issue("web.test")
    (tmp_path / "web.crt").write_bytes(new.cert)
    feed.refresh()
    assert feed.value == before
    assert "is not the key of" in str(feed.state.mistake)
    (tmp_path / "web.key").write_bytes(new.key)
    feed.refresh()
    assert (feed.value[0].chain, feed.state.mistake) == (new.cert, None)


def test_a_key_in_the_place_of_its_file_is_not_quoted(file: Path, tmp_path: Path) -> None:
    key = (tmp_path / "web.key").read_text()
    inside = "".join(f"    {line}\n" for line in key.splitlines())
    file.write_text(f"web:\n  cert: web.crt\n  anyone: true\n  key: |\n{inside}")
    with pytest.raises(Mistake) as mistake:
        read(file)
    assert str(mistake.value) == f"{file}:4: web.key: must be a file name, not the content of a file"
    with pytest.raises(ConfigError) as refused:
        load({"manifests": [str(tmp_path)], "tls_cert": str(tmp_path / "web.crt"), "tls_key": key}, {})
    assert "must be a file name" in str(refused.value)
    assert key.splitlines()[1] not in str(refused.value)


def test_whatever_the_reader_comes_upon_is_a_mistake_and_does_not_end_the_looking() -> None:
    values: list[object] = ["one", OverflowError("secret"), "two"]

    def found() -> object:
        value = values.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    feed = Feed("secrets", found)
    feed.refresh()
    assert (feed.value, str(feed.state.mistake)) == ("one", "secrets: cannot be read: OverflowError")
    feed.refresh()
    assert (feed.value, feed.state.mistake) == ("two", None)
