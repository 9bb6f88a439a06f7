"""Compares the files on the disk with those of the previous look. Only changed files are read again."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pilothouse.kubernetes.documents import Contents, Place, Remark, read
from pilothouse.kubernetes.metadata import DEFAULT_NAMESPACE
from pilothouse.kubernetes.roots import DEFAULT, Namespaces
from pilothouse.sources.files.tree import Identity, Progress, Status, Walk, is_within, reason, shown

_MAX_SIZE = 64 << 20
# The limit for all files of one look together. It is enough for several hundred thousand services.
_MAX_TOTAL = 512 << 20
_CHUNK = 1 << 20
# If a file was written within one tick of the clock, a later write may not change its time.
_SETTLED_NS = 100_000_000
# After the check, a pipe or a terminal may take the place of a file. Opening a pipe would wait for a writer.
_OPENING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST_MISTAKE = 200


class Stamp(NamedTuple):
    """Identifies the version of a file without reading it."""

    device: int
    inode: int
    modified_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file as it was last read. Without a stamp, the next look reads it again.

    `digest` is equal for equal contents. `data` is the text. If the file cannot be read, that is its only
    error.
    """

    digest: bytes
    contents: Contents
    stamp: Stamp | None = None
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """The manifests by path, and the paths that could not be read, with the reason.

    The unreadable paths are for users (see `shown`). `folders` are the folders that were listed, by the path
    that the system knows. Watch these to hear of changes.
    """

    files: Mapping[str, Manifest] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Identity] = field(default_factory=dict)

    def hides(self, path: str) -> bool:
        """Whether a file may still exist inside of a folder that cannot be read."""
        return any(is_within(path, folder) for folder in self.unreadable)

    def unstamped(self) -> Look:
        """A copy that makes the next look read every file again, even an unchanged one."""
        return replace(self, files={path: replace(one, stamp=None) for path, one in self.files.items()})


class _Unfit(Exception):
    """Why a file is not read."""


def look(
    roots: Sequence[Path],
    before: Look,
    namespaces: Namespaces = DEFAULT,
    progress: Progress | None = None,
    avoided: Collection[str] = (),
) -> Look:
    """Look at all files and folders once. Unchanged files are the same objects as in `before`.

    `namespaces` are the default namespaces of files. Avoided paths are not touched.
    """
    progress = progress or Progress()
    walk, reader = Walk(progress, avoided), _Reader(progress, namespaces)
    files: dict[str, Manifest] = {}
    for path, status in walk.files(roots):
        name = shown(path)
        manifest = reader.manifest(path, status, before.files.get(name))
        if manifest:
            files[name] = manifest
    return Look(files, walk.unreadable, walk.folders)


def manifests_of(texts: Sequence[bytes], namespace: str = DEFAULT_NAMESPACE) -> list[Manifest]:
    """Manifests from texts that were read earlier. `namespace` is the default namespace of their objects."""
    return [
        Manifest(sha256(text).digest(), _understood(text, Contents(), namespace), data=text) for text in texts
    ]


class _Reader:
    """Reads the files of one look, up to the limit for all files together."""

    def __init__(self, progress: Progress, namespaces: Namespaces) -> None:
        self._progress, self._namespaces = progress, namespaces
        self._room = _MAX_TOTAL
        # By digest and namespace: a text that several files or links contain is parsed and kept once.
        self._understood: dict[tuple[bytes, str], tuple[Contents, bytes]] = {}

    def manifest(self, path: str, status: Status, former: Manifest | None) -> Manifest | None:
        """The file as it is now. None if it does not exist any more."""
        try:
            if isinstance(status, OSError):
                raise status
            stamp = _stamp(status)
            self._make_room(stamp.size)
            if former and former.stamp == stamp:
                return former
            return self._read(path, former)
        except FileNotFoundError as error:
            return _failed(reason(error), former) if os.path.islink(path) else None
        except OSError as error:
            return _failed(reason(error), former)
        except _Unfit as why:
            return _failed(str(why), former)

    def _make_room(self, size: int) -> None:
        """Raises _Unfit if the size exceeds what is left of the limit."""
        if size > self._room:
            raise _Unfit(f"is not read: all manifests together are larger than {_MAX_TOTAL >> 20} MiB")
        self._room -= size

    def _read(self, path: str, former: Manifest | None) -> Manifest:
        """Raises OSError or _Unfit."""
        self._progress.waits_for(path)
        descriptor = os.open(path, _OPENING)
        try:
            stamp = _stamp(os.fstat(descriptor))
            settled = stamp if time.time_ns() - stamp.modified_ns > _SETTLED_NS else None
            data = _content(descriptor, path, self._progress)
        finally:
            os.close(descriptor)
        self._progress.computes()
        digest = sha256(data).digest()
        if former and former.digest == digest:
            return former if former.stamp == settled else replace(former, stamp=settled)
        before = former.contents if former else Contents()
        same = digest, self._namespaces.of(path)
        if same not in self._understood:
            self._understood[same] = _understood(data, before, same[1]), data
        contents, data = self._understood[same]
        return Manifest(digest, contents, settled, data)


def _stamp(status: os.stat_result) -> Stamp:
    """Raises _Unfit if the file is not a regular one, or is too large."""
    if not stat.S_ISREG(status.st_mode):
        raise _Unfit("is not a regular file")
    _check_size(status.st_size)
    return Stamp(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _check_size(size: int) -> None:
    """Raises _Unfit."""
    if size > _MAX_SIZE:
        raise _Unfit(f"is larger than {_MAX_SIZE >> 20} MiB")


def _content(descriptor: int, path: str, progress: Progress) -> bytes:
    """Read to the end of the file, which moves if somebody is writing. Raises OSError or _Unfit."""
    data = bytearray()
    while chunk := os.read(descriptor, _CHUNK):
        data += chunk
        _check_size(len(data))
        progress.waits_for(path)
    return bytes(data)


def _understood(data: bytes, before: Contents, namespace: str) -> Contents:
    try:
        return read(data, before, namespace)
    except Exception as error:  # noqa: BLE001  (a mistake of our reader costs the file that shows it, and no other)
        mistake = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_MISTAKE]
        remark = Remark(Place(0, 0), f"cannot be read: {mistake}")
        return Contents(errors=(remark,), pieces=before.pieces)


def _failed(why: str, former: Manifest | None) -> Manifest:
    """A file that cannot be read at all. Its earlier contents still speed up the next reading."""
    pieces = former.contents.pieces if former else {}
    contents = Contents(errors=(Remark(Place(0, 0), why),), pieces=pieces)
    manifest = Manifest(sha256(why.encode()).digest(), contents)
    return former if former is not None and former == manifest else manifest
