"""Asks the API of a running control plane. Every mistake is one line."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from pathlib import Path
from socket import SHUT_RDWR
from threading import Thread
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
# A control plane may be hostile, or none: more than this is not believed, in bytes and in pages.
_LARGEST_ANSWER, _LONGEST_LINE = 1 << 26, 1 << 24
_MOST_PAGES = 10_000
_FIELDS = ("id", "event", "data")
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
    "state": "--state",
    "type": "TYPE",
}
_QUOTED = re.compile(r"`([a-z]+)`")
_ENTRANCE = (
    "`serve --admin-tokens FILE` says which tokens count; to send one, use a context "
    "(pilothouse context set NAME --admin HOST:PORT --token-file FILE) or PILOTHOUSE_TOKEN_FILE"
)

_SPEAKS_TLS = "if this port speaks TLS, its CA is needed: pilothouse context set --tls-ca FILE"

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
    return _PREFIX + "/".join(quote(part, safe="", errors="replace") for part in parts)


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
    status, body = _send(
        asked, f"{page}?{urlencode(said, errors='replace')}" if said else page, sent, timeout_s
    )
    found = _object(body)
    if found is None:
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
    return Unanswered(str(asked), said)


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
    seen: set[str] = set()
    while not found or (after and left != 0):
        limit = _PAGE if left is None else min(left, _PAGE)
        part = _part(asked, page, {**(query or {}), "limit": str(limit), "after": after}, sent)
        after = part.pop("next", None)
        if after is not None and (not isinstance(after, str) or after in seen or len(seen) == _MOST_PAGES):
            raise Unanswered(str(asked), "its list has no end")
        seen.add(after or "")
        left = None if left is None else left - len(part["items"])
        if found:
            found["items"] += part["items"]
        else:
            found = part
    return {**found, "next": after} if after else found


def _part(asked: HostPort, page: str, query: Mapping[str, str | None], sent: Any) -> dict[str, Any]:
    found = _answer(asked, page, query, sent)
    if not isinstance(found.get("items"), list):
        raise Unanswered(str(asked), "the answer is not understood: it has no items")
    return found


def _object(text: bytes | str) -> dict[str, Any] | None:
    """The object that a text is in JSON. None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
        headers = {**_headers(asked), **seen}
        with _within(_SILENCE_S, lambda: _response(connection, path("events"), headers)) as response:
            if response.status != 200:
                found = _object(_within(_TIMEOUT_S, partial(response.read, _LARGEST_ANSWER))) or {}
                why = str(found.get("error", f"its answer is no stream of events (HTTP {response.status})"))
                raise _refused(asked, response.status, why)
            said: dict[str, str] = {}
            for line in iter(partial(response.readline, _LONGEST_LINE), b""):
                if len(line) == _LONGEST_LINE:
                    raise Unanswered(str(asked), "an event is too long")
                name, _, value = line.decode(errors="replace").rstrip("\n").partition(": ")
                if name in _FIELDS:
                    said[name] = value
                elif not name and "data" in said:
                    yield _event(asked, said)
                    said = {}
    except TimeoutError:
        raise Unanswered(str(asked), f"it has been silent for {_SILENCE_S:.0f} s") from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unanswered(str(asked), why.lower()) from None
    finally:
        connection.close()
    raise Unanswered(str(asked), "the stream has ended")


def _event(asked: HostPort, said: Mapping[str, str]) -> Event:
    number, data = said.get("id", ""), _object(said["data"])
    if data is None or not ((number.isascii() and number.isdigit()) or not number):
        raise Unanswered(str(asked), "an event is not understood")
    return Event(number, said.get("event", ""), data)


def read(found: Mapping[str, Any], kind: type[T]) -> T:
    """An answer as a value of its type. Raises Unanswered if it is none."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as wrong:
        raise Unanswered("--admin", f"the answer is not understood: {wrong}") from None


def _send(asked: HostPort, page: str, sent: Any, timeout_s: float = _TIMEOUT_S) -> tuple[int, bytes]:
    connection = _connection(asked, timeout_s)
    try:
        return _within(timeout_s, lambda: _exchange(connection, page, _headers(asked), sent))
    except TimeoutError:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(SHUT_RDWR)
        raise Unanswered(str(asked), f"no answer within {timeout_s:.0f} s") from None
    except RemoteDisconnected:
        tls = "" if isinstance(connection, HTTPSConnection) else f"; {_SPEAKS_TLS}"
        raise Unanswered(str(asked), f"it has ended the connection without an answer{tls}") from None
    except OSError as error:
        raise Unanswered(str(asked), (error.strerror or str(error)).lower()) from None
    except HTTPException as error:
        raise Unanswered(str(asked), f"no answer in HTTP: {type(error).__name__}") from None
    except UnicodeError:
        raise Unanswered(str(asked), "this can be no name of a host") from None


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What is asked for, if it comes in time. Raises TimeoutError.

    The timeout of a socket is for each of its bytes; this one is for all of them.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(ask())
        except (OSError, HTTPException, ValueError) as error:
            found.set_exception(error)

    Thread(target=run, daemon=True).start()
    return found.result(seconds)


def _exchange(
    connection: HTTPConnection, page: str, headers: Mapping[str, str], sent: Any
) -> tuple[int, bytes]:
    try:
        with _response(connection, page, headers, sent) as response:
            body = response.read(_LARGEST_ANSWER)
            if response.length or len(body) == _LARGEST_ANSWER:
                raise IncompleteRead(body[:0])
            return response.status, body
    finally:
        connection.close()


def _response(
    connection: HTTPConnection, page: str, headers: Mapping[str, str], sent: Any = None
) -> HTTPResponse:
    if sent is None:
        connection.request("GET", page, headers=headers)
    else:
        said = {**headers, "content-type": "application/json"}
        connection.request("POST", page, json.dumps(sent, default=str), said)
    return connection.getresponse()


def _connection(asked: HostPort, timeout_s: float = _TIMEOUT_S) -> HTTPConnection:
    # Connect directly: a proxy that is set for all containers does not lead here.
    if isinstance(asked, Asked) and asked.tls is not None:
        return HTTPSConnection(asked.host, asked.port, timeout=timeout_s, context=asked.tls)
    return HTTPConnection(asked.host, asked.port, timeout=timeout_s)


def _headers(asked: HostPort) -> dict[str, str]:
    token = asked.token if isinstance(asked, Asked) else ""
    return {"authorization": f"Bearer {token}"} if token else {}
