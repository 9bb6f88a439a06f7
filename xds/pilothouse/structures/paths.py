"""Whether something is there, and what it holds, asked of a disk that may not answer."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

from pilothouse.structures.written import is_content

_ANSWERS_WITHIN_S = 5.0


def present(path: Path) -> Path:
    """The path. Raises ValueError if there is nothing.

    A disk that does not answer is no mistake of whoever named the path: reading will tell.
    """
    if is_content(str(path)):
        raise ValueError("must be the name of a file, not what it holds")
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


def content(path: Path, most: int) -> bytes:
    """What a file holds, of which no more than so many bytes are read. Raises OSError.

    Not blocking: what was a file may be a pipe now.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    found = b""
    try:
        while len(found) < most and (more := os.read(file, most - len(found))):
            found += more
    finally:
        os.close(file)
    return found
