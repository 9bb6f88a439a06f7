"""What a set of files declares. If two files declare an object, the older declaration is in force."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from pilothouse.kubernetes.documents import Declared, Remark
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.structures.turns import Steps, at_once


class Change(NamedTuple):
    """Objects that are newly in force, and objects that are gone."""

    put: tuple[Object, ...]
    gone: tuple[Key, ...]


class _Declaration(NamedTuple):
    """One declaration of an object. Declarations sort by precedence, and no two have equal first three
    fields.
    """

    created: str
    file: str
    position: int
    declared: Declared


class Manifests:
    """The declarations of all files, and the one that is in force for each object.

    The declaration with the earliest creation time wins. Those without a time come last, by file name and
    position. So every process chooses the same one, whatever it read first.
    """

    def __init__(self) -> None:
        self._keys: dict[str, frozenset[Key]] = {}
        # object -> its declarations, the one in force first
        self._declarations: dict[Key, list[_Declaration]] = {}
        self._contested: set[Key] = set()

    def keys(self, file: str) -> frozenset[Key]:
        """The objects that a file declares, in force or not."""
        return self._keys.get(file, frozenset())

    def declared(self, file: str, keys: Collection[Key]) -> list[Declared]:
        """The present declarations of these objects in a file."""
        found = (each for key in sorted(keys) for each in self._declarations.get(key, ()))
        return [each.declared for each in found if each.file == file]

    def put(self, file: str, declared: Iterable[Declared]) -> Change:
        """Replace everything that a file declares."""
        return at_once(self.putting(file, declared))

    def putting(self, file: str, declared: Iterable[Declared]) -> Steps[Change]:
        """Like `put`, in steps."""
        declarations: dict[Key, list[_Declaration]] = {}
        for position, one in enumerate(declared):
            # "~" sorts after every time, so an object of unknown age does not displace a dated one.
            declaration = _Declaration(one.object.created or "~", file, position, one)
            declarations.setdefault(one.object.key, []).append(declaration)
            yield
        former = self.keys(file)
        self._keys[file] = frozenset(declarations)
        put: list[Object] = []
        gone: list[Key] = []
        for key in [*declarations, *sorted(former - declarations.keys())]:
            before = self._declarations.get(key, [])
            after = sorted([*(each for each in before if each.file != file), *declarations.get(key, ())])
            self._settle(key, after)
            if not after:
                gone.append(key)
            elif not before or after[0].declared.object != before[0].declared.object:
                put.append(after[0].declared.object)
            yield
        return Change(tuple(put), tuple(gone))

    def remove(self, file: str) -> Change:
        """Remove everything that a file declares."""
        return at_once(self.removing(file))

    def removing(self, file: str) -> Steps[Change]:
        """Like `remove`, in steps."""
        change = yield from self.putting(file, ())
        del self._keys[file]
        return change

    @property
    def in_force(self) -> Iterator[tuple[Key, tuple[str, Declared]]]:
        """Each object, with the file and the declaration that are in force."""
        for key, (winner, *_) in self._declarations.items():
            yield key, (winner.file, winner.declared)

    @property
    def conflicts(self) -> Iterator[tuple[str, Remark]]:
        """Each declaration that is not in force: its file, and a remark that names the one in force."""
        for key in sorted(self._contested):
            winner, *losers = self._declarations[key]
            for loser in losers:
                why = "is older" if winner.created < loser.created else "comes first"
                place = f"{winner.file}:{winner.declared.place.line}"
                yield (
                    loser.file,
                    Remark(
                        loser.declared.place,
                        f"{key} is declared in {place} too; that one {why} and is in force",
                    ),
                )

    def _settle(self, key: Key, declarations: list[_Declaration]) -> None:
        if declarations:
            self._declarations[key] = declarations
        else:
            self._declarations.pop(key, None)
        if len(declarations) > 1:
            self._contested.add(key)
        else:
            self._contested.discard(key)
