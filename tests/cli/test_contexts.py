"""Control planes by name: what is kept of each, and which one is asked."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pilothouse.cli import contexts
from pilothouse.cli.asking import place
from pilothouse.cli.contexts import Context, Contexts
from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort

from ..authority import Authority, replace

TOKEN = "w" * 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where contexts are kept; nothing else says where a control plane is."""
    for name in ("ADMIN", "ADMIN_CONTEXT", "CONFIG", "TOKEN_FILE", "ADMIN_TLS_CERT"):
        monkeypatch.delenv(f"PILOTHOUSE_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config/pilothouse/contexts.yaml"


def test_a_context_is_kept_for_its_user_only_and_the_first_one_is_used(pilothouse, home) -> None:
    assert pilothouse("context", "list").out.split()[:2] == ["NAME", "ADMIN"]
    replace(Path("token"), TOKEN.encode())
    assert pilothouse("context", "set", "prod", "--admin", "127.0.0.1:1", "--token-file", "token").status == 0
    assert pilothouse("context", "set", "test", "--admin", "127.0.0.1:2").status == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o600
    assert TOKEN not in home.read_text()
    listed = pilothouse("context", "list").out.splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["*", "prod", "127.0.0.1:1", "no", "token"],
        ["test", "127.0.0.1:2", "no", "-"],
    ]
    asked = place(None)
    assert (str(asked), asked.token) == ("127.0.0.1:1", TOKEN)
    assert TOKEN not in repr(asked)


def test_which_control_plane_is_asked(pilothouse, monkeypatch) -> None:
    assert str(place(None)) == "127.0.0.1:18001"
    for name, port in (("one", 1), ("two", 2), ("three", 3)):
        pilothouse("context", "set", name, "--admin", f"127.0.0.1:{port}")
    assert str(place(None)) == "127.0.0.1:1"
    pilothouse("context", "use", "two")
    assert str(place(None)) == "127.0.0.1:2"
    monkeypatch.setenv("PILOTHOUSE_ADMIN_CONTEXT", "three")
    assert str(place(None)) == "127.0.0.1:3"
    monkeypatch.setenv("PILOTHOUSE_ADMIN", "127.0.0.1:4")
    assert str(place(None)) == "127.0.0.1:4"
    assert str(place("one")) == "127.0.0.1:1"
    assert str(place("127.0.0.1:5")) == "127.0.0.1:5"


def test_a_context_is_changed_in_part_and_removed(pilothouse, home) -> None:
    pilothouse("context", "set", "prod", "--admin", "prod.example:1", "--tls")
    pilothouse("context", "set", "prod", "--admin", "prod.example:2")
    assert contexts.read(home) == Contexts("prod", {"prod": Context(HostPort("prod.example", 2), tls=True)})
    pilothouse("context", "remove", "prod")
    assert contexts.read(home) == Contexts()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("use", "prod"), "context use: 'prod' is no context; there is none"),
        (("remove", "prod"), "context remove: 'prod' is no context; there is none"),
        (("set", "prod"), "--admin: a new context needs it"),
        (("set",), "context: set needs the NAME of a context"),
        (("set", "a:b", "--admin", "h:1"), "context: a name must be A-Z a-z 0-9 . _ -, not 'a:b'"),
        (("set", "prod", "--admin", "h:1", "--token-file", "/nothing"), "--token-file: /nothing is no file"),
        (
            ("set", "prod", "--admin", "h:1", "--tls-cert", "file"),
            "--tls-cert and --tls-key: one needs the other",
        ),
    ],
)
def test_a_mistake_is_one_line(pilothouse, arguments, line) -> None:
    Path("file").touch()
    assert pilothouse("context", *arguments).refused(line)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[", "is no YAML that can be read"),
        ("- a\n", "must have the keys `current` and `contexts`"),
        ("contexts: [a]\n", "contexts: must be a mapping of names"),
        ("contexts: {prod: {}}\n", "contexts.prod: admin: '' is not HOST:PORT"),
        (
            "contexts: {prod: {admin: 'h:1', token: x}}\n",
            "contexts.prod: must have keys out of admin, tls",
        ),
        ("contexts: {prod: {admin: 'h:1', tls: 3}}\n", "contexts.prod: tls: must be true or false"),
    ],
)
def test_a_mistake_in_the_file_names_it(home, text, mistake) -> None:
    home.parent.mkdir(parents=True)
    home.write_text(text)
    with pytest.raises(ConfigError) as refused:
        place(None)
    assert str(refused.value).startswith(f"{home}: {mistake}")


def test_paths_are_relative_to_the_file(home) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("current: prod\ncontexts: {prod: {admin: 'localhost:1', token-file: t}}\n")
    replace(home.parent / "t", TOKEN.encode())
    assert place(None).token == TOKEN


def test_a_token_is_never_sent_in_plain_text_to_another_machine(pilothouse, monkeypatch) -> None:
    replace(Path("token"), TOKEN.encode())
    pilothouse("context", "set", "prod", "--admin", "prod.example:1", "--token-file", "token")
    with pytest.raises(ConfigError, match="would be sent in plain text to prod"):
        place("prod")
    monkeypatch.setenv("PILOTHOUSE_TOKEN_FILE", "token")
    with pytest.raises(ConfigError, match="would be sent in plain text"):
        place("prod.example:1")
    assert place("127.0.0.1:1").token == TOKEN


def test_files_that_cannot_be_used_are_named(pilothouse) -> None:
    Path("empty").touch(mode=0o600)
    pilothouse("context", "set", "a", "--admin", "127.0.0.1:1", "--token-file", "empty")
    pilothouse("context", "set", "b", "--admin", "127.0.0.1:1", "--tls-ca", "empty")
    for name, why in (("a", "holds no token"), ("b", "cannot be used for TLS")):
        with pytest.raises(ConfigError, match=why):
            place(name)
    Path("empty").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        place("a")


def test_a_context_with_tls_checks_the_name_and_shows_its_certificate(pilothouse, tmp_path) -> None:
    authority = Authority()
    replace(tmp_path / "ca.crt", authority.pem)
    authority.issue("spiffe://mesh.example/ops/bob").write(tmp_path, "bob")
    files = ("--tls-ca", "ca.crt", "--tls-cert", "bob.crt", "--tls-key", "bob.key")
    pilothouse("context", "set", "prod", "--admin", "prod.example:1", *files)
    tls = place("prod").tls
    assert tls is not None
    assert tls.check_hostname
    assert len(tls.get_ca_certs()) == 1
