"""The table of orders: what an operator may have done, and the seam by which it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.admin.api import views


class Impossible(Exception):
    """The order is understood, and cannot be carried out as things are. The text says what would help."""


class Orders(Protocol):
    """Who carries out orders. `who` is whose token or certificate it was.

    Raises Mistaken, Missing, and Impossible.
    """

    async def drain(self, who: str, order: views.DrainOrder) -> views.DrainList:
        """Take endpoints out of service. Gives the drains as they are then."""

    async def undrain(self, who: str, order: views.UndrainOrder) -> views.DrainList:
        """Take endpoints into service again. Gives the drains that are ended."""

    async def release(self, who: str, source: str, order: views.Order) -> views.DoneView:
        """Believe a loss now."""

    async def reject(self, who: str, source: str, order: views.Order) -> views.DoneView:
        """Keep what is lost for another time of a hold."""

    async def disconnect(self, who: str, node: str, order: views.Order) -> views.DoneView:
        """Close the streams of a proxy."""


@dataclass(frozen=True, slots=True)
class Command:
    """An order: its path below the prefix, what it does, its body and its answer, and who carries it out.

    Parts of the path in braces are arguments.
    """

    path: str
    about: str
    body: type[views.Order]
    answer: type[views.View]
    give: Callable[[Orders, str, Mapping[str, str], Any], Awaitable[views.View]]


async def _drain(orders: Orders, who: str, _: Mapping[str, str], order: Any) -> views.View:
    return await orders.drain(who, order)


async def _undrain(orders: Orders, who: str, _: Mapping[str, str], order: Any) -> views.View:
    return await orders.undrain(who, order)


async def _release(orders: Orders, who: str, said: Mapping[str, str], order: Any) -> views.View:
    return await orders.release(who, said["source"], order)


async def _reject(orders: Orders, who: str, said: Mapping[str, str], order: Any) -> views.View:
    return await orders.reject(who, said["source"], order)


async def _disconnect(orders: Orders, who: str, said: Mapping[str, str], order: Any) -> views.View:
    return await orders.disconnect(who, said["node"], order)


COMMANDS = (
    Command("/drain", "Take endpoints out of service for a time.", views.DrainOrder, views.DrainList, _drain),
    Command("/undrain", "Take endpoints into service again.", views.UndrainOrder, views.DrainList, _undrain),
    Command("/holds/{source}/release", "Believe a loss now.", views.Order, views.DoneView, _release),
    Command(
        "/holds/{source}/reject",
        "Keep what is lost for another time of a hold.",
        views.Order,
        views.DoneView,
        _reject,
    ),
    Command(
        "/proxies/{node:path}/disconnect",
        "Close the streams of a proxy, which then connects again.",
        views.Order,
        views.DoneView,
        _disconnect,
    ),
)
