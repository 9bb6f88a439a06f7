"""Which manifests there are: the folders, walked level by level and within bounds."""

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
# Hidden files (also what a ConfigMap mount keeps behind its links), and what editors leave lying about.
_NOT_OURS = (".", "#", "~")
# Of all folders together, whatever their names: five files for each of 10,000 services. A link to `/` has
# more.
# Depth needs no bound of its own: the system refuses a path of more than 4096 bytes, and the walk does not
# recurse.
_MOST_ENTRIES = 50_000

# Of a file, or why it could not be had.
Status = os.stat_result | OSError
# A device and an inode: which file or folder it is, whatever it is called.
Identity = tuple[int, int]


class Abandoned(Exception):
    """Nobody waits for this look any more."""


class Progress:
    """What a look waits for: told by the thread that looks, read by whoever watches over it."""

    def __init__(self) -> None:
        self.path = ""
        self._since = time.monotonic()
        self._computes = True
        self._abandoned = False

    def waits_for(self, path: str) -> None:
        """The disk is asked about the path now. Raises Abandoned if the answer is of no use."""
        if self._abandoned:
            raise Abandoned
        self.path, self._since, self._computes = path, time.monotonic(), False

    def computes(self) -> None:
        """The disk has answered; what follows takes its time, but ends."""
        self._since, self._computes = time.monotonic(), True

    def abandon(self) -> None:
        self._abandoned = True

    @property
    def waited_s(self) -> float:
        """For how long the disk has not answered."""
        return 0.0 if self._computes else time.monotonic() - self._since

    @property
    def computed_s(self) -> float:
        """For how long the text of one file has been read."""
        return time.monotonic() - self._since if self._computes else 0.0


class Walk:
    """One walk through files and folders. After it, `folders` says which were listed, and which they are.

    Beside a root that is a file or is missing, the folder around it counts as listed: there it will
    be replaced or come back. `unreadable` are the folders that could not be looked into, by their
    names for people, with the reason.
    """

    def __init__(self, progress: Progress, avoided: Collection[str] = ()) -> None:
        """Of the paths to avoid the disk is not asked."""
        self.folders: dict[str, Identity] = {}
        self.unreadable: dict[str, str] = {}
        self._progress = progress
        self._avoided = avoided
        self._left = _MOST_ENTRIES
        # A link must not lead in circles.
        self._seen: set[Identity] = set()
        # Folders that are still to be listed, each with the one below a root that it is part of.
        self._ahead: deque[tuple[str, str]] = deque()

    def files(self, roots: Sequence[Path]) -> Iterator[tuple[str, Status]]:
        """Every file that may be a manifest. The near ones come before any bound can stop the walk."""
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
        """What is in a folder, by name; nothing if it was listed before or cannot be."""
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
            # Half of the rest stays for other folders, and all of them together stay within bounds.
            self._left //= 2
            too_large = f"is not looked at as a whole: there are more than {_MOST_ENTRIES} files and folders"
            self.unreadable[shown(part or folder)] = too_large
            return []
        self._left -= len(entries)
        self.folders[folder] = identity
        return sorted(entries, key=lambda entry: entry.name)


def is_within(path: str, place: str) -> bool:
    """Whether a path is a place, or below it if that is a folder. Both are absolute, or as `shown`."""
    return path == place or path.startswith(os.path.join(place, ""))


def shown(path: str) -> str:
    """A path for people, logs and JSON: one line of text, and different for different paths.

    Bytes that are not UTF-8, line breaks and what else cannot be printed are written as `\\xff`.
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
        # A link to itself, for example. As a file it will be reported.
        return False


def _status(entry: os.DirEntry[str]) -> Status:
    try:
        return entry.stat()
    except OSError as error:
        return error
