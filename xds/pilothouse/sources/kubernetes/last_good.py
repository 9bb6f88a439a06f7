"""The objects of a cluster as far as they can be read, and the services that they make up. Pure.

What cannot be read takes nothing away: its last good version stays in force, and it is a fault. What is not
in a whole list is gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pilothouse.kubernetes.fields import FieldError
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Key, Object, Service
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model import services
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import ServiceName
from pilothouse.sources import Cause, Fault, Standing
from pilothouse.sources.kubernetes.decoding import Found
from pilothouse.sources.kubernetes.resources import Scope
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.sources.kubernetes.statements import Listed, Put, Statement
from pilothouse.structures.turns import Steps


@dataclass(frozen=True, slots=True)
class _Remarks:
    """What is to be said about an object. `left_out` is why it plays no part."""

    version: str
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()
    left_out: Omission | None = None

    @property
    def reasons(self) -> Iterator[Reason]:
        if self.left_out is not None:
            yield self.left_out.reason
        yield from (warning.reason for warning in self.warnings if warning.reason)


class LastGood:
    """The last good version of every object, by scope."""

    def __init__(self, served: ServedCluster = WHOLE, shown: ShownRoutes | None = None) -> None:
        self._served, self._shown = served, shown
        self._cluster = Cluster(served)
        # Each is of one namespace, whatever the scope of a list is.
        self._in_force: defaultdict[Scope, set[Key]] = defaultdict(set)
        self._remarks: dict[Key, _Remarks] = {}
        self._left_out: Counter[Reason] = Counter()
        self._divided: dict[ServiceName, frozenset[str]] = {}
        #: The kinds and namespaces of which something has changed, for whoever keeps them.
        self.unsaved: set[Scope] = set()
        #: Those of them where a list lacks what was there.
        self.implied_losses: set[Scope] = set()

    @property
    def names(self) -> Collection[ServiceName]:
        return self._cluster.names

    def objects(self, scope: Scope) -> Iterator[Object]:
        """Those of a kind in one namespace that are in force."""
        return map(self._cluster.object, self._in_force.get(scope, ()))

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[Mapping[ServiceName, services.Service | None]]:
        """See `Declaring`. What a manifest leaves to the API server stays: virtual IPs and creation times."""
        served = [self._kept(each) for each in put if self._served.serves(each.key.namespace)]
        return (yield from self._cluster.supposing(served, gone))

    def _kept(self, new: Object) -> Object:
        before = self._cluster.find(new.key)
        if before is None:
            return new
        new = replace(new, created=new.created or before.created)
        if isinstance(new, Service) and isinstance(before, Service):
            assigned = () if new.headless or new.external_name else before.vips
            new = replace(new, vips=new.vips or assigned)
        return new

    def recover(self, objects: Sequence[Object]) -> Steps[None]:
        """Take in what an earlier process kept, in steps."""
        for one in objects:
            self._in_force[_home(one.key)].add(one.key)
        yield from self._apply(objects, [])
        self.saved()

    def saved(self) -> None:
        """Somebody has taken note of what has changed."""
        self.unsaved.clear()
        self.implied_losses.clear()

    def service(self, name: ServiceName) -> services.Service | None:
        return self._cluster.service(name)

    @property
    def subset_labels(self) -> frozenset[str]:
        """The labels of Pods by which services are divided into subsets."""
        return frozenset().union(*self._divided.values())

    @property
    def broken(self) -> frozenset[str]:
        """The objects that cannot be read and of which nothing good is known."""
        return frozenset(
            _place(key, remarks.version)
            for key, remarks in self._remarks.items()
            if remarks.errors and not self._knows(key)
        )

    @property
    def faults(self) -> Sequence[Fault]:
        """By object."""
        return tuple(fault for key in sorted(self._remarks) for fault in self._told(key, self._remarks[key]))

    @property
    def left_out_by_reason(self) -> Mapping[Reason, int]:
        """How many objects play no part in routing, and slices and routes without a Service."""
        return self._left_out + self._cluster.unattached.by_reason

    def taking(self, statements: Sequence[Statement]) -> Steps[dict[ServiceName, Cause]]:
        """Take in what was said, in steps; the services that may differ now, each with what says so."""
        causes: dict[ServiceName, Cause] = {}
        for statement in statements:
            if isinstance(statement, Listed):
                touched = yield from self._list(statement)
                cause = Cause(statement.place)
            elif isinstance(statement, Put):
                touched = yield from self._put([statement.found])
                cause = Cause(_place(statement.found.key, statement.found.version), statement.heard)
            else:
                touched = yield from self._let_go([statement.key])
                cause = Cause(_place(statement.key, statement.version), statement.heard)
            causes.update(dict.fromkeys(touched, cause))
        return causes

    def _list(self, listed: Listed) -> Steps[frozenset[ServiceName]]:
        found = {one.key for one in listed.found}
        told = {key for key in self._remarks if _is_in(key, listed.scope)}
        known = {
            key for scope, keys in self._in_force.items() if scope.kind == listed.scope.kind for key in keys
        }
        gone = {key for key in known if _is_in(key, listed.scope)} | told
        gone = set() if listed.beside is None else gone - found - listed.beside
        self.implied_losses.update(map(_home, gone))
        lost = yield from self._let_go(sorted(gone))
        put = yield from self._put(listed.found)
        return lost | put

    def _put(self, found: Sequence[Found]) -> Steps[frozenset[ServiceName]]:
        put: list[Object] = []
        gone: list[Key] = []
        for one in found:
            parsed, served = one.parsed, self._served.serves(one.key.namespace)
            if parsed.object is not None and served:
                put.append(parsed.object)
                self._in_force[_home(one.key)].add(one.key)
            elif not parsed.errors:
                gone.append(one.key)
                self._in_force[_home(one.key)].discard(one.key)
            self._note(one, served)
            if self._shown is not None and one.shown is not None:
                self._shown.put(one.key, one.shown if served else None)
            yield
        return (yield from self._apply(put, gone))

    def _let_go(self, keys: Sequence[Key]) -> Steps[frozenset[ServiceName]]:
        for key in keys:
            self._in_force[_home(key)].discard(key)
            self._remark(key, None)
            if self._shown is not None:
                self._shown.put(key, None)
            yield
        return (yield from self._apply([], keys))

    def _apply(self, put: Sequence[Object], gone: Sequence[Key]) -> Steps[frozenset[ServiceName]]:
        self.unsaved.update(_home(one.key) for one in put)
        self.unsaved.update(map(_home, gone))
        for one in put:
            if isinstance(one, Service) and (one.policy.subset_labels or one.service in self._divided):
                self._divided[one.service] = frozenset(one.policy.subset_labels)
        for key in gone:
            if key.kind in ("Service", "ServiceImport"):
                self._divided.pop(ServiceName(key.namespace, key.name, key.kind == "ServiceImport"), None)
        return (yield from self._cluster.applying(put, gone))

    def _note(self, found: Found, served: bool) -> None:
        parsed = found.parsed
        if not served:
            excluded = Omission(Reason.EXCLUDED_NAMESPACE, str(found.key))
            self._remark(found.key, _Remarks(found.version, left_out=excluded) if parsed.object else None)
        elif parsed.errors or parsed.warnings or parsed.ignored:
            self._remark(found.key, _Remarks(found.version, parsed.errors, parsed.warnings, parsed.ignored))
        else:
            self._remark(found.key, None)

    def _remark(self, key: Key, remarks: _Remarks | None) -> None:
        before = self._remarks.pop(key, None)
        if before is not None:
            self._left_out.subtract(before.reasons)
        if remarks is not None:
            self._remarks[key] = remarks
            self._left_out.update(remarks.reasons)

    def knows(self, kind: str) -> bool:
        """Whether there is anything of a kind."""
        return any(keys for scope, keys in self._in_force.items() if scope.kind == kind)

    def _knows(self, key: Key) -> bool:
        return key in self._in_force.get(_home(key), ())

    def _told(self, key: Key, remarks: _Remarks) -> Iterator[Fault]:
        standing = Standing.LAST_GOOD if self._knows(key) else Standing.ABSENT
        for error in remarks.errors:
            yield _fault(key, remarks.version, error, standing)
        for warning in remarks.warnings:
            yield _fault(key, remarks.version, warning, Standing.STATED, warning=True)


def _fault(key: Key, version: str, error: FieldError, standing: Standing, warning: bool = False) -> Fault:
    parts = (
        ("kind", key.kind),
        ("namespace", key.namespace),
        ("name", key.name),
        ("resourceVersion", version),
    )
    code = error.reason.value if error.reason else ""
    return Fault(_place(key, version), error.field, error.message, standing, warning, code, parts)


def _home(key: Key) -> Scope:
    return Scope(key.kind, key.namespace)


def _is_in(key: Key, scope: Scope) -> bool:
    namespace = key.name if key.kind == "Namespace" else key.namespace
    return key.kind == scope.kind and scope.namespace in ("", namespace)


def _place(key: Key, version: str) -> str:
    return f"{key}@{version}" if version else str(key)
