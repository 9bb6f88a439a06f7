"""Keeps what a source knew when the process ended: texts by key, each in its own file on the disk.

The first line of a file has the version of the format and a checksum of the rest. A new version is written to
a temporary file and moved into place, so a reader finds the old one or the new one, never a part.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

_MAGIC = "pilothouse-state"
_VERSION = "1"
_SUFFIX = ".state"

#: The texts of a key, the oldest first.
Texts = Sequence[bytes]


class Corrupt(NamedTuple):
    """A file of the folder that cannot be used, and why."""

    file: Path
    reason: str


class StateFolder:
    """The kept texts of one source, in a folder that only this user can read.

    Several processes may share the folder: they keep the same texts, and each write is atomic.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder. Raises OSError if it cannot be made or written to."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = self.folder / f".{os.getpid()}.probe"
        probe.touch(mode=0o600)
        probe.unlink()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work on the folder while no other process does. Blocks, and raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def load(self) -> tuple[dict[str, tuple[bytes, ...]], list[Corrupt]]:
        """All kept texts by key, and the files that cannot be used and count as absent."""
        found: dict[str, tuple[bytes, ...]] = {}
        corrupt: list[Corrupt] = []
        for file in sorted(self._files()):
            try:
                key, texts = _decoded(content(file))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                corrupt.append(Corrupt(file, str(reason)))
            else:
                found[key] = texts
        return found, corrupt

    def save(self, changes: Mapping[str, Texts | None]) -> None:
        """Keep these texts. None forgets a key. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key, texts in changes.items():
            file = self.file(key)
            if texts is None:
                file.unlink(missing_ok=True)
            else:
                overwrite(file, _encoded(key, texts))

    def _files(self) -> Iterator[Path]:
        try:
            yield from self.folder.glob(f"*{_SUFFIX}")
        except FileNotFoundError:
            return

    def file(self, key: str) -> Path:
        return self.folder / f"{sha256(os.fsencode(key)).hexdigest()[:32]}{_SUFFIX}"


def _encoded(key: str, texts: Texts) -> bytes:
    head = json.dumps({"key": key, "sizes": [len(text) for text in texts]})
    body = b"".join([head.encode("ascii"), b"\n", *texts])
    return f"{_MAGIC} {_VERSION} {sha256(body).hexdigest()}\n".encode("ascii") + body


def _decoded(data: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The key and the texts. Raises ValueError with the reason if the file is invalid."""
    first, _, body = data.partition(b"\n")
    magic, _, rest = first.decode("ascii", "replace").partition(" ")
    version, _, checksum = rest.partition(" ")
    if magic != _MAGIC:
        raise ValueError("is no state of pilothouse")
    if version != _VERSION:
        raise ValueError(f"has the version {version[:20]}, not {_VERSION}")
    if checksum != sha256(body).hexdigest():
        raise ValueError("does not match its checksum")
    head, _, texts = body.partition(b"\n")
    try:
        said = json.loads(head)
        ends = [0, *accumulate(said["sizes"])]
        found = tuple(texts[start:end] for start, end in pairwise(ends))
        return os.fspath(said["key"]), found
    except (KeyError, TypeError, RecursionError):
        raise ValueError("does not say what is in it") from None


def content(file: Path) -> bytes:
    """All of a file.

    Raises OSError, and ValueError for a pipe or a device, because reading one may wait for ever.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        with open(descriptor, "rb", closefd=False) as text:
            return text.read()
    finally:
        os.close(descriptor)


def overwrite(file: Path, data: bytes) -> None:
    """Put a file in the place of another, so that a reader finds the old one or this. Raises OSError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
