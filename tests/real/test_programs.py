"""What is built, when, and what is said where it cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from . import programs
from .programs import Missing, Part


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders into which a program was built. Go seems to be installed."""
    monkeypatch.delenv("PILOTHOUSE_KUBE_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "go/tool").mkdir(parents=True)
    (tmp_path / "go/tool/go.mod").write_text("module tool\n")
    monkeypatch.setattr(programs, "_MODULES", tmp_path / "go")
    return []


def part(made: list[Path]) -> Part:
    def make(module: Path, into: Path) -> None:
        made.append(into)
        (into / "program").write_text((module / "go.mod").read_text())

    return Part("tool", "program", make)


def test_it_is_built_once(made) -> None:
    assert part(made).find() is None
    program = part(made).build()
    assert program.read_text() == "module tool\n"
    assert part(made).build() == program == part(made).find()
    assert len(made) == 1


def test_another_module_is_another_program(made, tmp_path) -> None:
    first = part(made).build()
    (tmp_path / "go/tool/go.sum").write_text("changed\n")
    assert part(made).find() is None
    assert part(made).build() != first


def test_a_build_that_fails_leaves_nothing_and_says_why(made) -> None:
    def fail(module: Path, into: Path) -> None:
        (into / "program").write_text("half")
        raise subprocess.CalledProcessError(1, "go", stderr="no required module\n")

    failing = Part("tool", "program", fail)
    with pytest.raises(Missing, match=r"^program cannot be built: no required module$"):
        failing.build()
    assert failing.find() is None


def test_without_go_the_reason_is_said(made, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Missing, match="program is built with Go, which is not installed"):
        part(made).build()


def test_ready_programs_are_taken_as_they_are(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_KUBE_BIN", str(tmp_path))
    with pytest.raises(Missing, match=r"no program in \$PILOTHOUSE_KUBE_BIN"):
        part(made).build()
    (tmp_path / "program").touch()
    assert part(made).build() == tmp_path / "program"
    assert not made
