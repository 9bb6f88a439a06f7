"""Finds the manifests: walks through the folders level by level, within bounds."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

_SUFFIXES = (".yaml", ".yml", ".json")
# Hidden files, which include what a ConfigMap mount keeps behind its links, and leftovers of editors.
_NOT_OURS = (".", "#", "~")
# The limit of entries in all folders together, whatever their names. It allows five files for each of 10,000
# services, and stops at a link to `/`. Depth needs no limit: the system refuses a path of more than 4096
# bytes, and the walk does not recurse.
_MOST_ENTRIES = 50_000

# The content of a file, or why it could not be read.
Status = os.stat_result | OSError
# The device and inode of a file or folder. They identify it under any name.
Identity = tuple[int, int]


class Abandoned(Exception):
    """The look has been given up. Nobody waits for its result."""


class Progress:
    """What a look is waiting for. The thread that looks reports here, and its supervisor reads it."""

    def __init__(self) -> None:
        self.path = ""
        self._since = time.monotonic()
        self._computes = True
        self._abandoned = False

    def waits_for(self, path: str) -> None:
        """The disk is being asked about this path. Raises Abandoned if nobody waits for the answer."""
        if self._abandoned:
            raise Abandoned
        self.path, self._since, self._computes = path, time.monotonic(), False

    def computes(self) -> None:
        """The disk has answered. The work that follows may take long, but it ends."""
        self._since, self._computes = time.monotonic(), True

    def abandon(self) -> None:
        self._abandoned = True

    @property
    def waited_s(self) -> float:
        """How long the disk has not answered, in seconds."""
        return 0.0 if self._computes else time.monotonic() - self._since

    @property
    def computed_s(self) -> float:
        """How long one file's text has been parsed, in seconds."""
        return time.monotonic() - self._since if self._computes else 0.0


class Walk:
    """One walk through files and folders. Afterwards, `folders` has the listed folders and their identities.

    If a root is a file or missing, the folder around it counts as listed, because the root will be replaced
    or will reappear there. `unreadable` are the folders that could not be listed, by their names for users,
    with the reason.
    """

    def __init__(self, progress: Progress, avoided: Collection[str] = ()) -> None:
        """Avoided paths are not touched on the disk."""
        self.folders: dict[str, Identity] = {}
        self.unreadable: dict[str, str] = {}
        self._progress = progress
        self._avoided = avoided
        self._left = _MOST_ENTRIES
        # Prevents links from leading in circles.
        self._seen: set[Identity] = set()
        # The folders that are still to be listed, each with the one directly below a root around it.
        self._ahead: deque[tuple[str, str]] = deque()

    def files(self, roots: Sequence[Path]) -> Iterator[tuple[str, Status]]:
        """Every file that may be a manifest. Files near a root come first, so that no limit cuts them off."""
        for root in map(str, roots):
            yield from self._root(root)
        while self._ahead:
            yield from self._inside(*self._ahead.popleft())

    def _root(self, root: str) -> Iterator[tuple[str, Status]]:
        if not self._answers(root):
            return
        self._progress.waits_for(root)
        try:
            status = os.stat(root)
        except OSError as error:
            self.unreadable[shown(root)] = reason(error)
        else:
            if stat.S_ISDIR(status.st_mode):
                self._ahead.append((root, ""))
                return
            yield root, status
        around = os.path.dirname(root) or os.curdir
        with suppress(OSError):
            self.folders[around] = _identity(os.stat(around))

    def _inside(self, folder: str, part: str) -> Iterator[tuple[str, Status]]:
        for entry in self._entries(folder, part):
            if entry.name.startswith(_NOT_OURS) or not self._answers(entry.path):
                continue
            self._progress.waits_for(entry.path)
            if _is_folder(entry):
                self._ahead.append((entry.path, part or entry.path))
            elif entry.name.endswith(_SUFFIXES):
                yield entry.path, _status(entry)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                self.unreadable[shown(entry.path)] = "is a link that leads nowhere"

    def _answers(self, path: str) -> bool:
        if path in self._avoided:
            self.unreadable[shown(path)] = "cannot be read: the disk does not answer"
            return False
        return True

    def _entries(self, folder: str, part: str) -> list[os.DirEntry[str]]:
        """The entries of a folder by name. Empty if it was listed before or cannot be listed."""
        self._progress.waits_for(folder)
        try:
            identity = _identity(os.stat(folder))
            if identity in self._seen:
                return []
            self._seen.add(identity)
            with os.scandir(folder) as listing:
                entries = list(islice(listing, self._left + 1))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.unreadable[shown(folder)] = reason(error)
            return []
        if len(entries) > self._left:
            # Half of the remaining limit is reserved for other folders.
            self._left //= 2
            too_large = f"is not read completely: there are more than {_MOST_ENTRIES} files and folders"
            self.unreadable[shown(part or folder)] = too_large
            return []
        self._left -= len(entries)
        self.folders[folder] = identity
        return sorted(entries, key=lambda entry: entry.name)


def is_within(path: str, place: str) -> bool:
    """Whether a path is a place, or is below it. Both are absolute, or both are as `shown`."""
    return path == place or path.startswith(os.path.join(place, ""))


def shown(path: str) -> str:
    """A path as one line of text for users, logs and JSON. Different paths give different texts.

    Bytes that are not UTF-8, line breaks and other unprintable characters are written as `\xff`.
    """
    if path.isprintable() and "\\" not in path:
        return path
    return "".join(one if one.isprintable() and one != "\\" else _escaped(one) for one in path)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def reason(error: OSError) -> str:
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, for example. It will be reported as a file.
        return False


def _status(entry: os.DirEntry[str]) -> Status:
    try:
        return entry.stat()
    except OSError as error:
        return error
