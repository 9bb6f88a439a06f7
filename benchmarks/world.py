"""The services that are served: with the same names and addresses as on every other server measured."""

from __future__ import annotations

from pilothouse.model.services import Endpoint, Locality, Port, Service, ServiceName, ServiceSpec, ordered

_ZONE = Locality("region-1", "zone-a")


def service(number: int, endpoints: int) -> Service:
    """From the 257th on, endpoints differ by port."""
    name = ServiceName("default", f"cluster-{number:05}")
    spec = ServiceSpec(
        name=name,
        ports=(Port("http", 8080),),
        vips=(f"172.16.{number >> 8}.{number & 255}",),
    )
    return Service(spec, ordered(_endpoint(number, i) for i in range(endpoints)))


def _endpoint(number: int, i: int) -> Endpoint:
    return Endpoint(
        address=f"10.{number >> 8}.{number & 255}.{i & 255}",
        ports=(("http", 8080 + (i >> 8)),),
        locality=_ZONE,
        workload=f"pod-{number}-{i}",
    )


def changed(endpoints: tuple[Endpoint, ...], sequence: int) -> tuple[Endpoint, ...]:
    """The same endpoint values but for one, as a source would report them, in their canonical order.

    The last three octets of its address, each 100 more than a digit to the base 100, say which change it is.
    """
    high, middle, low = (100 + sequence // place % 100 for place in (10000, 100, 1))
    new = Endpoint(
        address=f"11.{high}.{middle}.{low}",
        ports=(("http", 8080),),
        locality=_ZONE,
        workload=f"pod-{sequence}",
    )
    return (*endpoints[1:], new)  # 11 sorts after 10
