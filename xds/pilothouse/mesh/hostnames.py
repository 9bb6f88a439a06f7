"""By which host names an application may ask for a service, and whose name of several it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pilothouse.model.services import ServiceName, ServiceSpec


def host_names(spec: ServiceSpec, own_namespace: bool) -> list[str]:
    """The names of a service, most specific first, lower case.

    A single label is a name only within its own namespace. A trailing dot is an absolute name of
    DNS, and some clients send it.
    """
    name, namespace = spec.name.name, spec.name.namespace
    short = [f"{name}.{namespace}", *([name] if own_namespace else [])]
    suffixed = [host + suffix for suffix in spec.suffixes for host in short]
    every = (spec.hostname, f"{spec.hostname}.", f"{name}.{namespace}.svc", *short, *suffixed)
    return [*dict.fromkeys(host.lower() for host in every)]


def endpoint_forms(
    spec: ServiceSpec, taken: Collection[str], own_namespace: bool
) -> Iterator[tuple[str, list[str]]]:
    """Each host name of an endpoint, and the names of the service that may come after it and a dot."""
    # What ends as an extra suffix is a service in the namespace of whoever asks.
    suffixes = {suffix[1:] for suffix in spec.suffixes}.intersection(host_names(spec, own_namespace=False))
    forms = [form for form in host_names(spec, own_namespace) if form not in suffixes.union(taken)]
    # The endpoint `db` of the service `db` in the namespace `db` is not `db.db`.
    others = {*taken, *host_names(spec, own_namespace=True)}
    for pod in spec.hostnames:
        yield pod, [form for form in forms if f"{pod}.{form}" not in others]


def contested(spec: ServiceSpec) -> Iterator[tuple[str, ServiceName]]:
    """The hosts that a service or an endpoint of it has, unless there is a service whose names they are.

    A name with a namespace in it comes before one without, and both before that of an endpoint. `db-0.db` is
    an endpoint of the service `db`, unless there is a service `db-0` in the namespace `db`; with the suffix
    `.mesh`, `payments.mesh` is the service `payments`, unless there is one in `mesh`.
    """
    name, endings = spec.name, _endings(spec)
    for suffix in spec.suffixes:
        for namespace in _namespaces(suffix, endings) - {name.namespace}:
            yield f"{name.name}{suffix}", ServiceName(namespace, name.name)
    for form in host_names(spec, own_namespace=True) if spec.hostnames else ():
        namespaces = _namespaces(f".{form}", endings)
        if f".{form}" in spec.suffixes:
            namespaces.add(name.namespace)
        for owner in (ServiceName(namespace, pod) for namespace in namespaces for pod in spec.hostnames):
            if owner != name:
                yield f"{owner.name}.{form}", owner


def _endings(spec: ServiceSpec) -> tuple[str, ...]:
    """What may come after `<name>.<namespace>`; of all services the same."""
    return "", ".svc", spec.hostname.removeprefix(f"{spec.name.name}.{spec.name.namespace}"), *spec.suffixes


def _namespaces(after: str, endings: tuple[str, ...]) -> set[str]:
    """Those of which a service has a name in which `after` comes after its own: `mesh` of `.mesh.svc`."""
    found = {after[1:].removesuffix(ending) for ending in endings if after.endswith(ending)}
    return {namespace for namespace in found if namespace and "." not in namespace}
