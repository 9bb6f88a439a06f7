"""The command that asks a running control plane whether it is ready: for health checks of containers."""

from __future__ import annotations

import json
import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated

import typer

from pilothouse.admin.settings import AdminAddress
from pilothouse.cli.output import answer, one_line
from pilothouse.config.settings import ConfigError, load_section
from pilothouse.structures.hostport import HostPort, here

# Health checks of containers have a timeout of a few seconds themselves.
_TIMEOUT_S = 2.0
_LONGEST_REASON, _LONGEST_BODY = 300, 1 << 20

Admin = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The same as for `serve`.")]
Workers = Annotated[str | None, typer.Option(metavar="COUNT", help="The same as for `serve`.")]
Certificate = Annotated[
    str | None,
    typer.Option("--admin-tls-cert", metavar="FILE", help="The same as for `serve`: the port speaks TLS."),
]
Config = Annotated[str | None, typer.Option(metavar="FILE", help="The same as for `serve`.")]


def health(
    context: typer.Context,
    *,
    admin: Admin = None,
    workers: Workers = None,
    admin_tls_cert: Certificate = None,
    config: Config = None,
) -> None:
    """Ask each worker of a running control plane whether it is ready; exit 1 if one is not.

    Without flags, it uses the same PILOTHOUSE_* variables as `serve`.
    """
    # The parameters above are there for typer. This collects them by the names of the settings.
    settings = load_section(AdminAddress, context.params, os.environ)
    if settings.admin.port == 0:
        raise ConfigError("--admin", "port 0 is any free one; say which one it became")
    first = HostPort(here(settings.admin.host), settings.admin.port)
    places = [first.plus(index) for index in range(settings.workers)]
    with ThreadPoolExecutor(len(places)) as threads:
        complaints = list(threads.map(partial(_complaint, tls=settings.admin_tls_cert is not None), places))
    for place, complaint in zip(places, complaints, strict=True):
        if complaint:
            answer(one_line(f"{place} is not ready: {complaint}"))
    if any(complaints):
        raise typer.Exit(1)


def _complaint(place: HostPort, tls: bool) -> str:
    """Why a worker is not ready. Empty if it is."""
    # Connect directly: a proxy that is set for all containers does not lead here.
    connection = _secured(place) if tls else HTTPConnection(place.host, place.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return "" if response.status == 200 else _reasons(response.read(_LONGEST_BODY))
    except TimeoutError:
        return f"no answer within {_TIMEOUT_S:.0f} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except HTTPException as error:
        return f"no answer in HTTP: {type(error).__name__}"
    finally:
        connection.close()


def _secured(place: HostPort) -> HTTPSConnection:
    """As kubelets do, it checks no certificate: it tells no secret, and another check warns of expiry."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(place.host, place.port, timeout=_TIMEOUT_S, context=context)


def _reasons(body: bytes) -> str:
    """The worker's own reasons, in one line."""
    try:
        said = "; ".join(map(str, json.loads(body)["reasons"]))
    except (ValueError, KeyError, TypeError):
        said = body.decode("ascii", "replace")
    return " ".join(said.split())[:_LONGEST_REASON]
