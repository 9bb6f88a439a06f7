"""The shell in which a reader's commands run, one after the other, and what they leave running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Self

_BLOCK_S = 60.0
_AGAIN_S = 0.1


class Shell:
    """A bash in a folder of its own. Where the system allows it, it has a network of its own, too.

    There the ports and addresses that a page names are free, whatever else runs on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "work"
        self._aside = folder
        self._folder.mkdir()
        self._process = subprocess.Popen(
            [*isolation(), "bash", "--noprofile", "--norc"],
            cwd=self._folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._blocks = 0

    def __enter__(self) -> Self:
        return self

    def save(self, name: str, text: str) -> None:
        """Save a file as an editor does, at once, in the folder that the shell is in."""
        file = Path(self._ask("pwd")) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.new")
        beside.write_text(text)
        beside.replace(file)

    def run(self, commands: str) -> tuple[int, str]:
        """The exit status, and what was printed until then. Raises TimeoutError."""
        self._blocks += 1
        block, out = self._aside / f"{self._blocks}.sh", self._aside / f"{self._blocks}.out"
        block.write_text(commands)
        status = self._ask(f". {block} >{out} 2>&1 </dev/null; echo $?")
        return int(status), out.read_text(errors="replace")

    def prints(self, commands: str, shown: str, status: int) -> str:
        """Run again and again until that is printed, for it may take a moment.

        Empty, or what was printed last.
        """
        deadline = time.monotonic() + _BLOCK_S
        while True:
            ended, out = self.run(commands)
            if ended == status and shows(out, shown):
                return ""
            if time.monotonic() > deadline:
                return f"status {ended}:\n{out}"
            time.sleep(_AGAIN_S)

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the shell has ended"
        return answer

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@cache
def isolation() -> tuple[str, ...]:
    """The words before a command that give it a network of its own; none where that is not to be had."""
    inside = 'ip link set lo up && exec "$@"'
    for namespaces in (("--net",), ("--map-root-user", "--net")):
        words = ("unshare", *namespaces, "sh", "-c", inside, "sh")
        if shutil.which("unshare") and not subprocess.run([*words, "true"], capture_output=True).returncode:
            return words
    return ()


def shows(out: str, shown: str) -> bool:
    """Whether the lines of `shown` are among those printed, in this order.

    `...` stands for any words, and blanks do not count. A count before something may be a little off.
    """
    lines = iter(out.splitlines())
    return all(any(_alike(line.split(), want) for line in lines) for want in _wanted(shown))


def _wanted(shown: str) -> list[list[str]]:
    lines = [line.split() for line in shown.splitlines()]
    return [words for words in lines if words not in ([], ["..."])]


def _alike(words: list[str], wanted: list[str]) -> bool:
    if len(wanted) > 1 and len(words) > 1 and _close(words[0], wanted[0]):
        return _match(words[1:], wanted[1:])
    return _match(words, wanted)


def _match(words: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not words
    if wanted[0] == "...":
        return any(_match(words[skipped:], wanted[1:]) for skipped in range(len(words) + 1))
    return words[:1] == wanted[:1] and _match(words[1:], wanted[1:])


def _close(word: str, wanted: str) -> bool:
    """Whether both count about the same: shares of requests that are drawn are never exact."""
    return word.isdigit() and wanted.isdigit() and abs(int(word) - int(wanted)) <= 1 + int(wanted) // 10


def _environment(folder: Path) -> dict[str, str]:
    """That of a new user, who has activated the environment that runs the tests."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": programs, "HOME": str(folder), "LANG": "C.UTF-8", "NO_COLOR": "1"}
