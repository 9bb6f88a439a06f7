"""What is kept on disk comes back as it was, or counts as absent."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from pilothouse.sources.settings import default_folder
from pilothouse.structures.state import StateFolder

KEY, TEXTS = "/etc/manifests/a.yaml", (b"first\n", b"", b"\x00 second")


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "deep" / "state")


def test_texts_come_back_as_they_were(state: StateFolder) -> None:
    odd = os.fsdecode(b"/caf\xe9.yaml")
    state.save({KEY: TEXTS, odd: (b"odd",)})
    assert state.load() == ({KEY: TEXTS, odd: (b"odd",)}, [])
    state.save({KEY: (b"new",), odd: None})
    assert state.load() == ({KEY: (b"new",)}, [])


def test_a_folder_that_is_not_there_holds_nothing(state: StateFolder) -> None:
    assert state.load() == ({}, [])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1], "does not match its checksum"),
        (lambda data: data.replace(b"second", b"sECOND"), "does not match its checksum"),
        (lambda data: b"", "is no state of pilothouse"),
        (lambda data: b"\xff\xfe" * 100, "is no state of pilothouse"),
        (lambda data: data.replace(b"-state 1 ", b"-state 2 "), "has the version 2, not 1"),
        (lambda data: data.split(b"\n")[0], "does not match its checksum"),
    ],
)
def test_what_is_corrupt_is_named_and_counts_as_absent(state, spoil, reason) -> None:
    state.save({KEY: TEXTS, "/other": (b"good",)})
    file = state.file(KEY)
    file.write_bytes(spoil(file.read_bytes()))
    found, corrupt = state.load()
    assert found == {"/other": (b"good",)}
    assert [(one.file, one.reason) for one in corrupt] == [(file, reason)]


@pytest.mark.parametrize(
    "head", ["null", "[]", "{}", '{"key": 1, "sizes": []}', '{"key": "/a", "sizes": ["x"]}']
)
def test_a_head_that_says_something_else_is_named_and_counts_as_absent(state: StateFolder, head: str) -> None:
    state.open()
    body = f"{head}\n".encode()
    first = f"pilothouse-state 1 {sha256(body).hexdigest()}\n".encode()
    (state.folder / "foreign.state").write_bytes(first + body)
    found, corrupt = state.load()
    assert found == {}
    assert [one.reason for one in corrupt] == ["does not say what is in it"]


def test_a_pipe_and_a_folder_are_named_and_hold_nobody_up(state: StateFolder) -> None:
    state.save({KEY: TEXTS})
    os.mkfifo(state.folder / "a.state")
    (state.folder / "b.state").mkdir()
    found, corrupt = state.load()
    assert found == {KEY: TEXTS}
    assert [(one.file.name, one.reason) for one in corrupt] == [
        ("a.state", "is not a regular file"),
        ("b.state", "is not a regular file"),
    ]


def test_only_its_user_can_read_it_and_nothing_else_is_left_there(state: StateFolder) -> None:
    state.open()
    state.save({KEY: TEXTS})
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in state.folder.iterdir()] == [0o600]


def test_what_cannot_be_written_leaves_the_old_one(state: StateFolder, monkeypatch) -> None:
    state.save({KEY: TEXTS})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.save({KEY: (b"new",)})
    assert state.load() == ({KEY: TEXTS}, [])
    assert len([*state.folder.iterdir()]) == 1


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/home/me"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/pilothouse"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/pilothouse"),
        ({}, "/var/lib/pilothouse"),
    ],
)
def test_the_default_is_where_the_platform_keeps_state(environment: dict[str, str], folder: str) -> None:
    assert default_folder(environment) == Path(folder)
