"""Asks the API of a running control plane. Every mistake is one line."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import typer

from pilothouse.admin.access.rules import is_loopback
from pilothouse.admin.settings import AdminAddress
from pilothouse.cli import contexts
from pilothouse.config.settings import ConfigError, load_section
from pilothouse.structures.hostport import HostPort, here
from pilothouse.structures.paths import content, exposed

_TIMEOUT_S = 10.0
_SILENCE_S = 40.0  # a stream of events says something every 15 s
_PAGE = 1000
_LONGEST_TOKEN = 1 << 16
_PREFIX = "/api/v1/"

# The parameters and fields of the API, as the commands call them.
_FLAGS = {
    "addresses": "IP",
    "endpoint": "--endpoint",
    "force": "--force",
    "lasts": "--for",
    "limit": "--limit",
    "locality": "--locality",
    "name": "NAME",
    "namespace": "--namespace",
    "proxy": "--from",
    "reason": "--reason",
    "resource": "NAME",
    "search": "--search",
    "service": "SERVICE",
    "since": "--since",
    "source": "--source",
    "type": "TYPE",
}
_QUOTED = re.compile(r"`([a-z]+)`")
_ENTRANCE = (
    "`serve --admin-tokens FILE` says which tokens count; to send one, use a context "
    "(pilothouse context set NAME --admin HOST:PORT --token-file FILE) or PILOTHOUSE_TOKEN_FILE"
)

T = TypeVar("T")

Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        "--context",
        metavar="HOST:PORT|NAME",
        help="The control plane to ask: its admin port, or the name of a context.",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked(HostPort):
    """A control plane, and how to get in there. Neither a message nor a dump shows the token."""

    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    token: str = field(default="", repr=False, compare=False)


class Unanswered(ConfigError):
    """The control plane gives no answer, or says that the question is wrong."""


class Unknown(Unanswered):
    """It says that there is no such thing."""


def place(admin: str | None) -> Asked:
    """The control plane to ask: the address or the context that the flag names; else, in this order, that of
    PILOTHOUSE_ADMIN, of PILOTHOUSE_ADMIN_CONTEXT, of `context use`, and the default of `serve`.
    """
    found = load_section(AdminAddress, {"admin": admin if admin and ":" in admin else None}, os.environ)
    if admin and ":" not in admin:
        return _in_context(contexts.read(contexts.file(os.environ)).get(admin, "--context"))
    if "admin" not in found.model_fields_set:
        known = contexts.read(contexts.file(os.environ))
        named = os.environ.get("PILOTHOUSE_ADMIN_CONTEXT", "")
        if named or known.current:
            place = "PILOTHOUSE_ADMIN_CONTEXT" if named else str(contexts.file(os.environ))
            return _in_context(known.get(named or known.current, place))
    if found.admin.port == 0:
        raise ConfigError("--admin", "port 0 is any free one; say which one it became")
    file = os.environ.get("PILOTHOUSE_TOKEN_FILE", "")
    tls = _own(found.admin_tls_cert) if found.admin_tls_cert else None
    return _entered(HostPort(here(found.admin.host), found.admin.port), tls, Path(file) if file else None)


def _in_context(context: contexts.Context) -> Asked:
    tls = None
    if context.secured:
        tls = _tls(context.tls_ca)
        if context.tls_cert:
            with _readable(context.tls_cert):
                tls.load_cert_chain(context.tls_cert, context.tls_key)
    return _entered(context.admin, tls, context.token_file)


def _entered(admin: HostPort, tls: ssl.SSLContext | None, file: Path | None) -> Asked:
    """With the token of a file, if there is one. It is not sent in plain text to another machine."""
    if file is None:
        return Asked(admin.host, admin.port, tls)
    if tls is None and not is_loopback(admin.host):
        raise ConfigError(str(file), f"the token would be sent in plain text to {admin}: set up TLS")
    with _readable(file):
        if exposure := exposed(file):
            raise ConfigError(str(file), exposure)
        token = content(file, _LONGEST_TOKEN).decode("ascii", "replace").strip()
    if not (token.isascii() and token.isprintable() and token):
        raise ConfigError(str(file), "holds no token")
    return Asked(admin.host, admin.port, tls, token)


def _own(certificate: Path) -> ssl.SSLContext:
    """For the control plane of the same settings: trust its very certificate, whatever names it has."""
    found = _tls(certificate)
    found.check_hostname = False
    found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return found


def _tls(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return ssl.create_default_context()
    with _readable(authorities):
        return ssl.create_default_context(cafile=authorities)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Raises ConfigError for a file that cannot be read, or is none of its kind."""
    try:
        yield
    except ssl.SSLError as error:
        raise ConfigError(
            str(file), f"cannot be used for TLS: {error.reason or 'it is no PEM file'}"
        ) from None
    except OSError as error:
        raise ConfigError(str(file), str(error.strerror)) from None


def path(*parts: str) -> str:
    """The path of a page. Names in it may have any characters."""
    return _PREFIX + "/".join(quote(part, safe="") for part in parts)


