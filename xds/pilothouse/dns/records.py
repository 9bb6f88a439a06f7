"""Names, types and records of DNS (RFC 1035) as plain values."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

#: A domain name: its labels in lower case, the most specific first, without the root's. Bytes are kept as
#: the characters of Latin 1, so that any label can be written again.
Labels: TypeAlias = tuple[str, ...]


class Type(IntEnum):
    """The types of records that somebody here knows. Others are numbers."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    IXFR = 251
    AXFR = 252
    ANY = 255


class Rcode(IntEnum):
    """What became of a question (RFC 1035, 4.1.1; BADVERS of RFC 6891)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Address(NamedTuple):
    """The data of an A or AAAA record: four or sixteen bytes."""

    packed: bytes

    @property
    def type(self) -> Type:
        return Type.A if len(self.packed) == 4 else Type.AAAA


class Srv(NamedTuple):
    """The data of an SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: Labels

    @property
    def type(self) -> Type:
        return Type.SRV


class Name(NamedTuple):
    """The data of a record that is one name: CNAME, NS or PTR."""

    type: Type
    target: Labels


class Text(NamedTuple):
    """The data of a TXT record of one text, of at most 255 bytes."""

    text: bytes

    @property
    def type(self) -> Type:
        return Type.TXT


class Authority(NamedTuple):
    """The data of an SOA record. `minimum` is how long, in seconds, a negative answer lasts (RFC 2308)."""

    server: Labels
    mailbox: Labels
    serial: int
    minimum: int

    @property
    def type(self) -> Type:
        return Type.SOA


class Other(NamedTuple):
    """The data of a record that came from elsewhere, as bytes without pointers."""

    type: int
    wire: bytes


Data: TypeAlias = Address | Srv | Name | Text | Authority | Other


class Record(NamedTuple):
    """A record of class IN. `ttl` is in seconds."""

    owner: Labels
    ttl: int
    data: Data


def labels(text: str) -> Labels:
    """The labels of a name in presentation form without escapes, with or without the last dot."""
    return tuple(text.lower().rstrip(".").split(".")) if text.strip(".") else ()
