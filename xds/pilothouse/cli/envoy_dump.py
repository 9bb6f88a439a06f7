"""What an Envoy says that it runs (`/config_dump`), and how that differs from what it was sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: In each part of a dump: the list of resources that came over xDS, and where in an item the resource is.
_DYNAMIC: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]] = {
    "CDS": (("dynamic_active_clusters", ("cluster",)), ("dynamic_warming_clusters", ("cluster",))),
    "EDS": (("dynamic_endpoint_configs", ("endpoint_config",)),),
    "LDS": (("dynamic_listeners", ("active_state", "listener")),),
    "RDS": (("dynamic_route_configs", ("route_config",)),),
    "SDS": (("dynamic_active_secrets", ("secret",)),),
}
TYPES = tuple(_DYNAMIC)


class Differing(NamedTuple):
    """A resource that differs, and how; `path` is the first field that does."""

    type: str
    name: str
    how: str
    path: str = ""


class Dump:
    """A dump as Envoy answers it with `include_eds`."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._parts: list[Mapping[str, Any]] = [each for each in said["configs"] if isinstance(each, dict)]

    @property
    def node(self) -> str:
        """The id of the node; empty if the dump does not say."""
        found = (each["bootstrap"].get("node", {}) for each in self._parts if "bootstrap" in each)
        return next((str(each.get("id", "")) for each in found), "")

    def resources(self, type: str) -> dict[str, Mapping[str, Any]]:
        """The resources of one type that came over xDS, by name."""
        found = [_at(item, path) for key, path in _DYNAMIC[type] for item in self._items(key)]
        named = {_name(each): each for each in found if each}
        if type != "EDS":
            return named
        # Envoy shows a load assignment of each cluster, also of those that ask DNS for their endpoints.
        asking = {_assignment(each) for each in self.resources("CDS").values() if each.get("type") == "EDS"}
        return {name: each for name, each in named.items() if name in asking}

    def refused(self) -> Iterator[tuple[str, str, str]]:
        """What it has rejected: type, name and its text."""
        for type, lists in _DYNAMIC.items():
            for key, path in lists:
                for item in self._items(key):
                    error = item.get("error_state")
                    if error:
                        failed = error.get("failed_configuration", {})
                        name = item.get("name") or _name(failed) or _name(_at(item, path))
                        yield type, name, error.get("details", "")

    def _items(self, key: str) -> Iterator[Mapping[str, Any]]:
        for part in self._parts:
            yield from part.get(key, ())


def _at(item: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    found: Any = item
    for step in path:
        found = found.get(step, {})
    return {key: value for key, value in found.items() if key != "@type"}


def _assignment(cluster: Mapping[str, Any]) -> str:
    """The name of the load assignment that a cluster asks for."""
    return str(cluster.get("eds_cluster_config", {}).get("service_name") or _name(cluster))


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource.get("name") or resource.get("cluster_name") or "")


def differing(type: str, sent: Mapping[str, Any], runs: Mapping[str, Any]) -> Iterator[Differing]:
    """What differs of one type: by name, what it was sent (None if that is not known), and what it runs.

    Of endpoints, Envoy shows what it has made of them, so only who they are and how they are called counts.
    Of secrets, it shows nothing.
    """
    for name in sorted(sent.keys() | runs.keys()):
        if name not in runs:
            yield Differing(type, name, "is not in the Envoy")
        elif name not in sent:
            yield Differing(type, name, "is only in the Envoy")
        elif sent[name] is None:
            yield Differing(type, name, "is from an earlier stream, so it is not known")
        else:
            path = _first_difference(type, sent[name], runs[name])
            if path is not None:
                yield Differing(type, name, "differs", path)


def _first_difference(type: str, sent: Mapping[str, Any], runs: Mapping[str, Any]) -> str | None:
    if type == "SDS":
        return None
    if type != "EDS":
        return first_difference(sent, runs)
    was, now = endpoints(sent), endpoints(runs)
    return None if was == now else _first_endpoint(was, now)


def endpoints(assignment: Mapping[str, Any]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """By address, port and priority of each endpoint: its zone, its weight and its health."""
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for group in assignment.get("endpoints", ()):
        place = group.get("locality", {})
        where = place.get("region", ""), place.get("zone", ""), place.get("sub_zone", "")
        for each in group.get("lb_endpoints", ()):
            at = each.get("endpoint", {}).get("address", {}).get("socket_address", {})
            health = each.get("health_status", "UNKNOWN").replace("UNKNOWN", "HEALTHY")
            key = at.get("address"), at.get("port_value"), group.get("priority", 0)
            found[key] = *where, each.get("load_balancing_weight", 1), health
    return found


def _first_endpoint(was: Mapping[Any, Any], now: Mapping[Any, Any]) -> str:
    address, port, priority = min(
        (key for key in was.keys() | now.keys() if was.get(key) != now.get(key)), key=str
    )
    return f"{address}:{port} at priority {priority}"


def first_difference(one: Any, other: Any, path: str = "") -> str | None:
    """The path of the first field that differs. None if nothing does."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            found = first_difference(one.get(key), other.get(key), f"{path}.{key}" if path else key)
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        for number in range(max(len(one), len(other))):
            left, right = (each[number] if number < len(each) else None for each in (one, other))
            found = first_difference(left, right, f"{path}[{number}]")
            if found is not None:
                return found
        return None
    return None if one == other else path