def one(asked: HostPort, page: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """The answer of a page, as it is."""
    return _answer(asked, page, query, None)


def told(asked: HostPort, page: str, sent: Any, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
    """The answer of a page that is sent something."""
    return _answer(asked, page, None, sent, timeout_s)


def _answer(
    asked: HostPort,
    page: str,
    query: Mapping[str, str | None] | None,
    sent: Any,
    timeout_s: float = _TIMEOUT_S,
) -> dict[str, Any]:
    said = {name: value for name, value in (query or {}).items() if value}
    status, body = _send(asked, f"{page}?{urlencode(said)}" if said else page, sent, timeout_s)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unanswered(str(asked), f"its answer is no JSON (HTTP {status}); is it the admin port?")
    if status != 200:
        raise _refused(asked, status, str(found.get("error", f"HTTP {status}")))
    return found


def _refused(asked: HostPort, status: int, error: str) -> Unanswered:
    """Why there is no answer, in the words of flags."""
    said = _QUOTED.sub(lambda name: f"`{_FLAGS.get(name[1], name[1])}`", error)
    parameter, _, wrong = said.partition(": ")
    if status == HTTPStatus.BAD_REQUEST and parameter in _FLAGS:
        return Unanswered(_FLAGS[parameter], wrong)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        said = f"{said}; {_ENTRANCE}"
    return (Unknown if status == HTTPStatus.NOT_FOUND else Unanswered)(str(asked), said)


def every(
    asked: HostPort,
    page: str,
    query: Mapping[str, str | None] | None = None,
    sent: Any = None,
    most: int | None = None,
) -> dict[str, Any]:
    """All items of a list, or the first ones, page after page. If there are more, the answer has a `next`.

    What else is in the answer is that of the first page.
    """
    found: dict[str, Any] = {}
    after, left = None, most
    while not found or (after and left != 0):
        limit = _PAGE if left is None else min(left, _PAGE)
        part = _answer(asked, page, {**(query or {}), "limit": str(limit), "after": after}, sent)
        after = part.pop("next", None)
        left = None if left is None else left - len(part["items"])
        if found:
            found["items"] += part["items"]
        else:
            found = part
    return {**found, "next": after} if after else found


def plain(asked: HostPort, page: str) -> str:
    """The text of a page that is no JSON, such as `/metrics`."""
    status, body = _send(asked, page, None)
    if status != 200:
        raise Unanswered(str(asked), f"HTTP {status} for {page}")
    return body.decode(errors="replace")


class Event(NamedTuple):
    """An event of the stream: its number, its kind, and its data."""

    number: str
    kind: str
    data: dict[str, Any]


def events(asked: HostPort, after: str) -> Iterator[Event]:
    """What happens from now on, or after an event, until the connection ends. Raises Unanswered then."""
    connection = _connection(asked, _SILENCE_S)
    try:
        seen = {"last-event-id": after} if after else {}
        connection.request("GET", path("events"), headers={**_headers(asked), **seen})
        response = connection.getresponse()
        if response.status != 200:
            raise Unanswered(str(asked), f"its answer is no stream of events (HTTP {response.status})")
        said: dict[str, str] = {}
        for line in response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                said[name] = value
            elif "data" in said:
                yield Event(said.get("id", ""), said.get("event", ""), json.loads(said["data"]))
                said = {}
    except TimeoutError:
        raise Unanswered(str(asked), f"it has been silent for {_SILENCE_S:.0f} s") from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unanswered(str(asked), why.lower()) from None
    finally:
        connection.close()
    raise Unanswered(str(asked), "the stream has ended")


def read(found: Mapping[str, Any], kind: type[T]) -> T:
    """An answer as a value of its type. Raises Unanswered if it is none."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as wrong:
        raise Unanswered("--admin", f"the answer is not understood: {wrong}") from None


def _send(asked: HostPort, page: str, sent: Any, timeout_s: float = _TIMEOUT_S) -> tuple[int, bytes]:
    connection = _connection(asked, timeout_s)
    try:
        if sent is None:
            connection.request("GET", page, headers=_headers(asked))
        else:
            headers = {**_headers(asked), "content-type": "application/json"}
            connection.request("POST", page, json.dumps(sent, default=str), headers)
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError:
        raise Unanswered(str(asked), f"no answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise Unanswered(str(asked), (error.strerror or str(error)).lower()) from None
    except HTTPException as error:
        raise Unanswered(str(asked), f"no answer in HTTP: {type(error).__name__}") from None
    finally:
        connection.close()


def _connection(asked: HostPort, timeout_s: float = _TIMEOUT_S) -> HTTPConnection:
    # Connect directly: a proxy that is set for all containers does not lead here.
    if isinstance(asked, Asked) and asked.tls is not None:
        return HTTPSConnection(asked.host, asked.port, timeout=timeout_s, context=asked.tls)
    return HTTPConnection(asked.host, asked.port, timeout=timeout_s)


def _headers(asked: HostPort) -> dict[str, str]:
    token = asked.token if isinstance(asked, Asked) else ""
    return {"authorization": f"Bearer {token}"} if token else {}
