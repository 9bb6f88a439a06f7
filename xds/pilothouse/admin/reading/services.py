"""The services: what is in force, where it comes from, and what is left out, and why."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Missing, Mistaken
from pilothouse.model.policy import PLAIN, Policy
from pilothouse.model.reasons import WORDS, Omission, Reason
from pilothouse.model.services import Port, Service, ServiceName, State
from pilothouse.registry.merged import Registry
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census, viewer
from pilothouse.sources import Source
from pilothouse.structures.nearness import near
from pilothouse.structures.turns import Steps, Turn, in_turns
from pilothouse.structures.written import brief, quoted

_TURN_S = 0.002
_NO_NAME = set("/: ")  # no source has such a name; with a port, it is the name of something else
_STEP = 100  # names that are compared in a step
_NAMED = 100  # so many omissions of a service are shown


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts that know services."""

    registry: Registry
    catalogue: Catalogue
    census: Census
    sources: Sequence[Source] = ()

    def names(self, after: ServiceName) -> Iterator[ServiceName]:
        """The names of all services after this one, in order, with those that were never served."""
        held = (name for name in self.catalogue.quarantined if name > after)
        unserved = sorted(name for name in held if not self.catalogue.serves(name))
        return heapq.merge(self.catalogue.directory.after(after), unserved)

    def all_names(self) -> Iterator[ServiceName]:
        """The names of all services in order. Services may come and go while the caller walks them."""
        last = ServiceName("", "")
        while some := [*islice(self.names(last), _STEP)]:
            yield from some
            last = some[-1]

    def service(self, name: ServiceName) -> Service | None:
        """The version in force of a service, else the newest one."""
        found = self.catalogue.directory.get(name)
        return found.service if found else self.registry.services.get(name)


def named(text: str, parameter: str = "service") -> ServiceName:
    """The name in `namespace/name`. Raises Mistaken."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or set(text[len(namespace) + 1 :]) & _NO_NAME:
        raise Mistaken(f"{parameter}: must be NAMESPACE/NAME, not {quoted(text)}")
    return ServiceName(namespace, name)


def _after(text: str) -> ServiceName:
    return named(text, "after") if text else ServiceName("", "")


async def rows(parts: Parts, namespace: str, search: str, limit: int, after: str) -> views.ServiceList:
    """Services by name. Finding them takes turns if few match."""
    found = await in_turns(_matching(parts, namespace, search.lower(), limit + 1, _after(after)), _TURN_S)
    turn, items = Turn(_TURN_S), list[views.ServiceRow]()
    for name, service in found[:limit]:
        items.append(_row(parts, name, service))
        await turn.over()
    more = str(found[limit - 1][0]) if len(found) > limit else None
    return views.ServiceList(tuple(items), more)


def _matching(
    parts: Parts, namespace: str, search: str, most: int, after: ServiceName
) -> Steps[list[tuple[ServiceName, Service]]]:
    found: list[tuple[ServiceName, Service]] = []
    last = max(after, ServiceName(namespace, ""))
    while True:
        some = [*islice(parts.names(last), _STEP)]
        for name in some:
            if namespace and name.namespace != namespace:
                return found
            service = parts.service(name) if search in str(name).lower() else None
            if service is not None:
                found.append((name, service))
            if len(found) == most:
                return found
        if len(some) < _STEP:
            return found
        last = some[-1]
        yield


def _row(parts: Parts, name: ServiceName, service: Service) -> views.ServiceRow:
    declared = parts.registry.declared(name)
    ready = sum(endpoint.state is State.READY for endpoint in service.endpoints)
    return views.ServiceRow(
        namespace=name.namespace,
        name=name.name,
        ports=tuple(map(_port, service.spec.ports)),
        endpoints=len(service.endpoints),
        ready=ready,
        called=len(service.endpoints) - parts.census.uncalled(name),
        left_out={reason.value: count for reason, count in sorted(parts.census.of(name), key=_code)},
        quarantined=name in parts.catalogue.quarantined,
        source=declared.source if declared else None,
        place=declared.place or None if declared else None,
    )


def _code(counted: tuple[Reason, int]) -> str:
    return counted[0].value


def _port(port: Port) -> views.PortView:
    return views.PortView(port.number, port.protocol.value, port.transport.value, port.name or None)


async def service(parts: Parts, name: ServiceName) -> views.ServiceView:
    """One service. Raises Missing."""
    found = parts.service(name)
    if found is None:
        raise await missing(parts, name)
    spec, declared = found.spec, parts.registry.declared(name)
    held, in_force = parts.catalogue.quarantined.get(name), parts.catalogue.directory.get(name)
    answering = in_force.resolved.answering if in_force else None
    omissions = parts.catalogue.omissions(parts.registry.services.get(name, found), viewer(spec))
    endpoints = views.EndpointCounts(
        len(found.endpoints),
        sum(endpoint.state is State.READY for endpoint in found.endpoints),
        len(found.endpoints) - parts.census.uncalled(name),
    )
    return views.ServiceView(
        namespace=name.namespace,
        name=name.name,
        ports=tuple(map(_port, spec.ports)),
        virtual_ips=spec.vips,
        hosts=tuple(host.text for host in in_force.resolved.names.of_service()) if in_force else (),
        routes=tuple(map(str, spec.routes)),
        policy=_policy(spec.policy),
        endpoints=endpoints,
        left_out=tuple(why(each) for each in omissions[:_NAMED]),
        exported_to=None if spec.exported_to is None else tuple(sorted(spec.exported_to)),
        answered_by=str(answering.name) if answering and answering.name != name else None,
        external_name=spec.external_name or None,
        quarantined=views.QuarantineView(held.reason, views.moment(held.since_s), in_force is not None)
        if held
        else None,
        source=declared.source if declared else None,
        place=declared.place or None if declared else None,
        changed=views.moment(declared.at) if declared else None,
    )


def why(omission: Omission) -> views.Why:
    words = WORDS[omission.reason]
    said = f"{words}: {omission.why}" if omission.why else words
    return views.Why(omission.reason.value, said, omission.what)


def _policy(policy: Policy) -> dict[str, str]:
    """What differs from the policy of most services."""
    said = {each.name: getattr(policy, each.name) for each in fields(Policy)}
    return {name: _said(value) for name, value in said.items() if value != getattr(PLAIN, name)}


def _said(value: object) -> str:
    return str(getattr(value, "value", value))


async def missing(parts: Parts, name: ServiceName) -> Missing:
    """What to raise for a service that nobody knows."""
    return Missing(
        f"service {brief(str(name))}", await in_turns(near(str(name), map(str, parts.all_names())), _TURN_S)
    )
