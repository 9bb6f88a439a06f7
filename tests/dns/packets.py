"""Messages that no good client sends, and what comes back for each: the table of the reference."""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.name
import dns.rdatatype

NAME = "payments.shop.svc.cluster.local."
NOTHING = "nothing"


class Packet(NamedTuple):
    """A message, and what is answered: `NOTHING`, or a code."""

    what: str
    wire: bytes
    answer: str


def _header(flags: int = 0x0100, questions: int = 1, additional: int = 0) -> bytes:
    return struct.pack("!HHHHHH", 7, flags, questions, 0, 0, additional)


_QNAME = b"".join(bytes((len(each),)) + each for each in dns.name.from_text(NAME).labels)
_ASKED = _QNAME + b"\0\1\0\1"
_OPT = b"\0\0\x29\x04\xd0" + b"\0" * 6


def _opt(size: int, version: int = 0) -> bytes:
    return b"\0\0\x29" + struct.pack("!HBBHH", size, 0, version, 0, 0)


def _named(*labels: bytes, type: int = 1) -> bytes:
    name = b"".join(bytes((len(each),)) + each for each in labels) + b"\0"
    return _header() + name + struct.pack("!HH", type, 1)


def _asked(type: str, of_class: int = 1) -> bytes:
    number = dns.rdatatype.from_text(type)
    return _header() + _QNAME + struct.pack("!HH", number, of_class)


_DOMAIN = (b"svc", b"cluster", b"local")

PACKETS = (
    Packet("no bytes at all", b"", NOTHING),
    Packet("a header that is cut short", _header()[:11], NOTHING),
    Packet("an answer that nobody asked for (QR)", _header(0x8180) + _ASKED, NOTHING),
    Packet("no question", _header(questions=0), "FORMERR"),
    Packet("two questions", _header(questions=2) + _ASKED * 2, "FORMERR"),
    Packet("65,535 questions are announced", _header(questions=65_535) + _ASKED, "FORMERR"),
    Packet("65,535 additional records are announced", _header(additional=65_535) + _ASKED, "FORMERR"),
    Packet("a question that is cut short", _header() + _ASKED[:-3], "FORMERR"),
    Packet("a name that points to itself", _header() + b"\xc0\x0c\0\1\0\1", "FORMERR"),
    Packet("a label of 64 bytes", _named(b"x" * 64), "FORMERR"),
    Packet("a name of 256 bytes", _named(*[b"x" * 62] * 4, b"yy"), "FORMERR"),
    Packet(
        "the longest name, 255 bytes",
        _named(*[b"x" * 62] * 3, b"y" * 45, *_DOMAIN[:1], *_DOMAIN[1:]),
        "NXDOMAIN",
    ),
    Packet("a label of bytes that are no text", _named(b"\0\xff.\n", b"shop", *_DOMAIN), "NXDOMAIN"),
    Packet("bytes behind the question", _header() + _ASKED + b"\xff" * 400, "NOERROR"),
    Packet("two OPT records", _header(additional=2) + _ASKED + _OPT * 2, "FORMERR"),
    Packet(
        "an OPT record that is longer than the message",
        _header(additional=1) + _ASKED + _OPT[:-1] + b"\xff",
        "FORMERR",
    ),
    Packet("EDNS with a size of 0", _header(additional=1) + _ASKED + _opt(0), "NOERROR"),
    Packet("EDNS with a size of 65,535", _header(additional=1) + _ASKED + _opt(65_535), "NOERROR"),
    Packet("EDNS version 1", _header(additional=1) + _ASKED + _opt(1232, 1), "BADVERS"),
    Packet("class CH", _asked("TXT", 3), "REFUSED"),
    Packet("AXFR", _asked("AXFR"), "REFUSED"),
    Packet("IXFR", _asked("IXFR"), "REFUSED"),
    Packet("ANY", _asked("ANY"), "NOERROR"),
    Packet("NOTIFY", _header(4 << 11) + _ASKED, "NOTIMP"),
    Packet("UPDATE", _header(5 << 11) + _ASKED, "NOTIMP"),
)
