"""Decides about each request: who sends it, or why it is refused. Pure.

On a loopback address everybody on the machine may read. On another one, only who proves a name may; without
credentials in the settings, only this machine. An order needs a name everywhere, which the route checks.

Browsers send requests that their user does not know of. A page of another site can reach a loopback address
by a name of its own (DNS rebinding), so whoever proves no name has to call this machine by a name of this
machine. It can also send a form (CSRF), to which the browser adds a certificate or a password by itself, so
what is no mere read must come from a page of our own, or from no page.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.admin.access.callers import NOBODY, Caller
from pilothouse.admin.access.tokens import Tokens
from pilothouse.structures.written import quoted

#: Pages that everybody may read, for probes and Prometheus. They have no secrets, and cost little.
OPEN = frozenset({"/", "/healthz", "/readyz", "/metrics"})
_HOST = re.compile(r"(?:([A-Za-z0-9._-]+)|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")
_READS = frozenset({"GET", "HEAD"})
#: A proxy on this machine says by these that it speaks for somebody else.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via")
_CREDENTIALS = "--admin-tokens, or --admin-client-ca"


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts for all requests: the address that is listened on, and what proves a name.

    `certificates`: whoever has a certificate of the CA proves a name by it.
    """

    host: str
    tokens: Tokens | None = None
    certificates: bool = False

    @property
    def has_credentials(self) -> bool:
        return self.tokens is not None or self.certificates


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. Header names are in lower case. `certificate` is what ssl's `getpeercert` says of a
    certificate that it has verified.
    """

    method: str
    path: str
    peer: str
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scheme: str = "http"
    certificate: Mapping[str, object] | None = None

    def header(self, name: str) -> str:
        """The only value of a header; empty if there is none, or several."""
        found = self.headers.get(name, ())
        return found[0] if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status and the reason of an answer that is none. `challenge`: credentials would help."""

    status: int
    why: str

    @property
    def challenge(self) -> bool:
        return self.status == 401


def judged(terms: Terms, asked: Asked) -> Caller | Refusal:
    """Who asks; or why nobody may ask so."""
    if asked.path in OPEN and asked.method in _READS:
        return NOBODY
    if asked.method not in _READS and (foreign := _foreign(asked)):
        return Refusal(403, foreign)
    if "authorization" in asked.headers:
        return _by_token(terms, asked.header("authorization"))
    if terms.certificates and asked.certificate:
        name = _named(asked.certificate)
        return Caller(name, may_write=True) if name else Refusal(401, "the client certificate has no name")
    return _by_place(terms, asked)


def _by_token(terms: Terms, authorization: str) -> Caller | Refusal:
    scheme, _, said = authorization.partition(" ")
    token, name = said.strip(), ""
    if scheme.lower() == "basic":  # browsers ask their user for it
        name, token = _password(token)
    elif scheme.lower() != "bearer":
        return Refusal(401, "Authorization must be `Bearer TOKEN`")
    caller = terms.tokens.caller(token) if terms.tokens else None
    if caller is None or name not in ("", caller.name):
        return Refusal(401, "the token is not known here")
    return caller


def _password(encoded: str) -> tuple[str, str]:
    """The name and the password; two empty texts if it cannot be read."""
    try:
        name, _, password = b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _by_place(terms: Terms, asked: Asked) -> Caller | Refusal:
    """Whoever proves no name may come from this machine, if the settings ask for no more."""
    if not is_loopback(terms.host) and terms.has_credentials:
        return Refusal(401, "needs a token (Authorization: Bearer TOKEN) or a client certificate")
    if not is_loopback(asked.peer) or any(name in asked.headers for name in _FORWARDED):
        return Refusal(
            403,
            f"only requests of this machine are answered, unless `serve` is given {_CREDENTIALS}; from afar, "
            f"forward a port to it (kubectl port-forward, ssh -L)",
        )
    host = _host(asked)
    if not (is_loopback(host) or host == terms.host.lower()):
        said = quoted(asked.header("host"))
        return Refusal(403, f"the request is for the host {said}, which is not a name of this machine")
    return Caller(could_prove=terms.has_credentials)


def _foreign(asked: Asked) -> str:
    """Why a request that can change something may be a page's of another site. Empty if it is not."""
    site = asked.header("sec-fetch-site")
    if "sec-fetch-site" in asked.headers and site not in ("same-origin", "none"):
        return "a page of another site may not send this (Sec-Fetch-Site)"
    if "origin" in asked.headers and asked.header("origin") != f"{asked.scheme}://{asked.header('host')}":
        return "a page of another site may not send this (Origin)"
    return ""


def _host(asked: Asked) -> str:
    """The host that the client means, without the port. Empty if it cannot be read."""
    found = _HOST.fullmatch(asked.header("host"))
    return (found[1] or found[2]).lower() if found else ""


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is this machine's own, for it alone."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _named(certificate: Mapping[str, object]) -> str:
    """The first URI of a certificate, such as a SPIFFE id, else its common name; empty without both."""
    names = certificate.get("subjectAltName")
    for kind, name in names if isinstance(names, tuple) else ():
        if kind == "URI":
            return str(name)
    subject = certificate.get("subject")
    for part in subject if isinstance(subject, tuple) else ():
        for kind, name in part:
            if kind == "commonName":
                return str(name)
    return ""
