"""What the files say, as far as it can be believed: what is broken, empty or out of reach changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.kubernetes.documents import Ignored, Remark
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.manifests import Manifests
from pilothouse.kubernetes.realm import WHOLE, Realm
from pilothouse.model import Service, ServiceName
from pilothouse.reasons import Omission, Reason
from pilothouse.sources import Fault, LeftOut
from pilothouse.sources.files.disk import Look, Manifest

# For how long something has to be missing or broken until it is. Editors save by taking a file away
# for a moment, and a file that is still being written lacks its end.
DOUBT_S = 0.1

_MISSING = b""

Doubt = tuple[bytes, float]


class LastGood:
    """The last good contents of every file, and the services that they make up.

    Any error in a file, and nothing of it is taken in: a half-written document cannot be told from
    a shorter one. A loss (a file, a document) is taken in, and an error told, when it has lasted.
    """

    def __init__(self, realm: Realm = WHOLE, doubt_s: float = DOUBT_S) -> None:
        self._realm, self._doubt_s = realm, doubt_s
        self._look = Look()
        self._manifests = Manifests()
        self._cluster = Cluster(realm)
        # file -> digest of the contents that are in force
        self._applied: dict[str, bytes] = {}
        # file -> digest of contents that lack something or are broken, and since when they are
        self._doubts: dict[str, Doubt] = {}
        # file -> what is to be said about it, as of the last time that there was no doubt
        self._remarks: dict[str, tuple[Fault, ...]] = {}
        self._conflicts: tuple[Fault, ...] = ()
        self.faults: tuple[Fault, ...] = ()

    @property
    def look(self) -> Look:
        """What was found on the disk last."""
        return self._look

    @property
    def in_doubt(self) -> bool:
        """Whether something is missing or broken, and not yet for long enough."""
        return bool(self._doubts)

    @property
    def complete(self) -> bool:
        """Whether every file has been read well at least once."""
        broken = (path for path, one in self._look.files.items() if one.contents.errors)
        return not self._look.unreadable and all(path in self._applied for path in broken)

    @property
    def services(self) -> list[Service]:
        found = (self.service(name) for name in sorted(self._cluster.names))
        return [service for service in found if service]

    @property
    def left_out(self) -> Iterator[LeftOut]:
        """The documents that play no part in routing, in the order of files and lines."""
        for path, manifest in sorted(self._look.files.items()):
            for place, omission in (*manifest.contents.ignored, *self._outside(manifest)):
                yield LeftOut(path, place.line, place.document, omission)

    def _outside(self, manifest: Manifest) -> Iterator[Ignored]:
        for found, place in manifest.contents.declared:
            if not self._realm.admits(found.key.namespace):
                yield Ignored(place, Omission(Reason.EXCLUDED_NAMESPACE, str(found.key)))

    def service(self, name: ServiceName) -> Service | None:
        return self._cluster.service(name)

    def take_in(self, found: Look, now: float) -> frozenset[ServiceName]:
        """Take in what was found at a monotonic time (s); returns the services that may differ now."""
        former, self._look = self._look, found
        doubted, self._doubts = self._doubts, {}
        changed: set[ServiceName] = set()
        for path, manifest in found.files.items():
            if manifest is not former.files.get(path) or path in doubted:
                changed |= self._put(path, manifest, now, doubted.get(path))
        for path in self._applied.keys() - found.files.keys():
            if not found.hides(path) and self._has_lasted(path, _MISSING, now, doubted.get(path)):
                del self._applied[path]
                changed |= self._cluster.apply(*self._manifests.remove(path))
        for path in self._remarks.keys() - found.files.keys() - self._doubts.keys():
            del self._remarks[path]
        self.faults = tuple(sorted(self._all_faults(), key=_place))
        return frozenset(changed)

    def _put(self, path: str, manifest: Manifest, now: float, doubt: Doubt | None) -> frozenset[ServiceName]:
        contents = manifest.contents
        known = self._applied.get(path) == manifest.digest
        declared = [one for one in contents.declared if self._realm.admits(one.object.key.namespace)]
        lost = self._manifests.keys(path) - {one.object.key for one in declared}
        doubtful = not known and bool(contents.errors or lost)
        if doubtful and not self._has_lasted(path, manifest.digest, now, doubt):
            return frozenset()
        self._remarks[path] = tuple(_fault(path, remark) for remark in contents.errors + contents.warnings)
        if contents.errors or known:
            return frozenset()
        self._applied[path] = manifest.digest
        return self._cluster.apply(*self._manifests.put(path, declared))

    def _has_lasted(self, path: str, digest: bytes, now: float, doubt: Doubt | None) -> bool:
        """Whether it was so a while ago already. If not, it is remembered for the next look."""
        since = doubt[1] if doubt and doubt[0] == digest else now
        if now - since >= self._doubt_s:
            return True
        self._doubts[path] = (digest, since)
        return False

    def _all_faults(self) -> Iterator[Fault]:
        for path, reason in self._look.unreadable.items():
            yield Fault(path, 0, 0, "", reason)
        for remarks in self._remarks.values():
            yield from remarks
        # A file on its way to another name is there twice for a moment.
        if not self._doubts:
            self._conflicts = tuple(_fault(*conflict) for conflict in self._manifests.conflicts)
        yield from self._conflicts


def _fault(path: str, remark: Remark) -> Fault:
    return Fault(path, remark.place.line, remark.place.document, remark.place.field, remark.message)


def _place(fault: Fault) -> tuple[str, int, str, str]:
    return (fault.file, fault.line, fault.field, fault.message)
