"""The last good version of every file. Broken and unreachable files take nothing away."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pilothouse.kubernetes.documents import Contents, Declared, Remark
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.manifests import Manifests
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.kubernetes.unattached import services_named
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import Fault, Standing, Unknown
from pilothouse.sources.files.disk import Look, Manifest
from pilothouse.sources.files.faults import of_path, of_remark, order
from pilothouse.sources.files.left_out import LeftOutDocuments
from pilothouse.sources.files.tree import Identity, is_within
from pilothouse.structures.turns import Steps, at_once

# How long a file must be missing or broken before it counts. Editors remove a file for a moment when they
# save, and a file that is being written lacks its end.
DOUBT_S = 0.1

_MISSING = b""
# A missing file has to be missing for longer than that, because emptying a folder takes a while.
_MISSING_DOUBTS = 5
# For a file that stays broken, keep this many texts. Each may hold the last good version of some object.
_MOST_TEXTS = 8
# Look for line numbers only if at most this many services of a file have changed.
_MOST_PLACES = 64

Doubt = tuple[bytes, float]


class _Text(NamedTuple):
    """A text of a file from which something may be in force, and the objects that it declares."""

    data: bytes
    keys: frozenset[Key]


class LastGood:
    """The last good contents of every file, and the services that they make up.

    A document that cannot be read affects only itself: its last valid version stays, and the rest of its file
    is taken in. A loss (of a file or a document) is accepted, and an error reported, only after it has lasted
    for a while. With `allow_empty`, an emptied folder counts as emptied on purpose, file by file.
    """

    def __init__(
        self, served: ServedCluster = WHOLE, doubt_s: float = DOUBT_S, allow_empty: bool = False
    ) -> None:
        self._served, self._doubt_s, self._allow_empty = served, doubt_s, allow_empty
        self._look = Look()
        self._manifests = Manifests()
        self._cluster = Cluster(served)
        #: The documents that play no part in routing, in the order of files and lines.
        self.left_out = LeftOutDocuments(served)
        # file -> digest of the contents that were taken in last
        self._applied: dict[str, bytes] = {}
        # file -> the texts that make up what is in force; only the last text if it has no errors
        self._texts: dict[str, tuple[_Text, ...]] = {}
        # file -> the folder that it was in, because another folder may get the same path
        self._homes: dict[str, Identity] = {}
        # the files of which a text without errors has been taken in
        self._whole: set[str] = set()
        # file -> digest of contents that lack something or are broken, and since when
        self._doubts: dict[str, Doubt] = {}
        # file -> its faults, as of the last time without doubt
        self._remarks: dict[str, tuple[Fault, ...]] = {}
        self._conflicts: tuple[Fault, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        #: What to keep for the next process: the texts of each changed file, None for a file that is gone.
        self.unsaved: dict[str, tuple[bytes, ...] | None] = {}
        #: The files whose folder disappeared at the last look, so that nobody removed them one by one.
        self.implied_losses: tuple[str, ...] = ()
        #: For each service, where its last change was declared: `file:line`, or the file alone. A service
        #: that the last look has taken away is still there.
        self.places: dict[ServiceName, str] = {}
        self._taken_away: set[ServiceName] = set()  # services that the last look has taken away

    @property
    def look(self) -> Look:
        """What the last look found on the disk."""
        return self._look

    @property
    def in_doubt(self) -> bool:
        """Whether something has been missing or broken, but not for long enough to count."""
        return bool(self._doubts)

    @property
    def unknown(self) -> frozenset[str]:
        """The files and folders that cannot be read and have no good version."""
        broken = [path for path, manifest in self._look.files.items() if manifest.contents.errors]
        missing = self._doubts.keys() & self._applied.keys() - self._look.files.keys()
        folders = (folder for folder in self._look.unreadable if not self.knows(folder))
        return frozenset(folders).union(path for path in (*broken, *missing) if path not in self._whole)

    def unknown_with_services(self) -> Unknown:
        """The unknown files and folders, with the services that are declared in part there."""
        unknown = self.unknown
        objects = (
            declared.object
            for path in unknown
            for declared in self._manifests.declared(path, self._manifests.keys(path))
        )
        services = frozenset(name for found in objects for name in services_named(found))
        return Unknown(tuple(sorted(unknown)), services)

    @property
    def complete(self) -> bool:
        """Whether every file has been read without errors at least once."""
        return not self._look.unreadable and not self.unknown

    @property
    def services(self) -> list[Service]:
        return at_once(self.listing())

    def listing(self) -> Steps[list[Service]]:
        """Like `services`, in steps."""
        found: list[Service] = []
        for name in sorted(self._cluster.names):
            service = self.service(name)
            if service:
                found.append(service)
            yield
        return found

    @property
    def left_out_by_reason(self) -> Mapping[Reason, int]:
        """The number of documents that play no part, and of objects without a Service, by reason."""
        return self.left_out.by_reason + self._cluster.unattached.by_reason

    def service(self, name: ServiceName) -> Service | None:
        return self._cluster.service(name)

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[Mapping[ServiceName, Service | None]]:
        """See `Declaring`. Of several declarations of an object, this one would be in force."""
        served = [each for each in put if self._served.serves(each.key.namespace)]
        return (yield from self._cluster.supposing(served, gone))

    def recover(self, path: str, texts: Iterable[Manifest]) -> None:
        """Take in what an earlier process kept of a file, the oldest text first."""
        for text in texts:
            at_once(self._take(path, text, at_once(self._keys(text.contents))))
        self._applied[path] = _MISSING  # so that the file on the disk is looked at

    def take_in(self, found: Look, now: float) -> frozenset[ServiceName]:
        """Take in what a look found at `now` (monotonic, s). Returns the services that may have changed."""
        return at_once(self.taking_in(found, now))

    def taking_in(self, found: Look, now: float) -> Steps[frozenset[ServiceName]]:
        """Like `take_in`, in steps."""
        former, self._look = self._look, found
        self.left_out.follow(former, found)
        doubted, self._doubts = self._doubts, {}
        changed: set[ServiceName] = set()
        for name in self._taken_away:
            self.places.pop(name, None)
        self._follow_renamed(found)
        for path, manifest in found.files.items():
            if manifest is not former.files.get(path) or path in doubted:
                changed |= yield from self._put(path, manifest, now, doubted.get(path))
        changed |= yield from self._let_go(now, doubted)
        for path in self._remarks.keys() - found.files.keys() - self._doubts.keys():
            del self._remarks[path]
        for path in self._homes.keys() - found.files.keys() - self._applied.keys():
            del self._homes[path]
        self.faults = tuple(sorted(self._all_faults(), key=order))
        self._taken_away = changed.difference(self._cluster.names)
        return frozenset(changed)

    def _follow_renamed(self, found: Look) -> None:
        """Give a broken file that has been renamed its last good version from under the old name."""
        missing = {self._applied[path]: path for path in self._applied if path not in found.files}
        for path, manifest in found.files.items() if missing else ():
            former = missing.get(manifest.digest)
            if former is not None and manifest.contents.errors and path not in self._applied:
                declared = self._manifests.declared(former, self._manifests.keys(former))
                self._cluster.apply(*self._manifests.put(path, declared))
                self._applied[path], self._texts[path] = _MISSING, self._texts.get(former, ())
                self._whole.update({path} if former in self._whole else ())

    def _put(
        self, path: str, manifest: Manifest, now: float, doubt: Doubt | None
    ) -> Steps[frozenset[ServiceName]]:
        home = self._look.folders.get(os.path.dirname(path))
        if home is not None:
            self._homes[path] = home
        contents = manifest.contents
        known = self._applied.get(path) == manifest.digest
        keys = yield from self._keys(contents)
        lost = self._manifests.keys(path) - keys
        doubtful = not known and bool(contents.errors or lost)
        if doubtful and not self._has_lasted(path, manifest.digest, now, doubt):
            return frozenset()
        changed = frozenset[ServiceName]() if known else (yield from self._take(path, manifest, keys))
        # What is in force of a broken document is known only at this point.
        self._remarks[path] = tuple(self._told(path, contents))
        return changed

    def _take(self, path: str, manifest: Manifest, keys: frozenset[Key]) -> Steps[frozenset[ServiceName]]:
        """Bring a text into force, together with the last good versions of its broken documents."""
        contents = manifest.contents
        # Nearly always every object counts, and checking them one by one would take long.
        declared: Sequence[Declared] = contents.declared
        if len(keys) < len(declared):
            declared = [one for one in declared if one.object.key in keys]
        yield
        kept = _spoilt(contents.errors, self._manifests.keys(path) - keys)
        if not contents.errors:
            self._whole.add(path)
        self._keep(path, _Text(manifest.data, keys), bool(contents.errors))
        yield
        change = yield from self._manifests.putting(path, [*declared, *self._manifests.declared(path, kept)])
        changed = yield from self._cluster.applying(*change)
        self.places.update(_places(path, declared, changed))
        self._applied[path] = manifest.digest
        return changed

    def _keep(self, path: str, text: _Text, broken: bool) -> None:
        """Record the text for the next process. A broken text is added to the earlier ones."""
        before = self._texts.get(path, ())
        if not text.keys:
            if not broken:
                self._texts.pop(path, None)
                self.unsaved[path] = None
            return
        if broken and before:
            # A text is obsolete if the new text declares all of its objects. The first text is complete, so
            # it stays.
            later = [each for each in before[1:] if not each.keys <= text.keys]
            self._texts[path] = (before[0], *later[-(_MOST_TEXTS - 2) :], text)
        else:
            self._texts[path] = (text,)
        self.unsaved[path] = tuple(each.data for each in self._texts[path])

    def _let_go(self, now: float, doubted: dict[str, Doubt]) -> Steps[set[ServiceName]]:
        """Remove the files that are missing."""
        changed: set[ServiceName] = set()
        gone = self._gone(now, doubted)
        for path in gone:
            del self._applied[path]
            self._whole.discard(path)
            self._texts.pop(path, None)
            change = yield from self._manifests.removing(path)
            lost = yield from self._cluster.applying(*change)
            self.places.update(dict.fromkeys(lost, path))
            changed |= lost
        implied = self._implied(gone)
        self.unsaved.update(dict.fromkeys(set(gone).difference(implied)))
        self.implied_losses = tuple(implied)
        return changed

    def _gone(self, now: float, doubted: dict[str, Doubt]) -> list[str]:
        """The files that have been missing for long enough.

        While more and more files of a folder disappear, all of them stay, because somebody may be emptying
        the folder.
        """
        since = {
            path: doubted[path][1] if path in doubted and doubted[path][0] == _MISSING else now
            for path in self._applied
            if path not in self._look.files and not self._look.hides(path)
        }
        latest: dict[str, float] = {}
        for path, began in since.items():
            folder = os.path.dirname(path)
            latest[folder] = max(began, latest.get(folder, began))
        patience_s = self._doubt_s * _MISSING_DOUBTS
        gone = [path for path in since if now - latest[os.path.dirname(path)] >= patience_s]
        self._doubts.update((path, (_MISSING, since[path])) for path in since.keys() - set(gone))
        return gone

    def _implied(self, gone: Sequence[str]) -> list[str]:
        """The files among these that nobody has removed one by one."""
        homes = {path: self._homes.pop(path, None) for path in gone}
        if not gone or self._allow_empty:
            return []
        lost, places = Counter(map(os.path.dirname, gone)), _Places(self._look)
        return [
            path
            for path, home in homes.items()
            if places.went(os.path.dirname(path), home, lost[os.path.dirname(path)])
        ]

    def _has_lasted(self, path: str, digest: bytes, now: float, doubt: Doubt | None) -> bool:
        """Whether the doubt is old enough. If not, it is recorded for the next look."""
        since = doubt[1] if doubt and doubt[0] == digest else now
        if now - since >= self._doubt_s:
            return True
        self._doubts[path] = (digest, since)
        return False

    def _keys(self, contents: Contents) -> Steps[frozenset[Key]]:
        """The objects in a text whose namespaces are served."""
        keys: set[Key] = set()
        for one in contents.declared:
            key = one.object.key
            if self._served.serves(key.namespace):
                keys.add(key)
            yield
        return frozenset(keys)

    def knows(self, path: str) -> bool:
        """Whether something of a file, or of a file below a folder, is in force."""
        return any(is_within(applied, path) for applied in self._applied)

    def _all_faults(self) -> Iterator[Fault]:
        for path, reason in self._look.unreadable.items():
            standing = Standing.LAST_GOOD if self.knows(path) else Standing.UNKNOWN
            yield of_path(path, reason, standing)
        for remarks in self._remarks.values():
            yield from remarks
        # A file that is being renamed exists twice for a moment.
        if not self._doubts:
            self._conflicts = tuple(
                of_remark(path, remark, Standing.STATED) for path, remark in self._manifests.conflicts
            )
        yield from self._conflicts

    def _told(self, path: str, contents: Contents) -> Iterator[Fault]:
        in_force = self._manifests.keys(path)
        for error in contents.errors:
            yield of_remark(path, error, self._standing(path, error, in_force))
        for warning in contents.warnings:
            yield of_remark(path, warning, Standing.STATED, warning=True)

    def _standing(self, path: str, error: Remark, in_force: frozenset[Key]) -> Standing:
        if error.key is None:
            return Standing.LAST_GOOD if path in self._whole else Standing.UNKNOWN
        if error.key in in_force:
            return Standing.LAST_GOOD
        return Standing.ABSENT if path in self._whole else Standing.UNKNOWN


class _Places:
    """The folders that a look has listed, and the number of manifests in and below each."""

    def __init__(self, look: Look) -> None:
        self._identities = look.folders
        self._files: Counter[str] = Counter()
        for path in look.files:
            folder = os.path.dirname(path)
            self._files[folder] += 1
            while folder != os.path.dirname(folder):
                folder = os.path.dirname(folder)
                self._files[folder] += 1

    def went(self, folder: str, before: Identity | None, lost: int) -> bool:
        """Whether the files went with their folder: it is gone, empty, or another folder with fewer files."""
        identity = self._identities.get(folder)
        if identity is None or not self._files[folder]:
            return True
        return before != identity and lost > self._files[folder]


def _places(
    path: str, declared: Iterable[Declared], changed: Collection[ServiceName]
) -> dict[ServiceName, str]:
    """The first line about each of these services. For many services, only the file."""
    places = dict.fromkeys(changed, path)
    if len(places) > _MOST_PLACES:
        return places
    for one in reversed([*declared]):
        for name in services_named(one.object):
            if name in places:
                places[name] = f"{path}:{one.place.line}"
    return places


def _spoilt(errors: Sequence[Remark], lost: frozenset[Key]) -> frozenset[Key]:
    """The objects that a text no longer declares and that its broken documents may be about."""
    keys = {error.key for error in errors}
    return lost if None in keys else lost & keys
