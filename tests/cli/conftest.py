"""Running the command line: in this process, where most tests need no more, and as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse import cli


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    def refused(self, line: str) -> bool:
        """Whether it exited 2 with just this line on stderr and nothing on stdout."""
        return (self.status, self.out, self.err) == (2, "", f"pilothouse: {line}\n")


Command = Callable[..., Outcome]


@pytest.fixture
def pilothouse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `pilothouse ARGUMENTS` in this process: `outcome = pilothouse("version", "-o", "json")`."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pilothouse", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        status = ended.value.code or 0
        assert isinstance(status, int)
        return Outcome(status, printed.out, printed.err)

    return run


@pytest.fixture
def process() -> Command:
    """Runs `pilothouse ARGUMENTS` as a user does, as a process of its own."""
    program = Path(sys.executable).with_name("pilothouse")

    def run(*arguments: str | Path) -> Outcome:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def envoy() -> Path:
    """The Envoy binary: $ENVOY_BIN, else beside this Python, else on the PATH."""
    beside = Path(sys.executable).with_name("envoy")
    found = os.environ.get("ENVOY_BIN") or (beside if beside.exists() else shutil.which("envoy"))
    assert found, "no envoy: install the extra `demo`, or set ENVOY_BIN"
    return Path(found)


@pytest.fixture
def validated(envoy: Path) -> Callable[[Path], str]:
    """What `envoy --mode validate` says of a bootstrap: errors, and warnings of deprecated fields."""

    def run(bootstrap: Path) -> str:
        options = ["--mode", "validate", "-c", str(bootstrap), "-l", "warning", "--disable-hot-restart"]
        done = subprocess.run([envoy, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        return f"{done.returncode} {done.stdout.decode()}".replace(str(bootstrap), bootstrap.name).strip()

    return run
