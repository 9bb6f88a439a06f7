"""Reads files, and checks that they exist, on a disk that may not answer."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

from pilothouse.structures.written import is_content

_ANSWERS_WITHIN_S = 5.0


def present(path: Path) -> Path:
    """The path itself. Raises ValueError if nothing exists there.

    If the disk does not answer, the path may be right, so it is accepted. Reading it will report the failure.
    """
    if is_content(str(path)):
        raise ValueError("must be a file name, not the content of a file")
    mistakes: list[OSError | ValueError] = []

    def ask() -> None:
        try:
            path.stat()
        except (OSError, ValueError) as error:
            mistakes.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_ANSWERS_WITHIN_S)
    if mistakes:
        raise ValueError(f"{path}: {getattr(mistakes[0], 'strerror', None) or 'cannot be a path'}")
    return path


def exposed(file: Path) -> str:
    """Why a file of secrets must not be used: every user of the machine could read it. Empty if none could.

    Raises OSError.
    """
    mode = stat.S_IMODE(os.stat(file).st_mode)
    return f"is open to every user, with mode {mode:04o}; chmod o= {file}" if mode & 0o007 else ""


def content(path: Path, most: int) -> bytes:
    """The content of a file, up to `most` bytes. Raises OSError.

    Opens the file without blocking, because a pipe may have taken its place.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    found = b""
    try:
        while len(found) < most and (more := os.read(file, most - len(found))):
            found += more
    finally:
        os.close(file)
    return found
