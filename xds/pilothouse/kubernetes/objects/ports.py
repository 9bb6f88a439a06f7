"""What the ports of Services, slices and Endpoints have in common: a number and a transport."""

from __future__ import annotations

from pilothouse.kubernetes.fields import Fields
from pilothouse.model.services import Transport


def number(item: Fields) -> int:
    """The number of a port. Raises FieldError if the API server would refuse it."""
    found = item.integer("port")
    if found is None:
        raise item.error("port", "is required")
    if not 1 <= found <= 65_535:
        raise item.error("port", f"{found} is not in 1..65535")
    return found


def transport(item: Fields) -> Transport:
    """The `protocol` of a port, TCP by default."""
    text = item.text("protocol", "TCP")
    if text not in Transport.__members__:
        raise item.error("protocol", f'"{text}" is not one of {", ".join(Transport.__members__)}')
    return Transport[text]


def is_tcp(item: Fields) -> bool:
    """Whether the port is TCP. A UDP port may have the same name."""
    return transport(item) is Transport.TCP
