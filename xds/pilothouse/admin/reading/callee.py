"""What is called, as an operator writes or pastes it: a host, an address, NAMESPACE/NAME, or a URL. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.structures.written import brief

# A target of gRPC, such as `xds:///cart.shop:80`, has its host in the path.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#@]*@)?/?([^/?#]*)")
# Without a scheme: the host has a dot, a colon or a bracket, which no namespace has.
_PATH = re.compile(r"([^/?#]*[.:\]][^/?#]*)[/?#]")
#: A host of a URL, without the brackets of an IPv6 address.
_HOST = re.compile(r"[a-z0-9_*]([-a-z0-9_.]*[a-z0-9_.])?|[0-9a-f.]*(:[0-9a-f.]*){2,}")
_NO_PORT = re.compile(r":0+$")
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "grpcs": 443}


class Callee(NamedTuple):
    """A host in lower case, and a port; 0 if there is none. `read_as` says what was taken of a URL."""

    host: str
    port: int
    read_as: str | None = None

    @classmethod
    def read(cls, text: str) -> Callee:
        """`shop/cart` means `cart.shop`. Raises Mistaken."""
        if not text:
            offered = "a host name, a virtual IP or NAMESPACE/NAME, such as cart.shop:80"
            raise Mistaken(f"name: is required: {offered}")
        url = _URL.match(text)
        pasted = url[2] if url else found[1] if (found := _PATH.match(text)) else None
        if pasted is None:
            return cls(*_place(text))
        host, port = _place(pasted)
        if not _HOST.fullmatch(host) or _NO_PORT.search(pasted):
            raise Mistaken(f"name: {brief(text)} has no host, or a port that is none")
        port = port or (_PORTS.get(url[1].lower(), 0) if url else 0)
        return cls(host, port, f"host {brief(host)}" + (f", port {port}" if port else "") + ", of a URL")


def _place(text: str) -> tuple[str, int]:
    """A host and a port."""
    host, colon, number = text.rpartition(":")
    if not colon or not number.isascii() or not number.isdigit() or (":" in host and "[" not in host):
        host, number = text, "0"
    if len(number) > 5 or int(number) > 65535:
        raise Mistaken(f"name: the port must be from 1 to 65535, not {brief(number)}")
    namespace, slash, service = host.strip("[]").lower().partition("/")
    return (f"{service}.{namespace}" if slash else namespace), int(number)
