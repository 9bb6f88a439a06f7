"""The command that shows how a proxy differs from what it should have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from pilothouse.admin.api.views import DiffView, ResourceList
from pilothouse.cli.asking import Admin, every, path, place, read
from pilothouse.cli.envoy_dump import TYPES, Differing, Dump, differing
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import table
from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort

_TIMEOUT_S = 10.0

Node = Annotated[str, typer.Argument(metavar="PROXY", help="The node id of a proxy.")]
EnvoyAt = Annotated[
    str | None,
    typer.Option(
        "--envoy",
        metavar="URL",
        help="Compare with what the Envoy runs whose admin interface this is, such as http://127.0.0.1:9901.",
    ),
]


def diff(proxy: Node, *, envoy: EnvoyAt = None, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show how what a proxy was sent differs from what it should have; with --envoy, from what it runs.

    Exits 1 if anything differs, or if the proxy has not accepted everything.
    """
    asked = place(admin)
    if not (_from_envoy(asked, proxy, envoy, output) if envoy else _from_wanted(asked, proxy, output)):
        raise typer.Exit(1)


def _from_wanted(asked: HostPort, proxy: str, output: Format) -> bool:
    found = every(asked, path("proxies", proxy, "diff"))
    if not given(found, output):
        answer("\n".join(_wanted_lines(read(found, DiffView), output.is_wide)))
    return read(found, DiffView).in_sync


def _wanted_lines(found: DiffView, wide: bool) -> Iterator[str]:
    states = ", ".join(f"{each.type} {each.state}" for each in found.types)
    verdict = "has" if found.in_sync else "does not have" if found.items else "was sent"
    yield one_line(f"{found.node} {verdict} what it should have: {states or 'it asks for nothing'}")
    if found.items:
        head = ("STATE", "TYPE", "NAME", "WANTED", "HELD", "SERVICE")
        cells = (
            (e.state, e.type, e.name, e.wanted or "-", e.held or "-", ", ".join(e.services) or "-")
            for e in found.items
        )
        yield table(head, cells, wide=wide, more=1)


def _from_envoy(asked: HostPort, proxy: str, url: str, output: Format) -> bool:
    dump = Dump(_dumped(url))
    if dump.node and dump.node != proxy:
        raise ConfigError("--envoy", f"that Envoy is {dump.node}, not {proxy}")
    held = read(every(asked, path("proxies", proxy, "resources"), {"content": "yes"}), ResourceList).items
    rows: list[Differing] = []
    for type in TYPES:
        sent = {each.name: each.content for each in held if each.type == type}
        rows += differing(type, sent, dump.resources(type))
    refused = list(dump.refused())
    found = {
        "node": proxy,
        "in_sync": not rows and not refused,
        "items": [each._asdict() for each in rows],
        "rejected": [{"type": type, "name": name, "text": text} for type, name, text in refused],
    }
    if not given(found, output):
        answer("\n".join(_envoy_lines(proxy, rows, refused, output.is_wide)))
    return not rows and not refused


def _envoy_lines(
    proxy: str, rows: list[Differing], refused: list[tuple[str, str, str]], wide: bool
) -> Iterator[str]:
    if not rows:
        yield one_line(f"{proxy} runs what it was sent")
    else:
        yield one_line(f"{proxy} does not run what it was sent:")
        yield table(
            ("TYPE", "NAME", "HOW", "FIRST FIELD"), ((*e[:3], e.path or "-") for e in rows), wide=wide
        )
    for type, name, text in refused:
        yield one_line(f"rejected: {type} {name}: {text}")


def _dumped(url: str) -> dict[str, Any]:
    """The dump of an Envoy. It has secrets in it as `[redacted]` only."""
    try:
        said = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        host, port = said.hostname if said.scheme == "http" else None, said.port or 80
    except ValueError:
        host, port = None, 80
    if not host:
        raise ConfigError("--envoy", f"must be a URL such as http://127.0.0.1:9901, not '{url}'")
    try:
        connection = HTTPConnection(host, port, timeout=_TIMEOUT_S)
        connection.request("GET", "/config_dump?include_eds")
        found = json.loads(connection.getresponse().read())
        connection.close()
    except ValueError:  # what is no JSON
        raise ConfigError("--envoy", f"{url}: its answer is no dump of an Envoy") from None
    except TimeoutError:
        raise ConfigError("--envoy", f"{url}: no answer within {_TIMEOUT_S:.0f} s") from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError("--envoy", f"{url}: {why.lower()}") from None
    if not isinstance(found, dict) or not isinstance(found.get("configs"), list):
        raise ConfigError("--envoy", f"{url}: its answer is no dump of an Envoy")
    return found
