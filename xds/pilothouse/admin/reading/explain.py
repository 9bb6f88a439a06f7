"""The walk from a name to the endpoints behind it, as one client has it, and where it ends too early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from pilothouse.admin.api import views
from pilothouse.admin.reading import changes, dns
from pilothouse.admin.reading.callee import Callee
from pilothouse.admin.reading.clients import Asking
from pilothouse.admin.reading.clock import at
from pilothouse.admin.reading.clusters import cluster
from pilothouse.admin.reading.dns import is_address
from pilothouse.admin.reading.proxies import unaccepted
from pilothouse.admin.reading.services import Parts, why
from pilothouse.admin.reading.shares import number_of, percent
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.names import contested, endpoint_owners, owners
from pilothouse.model.reasons import WORDS, Omission, Reason
from pilothouse.model.routing import Match, PathKind
from pilothouse.model.services import Endpoint, Port, ServiceName
from pilothouse.registry.drains import Target
from pilothouse.structures.nearness import near
from pilothouse.structures.turns import Steps, in_turns
from pilothouse.translate import Translated
from pilothouse.translate.names import EGRESS, cluster_name, host_ports, listener_at, mesh_ports
from pilothouse.translate.routes.traffic import (
    NOWHERE,
    Answer,
    Forwarding,
    Redirection,
    Refusal,
    connections_at,
    requests_at,
)

_TURN_S = 0.002
_NAMED = 100
_OTHERS = 4  # so many services are named that have an address
_PATHS = {PathKind.EXACT: "path", PathKind.REGEX: "path like", PathKind.PREFIX: "path below"}


@dataclass(frozen=True, slots=True)
class _Walk:
    """A name, and the client for which it is followed."""

    parts: Parts
    who: Asking
    name: str
    notes: tuple[views.Why, ...] = ()

    @property
    def asked_by(self) -> views.AskedBy:
        return self.who.view


async def explained(parts: Parts, who: Asking, name: str, endpoint: str) -> views.ExplainView:
    """The walk. It ends at `problem` if the name leads nowhere."""
    callee = Callee.read(name)
    found = _called(parts, who, callee.host)
    if found is None and is_address(callee.host):
        of = sorted(await in_turns(parts.registry.having([Target(callee.host)]), _TURN_S))
        if of:
            return await _to_endpoint(_Walk(parts, who, name), callee, of, endpoint)
    walked = await _walked(parts, who, name, callee, found, endpoint)
    asked = dns.asked(parts, who.audience.namespace, who.domain, callee.host)
    answers = dns.answered(parts, who.audience.scope, who.domain, callee.host)
    return structs.replace(walked, dns=asked, answers=answers, read_as=callee.read_as)


async def _walked(  # noqa: PLR0913  (the name, and what it means)
    parts: Parts, who: Asking, name: str, callee: Callee, found: Translated | Omission | None, endpoint: str
) -> views.ExplainView:
    walk = _Walk(parts, who, name, tuple(map(why, _notes(parts, who, callee.host, found))))
    if isinstance(found, Omission):
        return _nowhere(walk, why(found))
    if found is None:
        walked = _nowhere(walk, _unknown(parts, who, callee.host), await _near(parts, callee.host))
        return structs.replace(walked, last_change=await _last_change(parts, who, callee.host))
    port = _port(found, callee.port)
    if port is None:
        return _without_port(walk, found, callee.port)
    return await in_turns(_followed(walk, found, port, endpoint, _pod(who, found, callee.host)), _TURN_S)


def _pod(who: Asking, found: Translated, host: str) -> str:
    """The host name of the endpoint that a host means. Empty if it means the service."""
    inside, names = who.audience.scope.inside(found.service.name), found.resolved.names
    return host.partition(".")[0] if names.has_endpoint(host, inside) and not names.has(host, inside) else ""


async def _to_endpoint(
    walk: _Walk, callee: Callee, of: Sequence[ServiceName], endpoint: str
) -> views.ExplainView:
    """The walk to an endpoint whose own address is asked for: how the first of its services leads there."""
    parts, client = walk.parts, walk.who.audience
    found, more = parts.catalogue.directory.get(of[0]), ", ".join(map(str, of[1:_OTHERS]))
    read_as = f"an endpoint of {of[0]}" + (f", and of {more}: ask for these by name" if more else "")
    if found is None or not found.resolved.can_be_called(client.scope):
        service = parts.service(of[0])
        lost = parts.catalogue.omissions(service, client) if service else ()
        walked = _nowhere(walk, why(lost[0]) if lost else _unknown(parts, walk.who, callee.host))
        return structs.replace(walked, read_as=read_as)
    at = [each for each in found.service.endpoints if each.address == callee.host]
    ports = mesh_ports(found.service.spec)
    by_number = (port for port in ports if any(number_of(each, port) == callee.port for each in at))
    port = (next(by_number, None) if callee.port else None) or _port(found, 0)
    if port is None:
        return structs.replace(_without_port(walk, found, 0), read_as=read_as)
    if callee.port and not any(callee.port in {number for _, number in each.ports} for each in at):
        return structs.replace(_not_listening(walk, found, at, callee), read_as=read_as)
    walked = await in_turns(_followed(walk, found, port, endpoint or callee.host), _TURN_S)
    return structs.replace(walked, read_as=read_as)


def _not_listening(
    walk: _Walk, found: Translated, at: Sequence[Endpoint], callee: Callee
) -> views.ExplainView:
    """An endpoint is asked for at a port that its slice does not have."""
    known = (
        ", ".join(str(number) for number in sorted({n for each in at for _, n in each.ports if n})) or "none"
    )
    words = f"the endpoint has no port {callee.port}; its ports: {known}"
    view = _nowhere(walk, views.Why("no-such-port", words, callee.host))
    return structs.replace(view, service=str(found.service.name))


def _nowhere(walk: _Walk, problem: views.Why, near: tuple[str, ...] = ()) -> views.ExplainView:
    return views.ExplainView(
        walk.name, walk.asked_by, False, reaches=False, notes=walk.notes, problem=problem, near=near
    )


def _called(parts: Parts, who: Asking, host: str) -> Translated | Omission | None:
    """The service that a host means to the client; why it means none; None if there is no such name."""
    client, reason = who.audience, None
    for name in _candidates(parts, host, client.namespace):
        found = parts.catalogue.directory.get(name)
        if found is None:
            service = parts.registry.services.get(name)
            if service is not None:
                reason = reason or next(iter(parts.catalogue.omissions(service, client)), None)
            continue
        inside = client.scope.inside(name)
        names = found.resolved.names
        by_name = names.has(host, inside) or names.has_endpoint(host, inside)
        if not by_name and host not in found.resolved.spec.vips:
            continue
        if found.resolved.can_be_called(client.scope):
            return found
        reason = reason or next(iter(parts.catalogue.omissions(found.service, client)), None)
    return reason


def _candidates(parts: Parts, host: str, namespace: str) -> list[ServiceName]:
    found = [*owners(host, namespace), *endpoint_owners(host, namespace)]
    return list(dict.fromkeys([*found, *parts.catalogue.claims.claiming(host)]))


def _notes(parts: Parts, who: Asking, host: str, found: object) -> Iterator[Omission]:
    """The services that would have the host if no other service had it."""
    for name in _candidates(parts, host, who.audience.namespace):
        other = parts.catalogue.directory.get(name)
        if other is None or other is found:
            continue
        if host in other.resolved.taken:
            owner = next((str(owner) for taken, owner in contested(other.service.spec) if taken == host), "")
            yield Omission(Reason.NAME_TAKEN, str(name), f"{host} is {owner}")
        if host in other.service.spec.vips and host not in other.resolved.spec.vips:
            yield from (each for each in other.resolved.omissions if each.what == host)


def _unknown(parts: Parts, who: Asking, host: str) -> views.Why:
    """Why a name means nothing."""
    namespace = who.audience.namespace
    declared = {each.what for each in parts.catalogue.unknown_dependencies(who.audience.scope)}
    if (name := _meant(host, namespace)) and str(name) in declared:
        said = f"{WORDS[Reason.DECLARED_BUT_UNKNOWN]}: {name}"
        return views.Why(Reason.DECLARED_BUT_UNKNOWN.value, said, host)
    if not who.audience.namespace and "." not in host and not is_address(host):
        return views.Why("no-namespace", "a short name means something in a namespace only", host)
    words = "no service has this name"
    first = next(parts.names(ServiceName(namespace, "")), None)
    if "." not in host and not is_address(host) and (first is None or first.namespace != namespace):
        words += f", and the client's namespace, {namespace}, has no service at all"
    return views.Why("no-such-service", words, host)


async def _last_change(parts: Parts, who: Asking, host: str) -> views.ChangeView | None:
    """The last change that is remembered of a service that had the name."""
    revisions, name = parts.registry.revisions, _meant(host, who.audience.namespace)
    if name is None:
        return None
    found = await in_turns(changes.matching(revisions, name, 0.0, 1, None), _TURN_S)
    return changes.shown(revisions, found[0], name) if found else None


def _meant(host: str, namespace: str) -> ServiceName | None:
    """The service that a host would mean if it existed."""
    return next((name for name in owners(host, namespace) if name.namespace), None)


async def _near(parts: Parts, host: str) -> tuple[str, ...]:
    """Names of services that are like the host's first two labels, or like its first."""
    name, _, rest = host.partition(".")
    namespace, known = rest.partition(".")[0], map(str, parts.all_names())
    if namespace:
        return await in_turns(near(f"{namespace}/{name}", known), _TURN_S)
    return await in_turns(near(name, known, lambda each: each.partition("/")[2]), _TURN_S)


