"""What an operator orders, and what becomes of it."""

from __future__ import annotations

from msgspec import Struct

from pilothouse.admin.api.views.base import View
from pilothouse.admin.api.views.overview import HoldView


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """Something to be done, with the reason for those who wonder about it later."""

    reason: str = ""


class DrainOrder(Order, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take endpoints out of service for a while.

    `addresses` are `IP` or `IP:PORT`, of `service` (NAMESPACE/NAME), or wherever they occur. `lasts` is a
    duration of at most 7d. `force` drains also the last endpoint of a service, and addresses that nothing has
    yet.
    """

    addresses: tuple[str, ...]
    service: str | None = None
    lasts: str = "1h"
    force: bool = False


class UndrainOrder(Order, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take endpoints into service again, before their drains end. They are named as in the drain."""

    addresses: tuple[str, ...]
    service: str | None = None


class DrainView(View, frozen=True):
    """An address that an operator has taken out of service, at one port or at all, in one service or in all.

    `found` are the first services in which it is an endpoint now.
    """

    address: str
    who: str
    since: str
    until: str
    port: int | None = None
    service: str | None = None
    reason: str | None = None
    found: tuple[str, ...] = ()


class DrainList(View, frozen=True):
    items: tuple[DrainView, ...]
    next: str | None = None


class DoneView(View, frozen=True):
    """What was done, in words. `hold` is the hold as it is now. `beware` says what this process cannot do."""

    done: str
    who: str
    hold: HoldView | None = None
    beware: str | None = None
