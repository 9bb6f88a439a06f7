"""The commands that give orders: drain, release, reject, disconnect. They need a token or a certificate.

They ask nothing back, so that they can be used in scripts: the control plane itself refuses what would leave
a service without an endpoint.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pilothouse.admin.api.views import DoneView, DrainList, DrainView, HoldList
from pilothouse.cli.asking import Admin, every, path, place, read, told
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import age, short, table
from pilothouse.config.settings import ConfigError

_ABOUT = "IP or IP:PORT of endpoints; one NAMESPACE/NAME before them means only that Service."
Addresses = Annotated[list[str], typer.Argument(metavar="[SERVICE] IP...", help=_ABOUT)]
Lasts = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: at most 7d.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders later.")]
Force = Annotated[
    bool, typer.Option("--force", help="Also the last endpoint of a Service, or an address without any.")
]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="The source whose loss is held.")]
Node = Annotated[str, typer.Argument(metavar="NODE", help="The node id of the proxy.")]


def drain(
    addresses: Addresses,
    *,
    lasts: Lasts = "1h",
    reason: Reason = "",
    force: Force = False,
    admin: Admin = None,
) -> None:
    """Take endpoints out of service for a while. They get no new requests; those under way finish."""
    body = {**_about(addresses), "lasts": lasts, "reason": reason, "force": force}
    found = told(place(admin), path("drain"), body)
    for each in read(found, DrainList).items:
        answer(one_line(f"{_target(each)} is drained until {each.until}, in {_services(each)}"))


def undrain(addresses: Addresses, *, reason: Reason = "", admin: Admin = None) -> None:
    """Take endpoints into service again. `drains` lists those that are drained.

    An IP ends all drains of that address, at any port and in any Service; IP:PORT and SERVICE narrow that.
    """
    found = told(place(admin), path("undrain"), {**_about(addresses), "reason": reason})
    for each in read(found, DrainList).items:
        answer(one_line(f"{_target(each)} is no longer drained, in {_services(each)}"))


def drains(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show the endpoints that operators have taken out of service, who did it, until when and why."""
    found = every(place(admin), path("drains"))
    if given(found, output):
        return
    rows = [
        (
            _target(each),
            each.service or "all",
            each.who,
            short(each.until, output.is_wide),
            ", ".join(each.found) or "-",
            each.reason or "-",
            each.since,
        )
        for each in read(found, DrainList).items
    ]
    head = ("ADDRESS", "OF", "BY", "UNTIL", "FOUND IN", "WHY", "SINCE")
    none = "no endpoint is drained"
    answer(table(head, rows, wide=output.is_wide, more=1, none=none, below=True))


def holds(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show losses that are not believed yet: `release` believes one now, `reject` keeps it longer."""
    found = every(place(admin), path("holds"))
    if given(found, output):
        return
    rows = [
        (
            each.source,
            str(each.lost_services),
            str(each.lost_endpoints),
            age(each.since),
            short(each.until, output.is_wide),
            ", ".join(each.services),
        )
        for each in read(found, HoldList).items
    ]
    head = ("SOURCE", "SERVICES", "ENDPOINTS", "FOR", "UNTIL", "WHICH")
    answer(table(head, rows, wide=output.is_wide, none="no loss is held"))


def release(source: Source, *, reason: Reason = "", admin: Admin = None) -> None:
    """Believe the loss that is held of a source: what is gone goes from all proxies now."""
    _do(admin, path("holds", source, "release"), reason)


def reject(source: Source, *, reason: Reason = "", admin: Admin = None) -> None:
    """Keep what is held of a source for another time of a hold, or until it is back."""
    _do(admin, path("holds", source, "reject"), reason)


def disconnect(node: Node, *, reason: Reason = "", admin: Admin = None) -> None:
    """Close the streams of a proxy. It keeps what it has, and connects again."""
    _do(admin, path("proxies", node, "disconnect"), reason)


def _do(admin: str | None, page: str, reason: str) -> None:
    done = read(told(place(admin), page, {"reason": reason}), DoneView)
    answer(one_line(done.done))
    if done.beware:
        answer(one_line(f"beware: {done.beware}"))


def _about(said: list[str]) -> dict[str, Any]:
    """The service and the addresses of an order."""
    services = [each for each in said if "/" in each]
    addresses = [each for each in said if "/" not in each]
    if addresses and not addresses[0][:1].isdigit() and ":" not in addresses[0]:
        name = addresses[0]
        raise ConfigError("SERVICE", f"write NAMESPACE/NAME, such as shop/{name}, not {name!r}")
    if len(services) > 1 or not addresses:
        raise ConfigError("addresses", "must be one or more IP addresses, after one NAMESPACE/NAME or none")
    return {"addresses": addresses, **({"service": services[0]} if services else {})}


def _target(drain: DrainView) -> str:
    port = f":{drain.port}" if drain.port else ""
    address = f"[{drain.address}]" if port and ":" in drain.address else drain.address
    return f"{address}{port}"


def _services(drain: DrainView) -> str:
    return ", ".join(drain.found) or drain.service or "no service yet"