def _port(found: Translated, number: int) -> Port | None:
    """The port that is called: the one with the number, else the one that serves hosts without a port."""
    answering = found.resolved.answering
    if answering is None:
        return None
    if number:
        return next((port for port in mesh_ports(answering) if port.number == number), None)
    return next(iter([*host_ports(answering), *mesh_ports(answering)]), None)


def _without_port(walk: _Walk, found: Translated, number: int) -> views.ExplainView:
    omissions = walk.parts.catalogue.omissions(found.service, walk.who.audience)
    known = ", ".join(str(port.number) for port in found.service.spec.ports) or "none"
    if number and found.resolved.answering is not None:
        words = f"{found.service.name} has no TCP port {number}; its ports: {known}"
        problem = views.Why("no-such-port", words, walk.name)
    elif omissions:
        problem = why(omissions[0])
    else:
        problem = views.Why(Reason.NO_PORTS.value, WORDS[Reason.NO_PORTS], walk.name)
    return views.ExplainView(
        walk.name,
        walk.asked_by,
        False,
        reaches=False,
        service=str(found.service.name),
        left_out=tuple(map(why, omissions[:_NAMED])),
        notes=walk.notes,
        problem=problem,
    )


def _followed(
    walk: _Walk, found: Translated, port: Port, endpoint: str, pod: str = ""
) -> Steps[views.ExplainView]:
    parts, who = walk.parts, walk.who
    routes = tuple(_routes(found, port, who.audience.namespace, by_rules=not pod))
    wanted = dict.fromkeys(to.cluster for route in routes for to in route.to if to.cluster)
    clusters: dict[str, views.ClusterView] = {}
    for each in wanted:
        clusters[each] = yield from cluster(parts, who, each, endpoint, pod)
    omissions = parts.catalogue.omissions(found.service, who.audience)
    answering, declared = found.resolved.answering, parts.registry.declared(found.service.name)
    return views.ExplainView(
        walk.name,
        walk.asked_by,
        True,
        reaches=_reaches(routes, clusters),
        service=str(found.service.name),
        answered_by=str(answering.name) if answering and answering.name != found.service.name else None,
        place=declared.place or None if declared else None,
        virtual_ips=found.resolved.spec.vips,
        port=views.PortView(port.number, port.protocol.value, port.transport.value, port.name or None),
        steps=tuple(_steps(who, found, port, clusters.values())),
        routes=routes,
        clusters=tuple(clusters.values()),
        left_out=tuple(map(why, omissions[:_NAMED])),
        notes=walk.notes,
    )


