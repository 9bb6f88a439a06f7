"""Asks the API of a running control plane. Every mistake is one line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import typer

from pilothouse.admin.settings import AdminAddress
from pilothouse.config.settings import ConfigError, load_section
from pilothouse.structures.hostport import HostPort, here

_TIMEOUT_S = 10.0
_PAGE = "1000"
_PREFIX = "/api/v1/"

T = TypeVar("T")

Admin = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The control plane to ask, as for `serve`."),
]


class Unanswered(ConfigError):
    """The control plane gives no answer, or says that the question is wrong."""


def place(admin: str | None) -> HostPort:
    """The address of the admin port, from the flag, the variable or the file, as for `serve`."""
    found = load_section(AdminAddress, {"admin": admin}, os.environ).admin
    if found.port == 0:
        raise ConfigError("--admin", "port 0 is any free one; say which one it became")
    return HostPort(here(found.host), found.port)


def path(*parts: str) -> str:
    """The path of a page. Names in it may have any characters."""
    return _PREFIX + "/".join(quote(part, safe="") for part in parts)


def one(asked: HostPort, page: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """The answer of a page, as it is."""
    said = {name: value for name, value in (query or {}).items() if value}
    status, body = _get(asked, f"{page}?{urlencode(said)}" if said else page)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unanswered(str(asked), f"its answer is no JSON (HTTP {status}); is it the admin port?")
    if status != 200:
        raise Unanswered(str(asked), str(found.get("error", f"HTTP {status}")))
    return found


def every(asked: HostPort, page: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """All items of a list, page after page."""
    found: list[Any] = []
    after: str | None = None
    while True:
        part = one(asked, page, {**(query or {}), "limit": _PAGE, "after": after})
        found += part["items"]
        after = part.get("next")
        if not after:
            return {"items": found}


def read(found: Mapping[str, Any], kind: type[T]) -> T:
    """An answer as a value of its type. Raises Unanswered if it is none."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as wrong:
        raise Unanswered("--admin", f"the answer is not understood: {wrong}") from None


def _get(asked: HostPort, page: str) -> tuple[int, bytes]:
    # Connect directly: a proxy that is set for all containers does not lead here.
    connection = HTTPConnection(asked.host, asked.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError:
        raise Unanswered(str(asked), f"no answer within {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise Unanswered(str(asked), (error.strerror or str(error)).lower()) from None
    except HTTPException as error:
        raise Unanswered(str(asked), f"no answer in HTTP: {type(error).__name__}") from None
    finally:
        connection.close()
