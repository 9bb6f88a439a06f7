"""What is on the disk right now, compared with what was there before. Only what changed is read again."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pilothouse.kubernetes.documents import Contents, Place, Remark, read
from pilothouse.kubernetes.metadata import DEFAULT_NAMESPACE
from pilothouse.kubernetes.roots import DEFAULT, Namespaces

_SUFFIXES = (".yaml", ".yml", ".json")
# Hidden files (also what a ConfigMap mount keeps behind its links), and what editors leave lying about.
_NOT_OURS = (".", "#", "~")
_MAX_SIZE = 64 << 20
# A file that was written within the clock's tick may be written again without its time changing.
_SETTLED_NS = 100_000_000


# Of a file, or why it could not be had.
Status = os.stat_result | OSError


class Stamp(NamedTuple):
    """What tells, without reading a file, that it is the one that was read."""

    device: int
    inode: int
    modified_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file as it was last read. Without a stamp it is read again at the next look.

    `digest` is equal for equal contents, and `data` is what was read. A file that cannot be read has that as
    its one error.
    """

    digest: bytes
    contents: Contents
    stamp: Stamp | None = None
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """The manifests by path, and the paths that could not be looked into, with the reason."""

    files: Mapping[str, Manifest] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def hides(self, path: str) -> bool:
        """Whether a file may still be there, in a folder that cannot be looked into."""
        return any(path == folder or path.startswith(folder + os.sep) for folder in self.unreadable)


def look(roots: Sequence[Path], before: Look, namespaces: Namespaces = DEFAULT) -> Look:
    """Look at all files and folders once. What has not changed since `before` is the same object as there.

    `namespaces` are those of objects that state none.
    """
    unreadable: dict[str, str] = {}
    files: dict[str, Manifest] = {}
    for path, status in _found(roots, unreadable):
        manifest = _manifest(path, status, before.files.get(path), namespaces)
        if manifest:
            files[path] = manifest
    return Look(files, unreadable)


def manifests_of(texts: Sequence[bytes], namespace: str = DEFAULT_NAMESPACE) -> list[Manifest]:
    """Texts that were read some time ago from a file whose objects are in `namespace` if they state none."""
    return [Manifest(sha256(text).digest(), read(text, namespace=namespace), data=text) for text in texts]


def _found(roots: Sequence[Path], unreadable: dict[str, str]) -> Iterator[tuple[str, Status]]:
    # Folders by identity: a link must not lead in circles.
    seen: set[tuple[int, int]] = set()
    for root in map(str, roots):
        try:
            status = os.stat(root)
        except OSError as error:
            unreadable[root] = _reason(error)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(root, seen, unreadable)
        else:
            yield root, status


def _walk(
    folder: str, seen: set[tuple[int, int]], unreadable: dict[str, str]
) -> Iterator[tuple[str, Status]]:
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        unreadable[folder] = _reason(error)
        return
    for entry in entries:
        if entry.name.startswith(_NOT_OURS):
            continue
        if _is_folder(entry):
            yield from _walk(entry.path, seen, unreadable)
        elif entry.name.endswith(_SUFFIXES):
            yield entry.path, _status(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, for example. As a file it will be reported.
        return False


def _status(entry: os.DirEntry[str]) -> Status:
    try:
        return entry.stat()
    except OSError as error:
        return error


def _manifest(path: str, status: Status, former: Manifest | None, namespaces: Namespaces) -> Manifest | None:
    """The file as it is now; None where it is not there any more."""
    if isinstance(status, FileNotFoundError) and not os.path.islink(path):
        return None
    if isinstance(status, OSError):
        return _failed(_reason(status), former)
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for its writer.
        return _failed("is not a regular file", former)
    if status.st_size > _MAX_SIZE:
        return _failed(f"is larger than {_MAX_SIZE >> 20} MiB", former)
    stamp = Stamp(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    if former and former.stamp == stamp:
        return former
    return _read(path, stamp, former, namespaces.of(path))


def _read(path: str, stamp: Stamp, former: Manifest | None, namespace: str) -> Manifest | None:
    settled = stamp if time.time_ns() - stamp.modified_ns > _SETTLED_NS else None
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return _failed(_reason(error), former)
    digest = sha256(data).digest()
    if former and former.digest == digest:
        return former if former.stamp == settled else replace(former, stamp=settled)
    return Manifest(digest, read(data, former.contents if former else Contents(), namespace), settled, data)


def _failed(reason: str, former: Manifest | None) -> Manifest:
    """A file that cannot be read at all; what was read of it before still helps with the next reading."""
    pieces = former.contents.pieces if former else {}
    contents = Contents(errors=(Remark(Place(0, 0), reason),), pieces=pieces)
    manifest = Manifest(sha256(reason.encode()).digest(), contents)
    return former if former is not None and former == manifest else manifest


def _reason(error: OSError) -> str:
    return f"cannot be read: {(error.strerror or str(error)).lower()}"