def _reaches(routes: Iterable[views.RouteView], clusters: Mapping[str, views.ClusterView]) -> bool | None:
    """Whether some requests get to an endpoint. None if only Envoy knows what it finds in DNS."""
    tried = {clusters[to.cluster].reached for each in routes for to in each.to if to.share and to.cluster}
    return True if True in tried else None if None in tried else False


def _routes(found: Translated, port: Port, namespace: str, *, by_rules: bool) -> Iterator[views.RouteView]:
    """What happens to requests, or to connections, at a port. Names of endpoints do not go by rules."""
    answering = found.resolved.answering
    assert answering is not None
    if not port.protocol.by_host:
        shares = connections_at(found.resolved, port).shares
        whole = sum(weight for _, weight in shares)
        to = tuple(_to(cluster, weight, whole) for cluster, weight in shares)
        yield views.RouteView("all connections", to)
        return
    requests = requests_at(found.resolved, port, namespace)
    if not by_rules or not requests.in_force.routes:
        yield views.RouteView("all requests", (_to(cluster_name(answering, port), 1, 1),))
        return
    for answer in requests.answers:
        yield _answer(answer)


def _answer(answer: Answer) -> views.RouteView:
    to: list[views.ToView] = []
    for action in answer.actions:
        if isinstance(action, Forwarding):
            if action.cookie:
                continue  # the same clusters, for clients with a session
            failing = (each.share for each in answer.actions if isinstance(each, Refusal) and each.share)
            lost = sum(part for part, _ in failing)
            whole = sum(backend.weight for _, backend in action.shares) + lost
            to += [_to(cluster, backend.weight, whole) for cluster, backend in action.shares]
        elif isinstance(action, Redirection):
            to.append(
                views.ToView(
                    100.0, refused=f"redirect, status {action.said.status}", status=action.said.status
                )
            )
        else:
            part, whole = action.share or (1, 1)
            to.append(
                views.ToView(
                    percent(part / whole), refused=f"{action.status}: {action.why}", status=action.status
                )
            )
    said = tuple(map(why, answer.omissions))
    return views.RouteView(_words(answer.one.match), tuple(to), str(answer.one.route), said)


