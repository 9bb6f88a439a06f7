"""How the command is found out about: help, version, as a module, and by the completion of a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from pilothouse import __version__, cli
from pilothouse.cli.contexts import Context, Contexts, write
from pilothouse.structures.hostport import HostPort

COMMANDS = list(vars(get_command(cli.app))["commands"])


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_explains_itself_with_h_too(pilothouse, command) -> None:
    short, long = pilothouse(*command, "-h"), pilothouse(*command, "--help")
    assert short == long
    assert (short.status, short.err) == (0, "")
    assert short.out.startswith(" ".join(("Usage: pilothouse", *command)))


def test_the_version_is_one_line(pilothouse) -> None:
    outcome = pilothouse("--version")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"pilothouse {__version__}\n", "")


def test_it_runs_as_a_module_and_is_called_by_its_name() -> None:
    command = [sys.executable, "-m", "pilothouse", "serve", "--bogus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pilothouse: No such option: --bogus\n"


COMPLETED = [
    ("se", "serve services"),
    ("", f"{' '.join(COMMANDS)} --version -h --help"),
    ("serve --log-l", "--log-level"),
    ("serve --log-level ", "debug info warning error"),
    ("serve --manifests ma", "manifests"),
    ("serve --xds ", ""),
    ("serve --no-e", "--no-external-names"),
    ("bootstrap --capture v", "vip"),
    ("bootstrap --node web-0 --sotw --tls-c", "--tls-ca --tls-cert"),
    ("capture install --exclude-", "--exclude-port --exclude-range"),
    ("capture i", "install"),
    ("capture install --tool ", "nft iptables"),
    ("validate -o ", "text json"),
    ("validate ma", "manifests"),
    ("completion ", "bash zsh fish -h --help"),
    ("status --context ", "day night"),
    ("status --admin n", "night"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    known = {name: Context(HostPort("127.0.0.1", 18001), tls=True) for name in ("day", "night")}
    write(tmp_path / ".config/pilothouse/contexts.yaml", Contexts("night", known))
    return tmp_path


@pytest.mark.parametrize(("line", "offered"), COMPLETED)
def test_bash_completes_commands_flags_values_and_files(pilothouse, folder, line, offered) -> None:
    words = ["pilothouse", *line.split(" ")]
    program = f"""{pilothouse("completion", "bash").out}
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _pilothouse; printf '%s\\n' "${{COMPREPLY[@]}}" """
    found = _said(folder, "bash", "--norc", "-c", program, "bash", *words)
    assert sorted(found) == sorted(offered.split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
@pytest.mark.parametrize(("line", "offered"), [pair for pair in COMPLETED if pair[1] and "-" not in pair[1]])
def test_fish_completes_commands_values_and_files(pilothouse, folder, line, offered) -> None:
    program = f"{pilothouse('completion', 'fish').out}\ncomplete -C 'pilothouse {line}'"
    found = [said.split("\t")[0].rstrip("/") for said in _said(folder, "fish", "-c", program)]
    assert sorted(found) == sorted(offered.split())


def test_zsh_is_given_what_bash_is_and_what_reads_it(pilothouse) -> None:
    bash, zsh = pilothouse("completion", "bash").out, pilothouse("completion", "zsh").out
    assert zsh.endswith(bash)
    assert "bashcompinit" in zsh


def _said(folder: Path, *command: str) -> list[str]:
    home = {**os.environ, "HOME": str(folder)}
    home.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []
