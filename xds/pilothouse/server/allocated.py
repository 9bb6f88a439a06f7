"""Keeps on the disk which virtual IPs services were given, so that none is ever moved.

Processes that share the state folder decide one after another, and each first reads what the others have
written. So all of them give a service the same address.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec
import structlog

from pilothouse.kubernetes.served import Network
from pilothouse.model.services import ServiceName
from pilothouse.registry.allocation import Entry, Ledger, Wish
from pilothouse.structures.state import StateFolder, content, overwrite

log = structlog.get_logger(__name__)

# What may be an address in a line that cannot be read.
_LIKE_ADDRESS = re.compile(rb"[0-9A-Fa-f:.]{2,45}")
_UNKNOWN = (0, 0)
# So many bytes tell whether a file is still what was read: a checksum is among them.
_END = 256


class Settled(NamedTuple):
    """What services have by now, and the networks of which those that want addresses have none."""

    addresses: Mapping[ServiceName, tuple[str, ...]]
    exhausted: Mapping[ServiceName, Sequence[Network]]


class Allocations:
    """The file of what was decided: a line for each address that is given or given back, the oldest first.

    Methods block, and raise OSError. Only one may run at a time.
    """

    def __init__(self, folder: Path, networks: Sequence[Network]) -> None:
        self._state, self._networks = StateFolder(folder), networks
        self.file = folder / "allocated"
        # What was given when the file became another one, which may have lost it.
        self._held: Mapping[ServiceName, Collection[str]] = {}
        self._begin(_UNKNOWN)

    def load(self) -> dict[ServiceName, tuple[str, ...]]:
        """What services have. The file is written anew if much of it is obsolete or damaged."""
        with self._state.alone():
            damaged = self._catch_up()
            entries = self._ledger.entries
            if damaged or self._lines > 2 * len(entries):
                with suppress(OSError):  # the file is as good as it was
                    if damaged:
                        overwrite(self.file.with_suffix(".damaged"), content(self.file))
                    self._rewrite(entries)
            return self._ledger.holders

    def settle(self, wish: Wish) -> Settled:
        """Do what services need, as far as there are addresses. If that cannot be kept, nothing is done."""
        with self._state.alone():
            self._catch_up()
            now, decided = time.time(), list[Entry]()
            try:
                decided += self._ledger.keep(self._held, now)
                decided += self._ledger.settle(wish, now)
                self._append(decided)
            except OSError:
                # What was decided does not count. What was in force does, whatever becomes of the file.
                self._held = {**self._held, **_without(self._ledger.holders, decided)}
                self._begin(_UNKNOWN)
                raise
            self._held = {}
            addresses = {name: self._ledger.addresses(name) for name in (*wish.wanted, *wish.gone)}
            return Settled(addresses, {name: self._ledger.exhausted(name) for name in wish.wanted})

    def _begin(self, known: tuple[int, int]) -> None:
        """Nothing of the file is read."""
        self._ledger, self._known, self._read, self._lines = Ledger(self._networks), known, 0, 0
        self._end = b""  # of what is read

    def _catch_up(self) -> bool:
        """Read what was written since the last time. Returns whether some of it is damaged."""
        try:
            found = os.stat(self.file)
        except FileNotFoundError:
            if self._read:
                self._rewrite(self._ledger.entries)  # somebody has deleted it
            return False
        if not stat.S_ISREG(found.st_mode):
            raise OSError("is not a regular file")  # to read or write it may take for ever
        if (found.st_dev, found.st_ino) != self._known or not self._is_as_read():
            self._held = {**self._held, **self._ledger.holders}
            self._begin((found.st_dev, found.st_ino))
        if found.st_size == self._read:
            return False
        data = content(self.file)
        new, self._read, self._end = data[self._read :], len(data), data[-_END:]
        return self._enter(new)

    def _is_as_read(self) -> bool:
        """Whether the file still has what was read of it, as far as its end tells."""
        if not self._read:
            return True
        descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return os.pread(descriptor, len(self._end), self._read - len(self._end)) == self._end
        finally:
            os.close(descriptor)

    def _enter(self, data: bytes) -> bool:
        """Take note of these lines. Returns whether some cannot be read: they are left out and logged."""
        damaged, now = [], time.time()
        for number, line in enumerate(data.split(b"\n"), self._lines + 1):
            try:
                if line:
                    self._ledger.enter(_decoded(line))
            except ValueError:
                damaged.append(number)
                self._ledger.block(_addresses(line), now)
        self._lines += data.count(b"\n")
        if damaged:
            place = f"{self.file}:{damaged[0]}"
            log.warning("virtual IPs that cannot be read are left out", file=place, lines=len(damaged))
        return bool(damaged)

    def _append(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self.file, flags, 0o600)
        try:
            before = os.fstat(descriptor)
            # Whoever wrote the last line may have been killed in the middle of it.
            ended = before.st_size == 0 or os.pread(descriptor, 1, before.st_size - 1) == b"\n"
            data = b"".join(([] if ended else [b"\n"]) + [*map(_encoded, entries)])
            try:
                if os.write(descriptor, data) < len(data):
                    raise OSError("the disk is full")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before.st_size)
                raise
        finally:
            os.close(descriptor)
        self._known, self._read = (before.st_dev, before.st_ino), before.st_size + len(data)
        self._end = (self._end + data)[-_END:]
        self._lines += data.count(b"\n")

    def _rewrite(self, entries: Iterable[Entry]) -> None:
        data = b"".join(map(_encoded, entries))
        overwrite(self.file, data)
        found = os.stat(self.file)
        self._known, self._read, self._lines = (found.st_dev, found.st_ino), len(data), data.count(b"\n")
        self._end = data[-_END:]


def _without(
    holders: Mapping[ServiceName, Collection[str]], decided: Iterable[Entry]
) -> dict[ServiceName, Collection[str]]:
    """The addresses that services had before this was decided."""
    found: dict[ServiceName, Collection[str]] = {name: {*addresses} for name, addresses in holders.items()}
    for address, service, _, given in reversed([*decided]):
        had = {*found.get(service, ())}
        found[service] = had - {address} if given else had | {address}
    return found


def _encoded(entry: Entry) -> bytes:
    """A line: a checksum, and what it is of."""
    said = msgspec.json.encode(entry)
    return b"%08x %s\n" % (crc32(said), said)


def _decoded(line: bytes) -> Entry:
    """Raises ValueError."""
    checksum, _, said = line.partition(b" ")
    if checksum != b"%08x" % crc32(said):
        raise ValueError("does not match its checksum")
    try:
        return msgspec.json.decode(said, type=Entry)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def _addresses(line: bytes) -> Iterable[str]:
    """The addresses in a line that cannot be read."""
    for text in _LIKE_ADDRESS.findall(line):
        with suppress(ValueError):
            yield str(ip_address(text.decode("ascii")))