def _to(name: str, weight: int, whole: int) -> views.ToView:
    share = percent(weight / whole if whole else 0.0)
    if name == NOWHERE:
        return views.ToView(share, weight=weight, refused="the connection is closed")
    return views.ToView(share, name, weight)


def _words(match: Match) -> str:
    """The conditions of a match."""
    said = [f"{_PATHS[match.path.kind]} {match.path.value}", match.method]
    said += [f"header {each.name}{'~' if each.regex else '='}{each.value}" for each in match.headers]
    said += [f"query {each.name}{'~' if each.regex else '='}{each.value}" for each in match.query]
    return ", ".join(filter(None, said))


def _steps(
    who: Asking, found: Translated, port: Port, clusters: Iterable[views.ClusterView]
) -> Iterator[views.StepView]:
    """The resources that the walk goes through, and whether the proxy has acknowledged each."""
    listeners = [EGRESS] if port.protocol.by_host else []
    if not listeners:
        listeners = [listener_at(vip, port.number) for vip in found.resolved.spec.vips]
    for listener in listeners:
        yield _step(who, ResourceType.LISTENER, listener)
    if port.protocol.by_host:
        yield _step(who, ResourceType.ROUTES, EGRESS)
    for each in clusters:
        yield _step(who, ResourceType.CLUSTER, each.name)
        if not each.by_dns:
            yield _step(who, ResourceType.ENDPOINTS, each.name)


def _step(who: Asking, type: ResourceType, name: str) -> views.StepView:
    resource = who.world.get(type, name)
    wanted = resource.version if resource else None
    if not who.sessions:
        return views.StepView(type.label, name, "wanted" if resource else "none", wanted)
    for session in who.sessions:
        held = session.stream.subscriptions.get(type)
        has = held.held.sent.get(name) if held else None
        if held is None or has is None:
            continue
        if has.version != wanted:
            return views.StepView(type.label, name, "older", wanted, has.version)
        doubted = unaccepted(held)
        if doubted is not None and name not in doubted:
            return views.StepView(type.label, name, "acknowledged", wanted, has.version)
        if held.exchange.awaiting:
            since = at(held.exchange.since)
            return views.StepView(type.label, name, "unanswered", wanted, has.version, since)
        return views.StepView(type.label, name, "rejected", wanted, has.version)
    return views.StepView(type.label, name, "not asked for" if resource else "none", wanted)
