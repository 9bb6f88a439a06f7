"""What a command prints: nothing steers the terminal, and a full disk is a mistake of one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.cli.asking import place
from pilothouse.cli.output import complain
from pilothouse.config.settings import ConfigError

PROGRAM = Path(sys.executable).with_name("pilothouse")


def test_a_mistake_with_the_words_of_others_cannot_steer_the_terminal(capsys) -> None:
    complain("no proxy web\x1b]0;owned\x07\x1b[2J\u202e\nnear: \x9b2J")
    assert capsys.readouterr().err == (
        "pilothouse: no proxy web\\x1b]0;owned\\x07\\x1b[2J\\u202e near: \\x9b2J\n"
    )


def test_the_mistake_of_a_command_is_printed_so(pilothouse) -> None:
    outcome = pilothouse("bootstrap", "--node", "a", "--namespace", "b", "--control-plane", "\x1b[2J")
    assert outcome.status == 2
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize(
    "arguments", [["version"], ["--version"], [], ["completion", "bash"], ["-h"], ["validate", "--help"]]
)
def test_a_full_disk_is_one_line_and_exit_2(arguments) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (2, "pilothouse: stdout: no space left on device\n")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_a_token_that_every_user_could_read_is_not_sent(tmp_path, monkeypatch, mode) -> None:
    file = tmp_path / "token"
    file.write_text("t" * 32)
    monkeypatch.setenv("PILOTHOUSE_TOKEN_FILE", str(file))
    os.chmod(file, mode)
    with pytest.raises(ConfigError) as refused:
        place("127.0.0.1:1")
    why = f"is open to every user, with mode {mode:04o}; chmod o= {file}"
    assert str(refused.value) == f"{file}: {why}"
    os.chmod(file, 0o640)
    assert place("127.0.0.1:1").token == "t" * 32
