"""One question to one server elsewhere, over UDP and, if the answer is too large for that, over TCP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Sequence

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.SOA import SOA

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.messages import LARGEST_UDP
from pilothouse.dns.records import Authority, Data, Labels, Name, Other, Rcode, Record, Type
from pilothouse.structures.hostport import HostPort


class Failed(Exception):
    """A server has not answered, or with something that is no answer."""


class Declined(Exception):
    """A server works, but has no answer to this question. `rcode` says why, such as SERVFAIL or REFUSED."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        super().__init__(dns.rcode.to_text(rcode))
        self.rcode = rcode

    @property
    def may_be_for_edns(self) -> bool:
        """Whether this is what a server says that does not know of EDNS (RFC 6891, 7)."""
        return self.rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP)


async def ask(server: HostPort, question: Question, timeout_s: float, *, edns: bool = True) -> Answer:
    """The answer of a server that looks names up for others. Raises Failed and Declined."""
    query = dns.message.make_query(
        dns.name.Name([*(each.encode("latin-1") for each in question.name), b""]),
        dns.rdatatype.RdataType.make(question.type),
        use_edns=0 if edns else False,
        payload=LARGEST_UDP if edns else None,
        id=secrets.randbelow(1 << 16),
    )
    try:
        async with asyncio.timeout(timeout_s):
            found = await _over_udp(server, query)
            if found.flags & dns.flags.TC:
                found = await _over_tcp(server, query)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, dns.exception.DNSException) as error:
        raise Failed(f"{server}: {str(error) or 'no answer in time'}") from None
    return _answer(found, question)


class _Receiving(asyncio.DatagramProtocol):
    """Waits for the answer to a question. What does not answer it is ignored: anybody may have sent it."""

    def __init__(self, query: dns.message.Message) -> None:
        self._query = query
        self.answer: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        found = _parsed(data)
        if found is not None and self._query.is_response(found) and not self.answer.done():
            self.answer.set_result(found)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: HostPort, query: dns.message.Message) -> dns.message.Message:
    # A socket for each question: a forger has to guess its port, too, which the kernel draws.
    loop = asyncio.get_running_loop()
    transport, receiving = await loop.create_datagram_endpoint(
        lambda: _Receiving(query), remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(query.to_wire())
        return await receiving.answer
    finally:
        transport.close()


async def _over_tcp(server: HostPort, query: dns.message.Message) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        length = int.from_bytes(await reader.readexactly(2))
        found = _parsed(await reader.readexactly(length))
        if found is None or not query.is_response(found):
            raise OSError("no answer to what was asked")
        return found
    finally:
        writer.transport.abort()


def _parsed(wire: bytes) -> dns.message.Message | None:
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError):
        return None


def _answer(message: dns.message.Message, question: Question) -> Answer:
    """What answers the question. What else there is, nobody has asked for: it is not believed.

    Raises Declined for what is no answer, and Failed for one to what nobody has asked. The next server may
    know more.
    """
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Declined(rcode)
    names, records = _chain(question.name, tuple(_records(message.answer)))
    if message.answer and not records:
        raise Failed("it answers something else")
    authority = tuple(
        each
        for each in _records(message.authority)
        if isinstance(each.data, Authority) and any(_is_of(name, each.owner) for name in names)
    )
    return Answer(Rcode(rcode), records, authority, authoritative=False)


def _chain(start: Labels, found: Sequence[Record]) -> tuple[Sequence[Labels], tuple[Record, ...]]:
    """The names to which aliases lead from a name, and the records of these.

    An alias stands before what it leads to, because resolvers such as glibc's read an answer once.
    """
    aliases = {each.owner: each.data.target for each in found if isinstance(each.data, Name)}
    names, name = [start], start
    while (name := aliases.get(name, start)) not in names:
        names.append(name)
    place = {name: number for number, name in enumerate(names)}
    records = sorted((each for each in found if each.owner in place), key=lambda each: place[each.owner])
    return names, tuple(records)


def _is_of(name: Labels, zone: Labels) -> bool:
    return not zone or name[-len(zone) :] == zone


def _records(found: Iterable[dns.rrset.RRset]) -> Iterator[Record]:
    for rrset in found:
        owner = _labels(rrset.name)
        for rdata in rrset:
            yield Record(owner, rrset.ttl, _data(rdata))


def _data(rdata: dns.rdata.Rdata) -> Data:
    if isinstance(rdata, SOA):
        return Authority(_labels(rdata.mname), _labels(rdata.rname), rdata.serial, rdata.minimum)
    if isinstance(rdata, CNAME):
        return Name(Type.CNAME, _labels(rdata.target))
    return Other(rdata.rdtype, rdata.to_wire() or b"")


def _labels(name: dns.name.Name) -> Labels:
    return tuple(label.lower().decode("latin-1") for label in name.labels if label)
