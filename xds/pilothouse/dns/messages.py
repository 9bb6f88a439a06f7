"""Messages of DNS as bytes (RFC 1035, 4; EDNS(0): RFC 6891).

Only what is asked again and again is read and written here: questions, and answers about what is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as TooShort
from typing import NamedTuple

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.records import (
    Address,
    Authority,
    Data,
    Labels,
    Name,
    Other,
    Rcode,
    Record,
    Srv,
    Text,
    Type,
)

_HEADER = Struct("!HHHHHH")
_WITHOUT_ID = Struct("!HHHHH")
_ASKED = Struct("!HH")
_RECORD = Struct("!HHIH")
_SRV = Struct("!HHH")
_SOA = Struct("!IIIII")
_POINTER = Struct("!H")

_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _DESIRED, _AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPCODE, _CHECKING_DISABLED = 0x7800, 0x0010
_IN = 1
_ANY_CLASS = 255
#: Answers over UDP are no larger, whatever a client takes: so they are never in fragments, and what somebody
#: asks in another's name makes little of it (DNS flag day 2020).
LARGEST_UDP = 1232
_SMALLEST_UDP = 512
#: In bytes, with the root.
LONGEST_NAME = 255
_LONGEST_LABEL = 63
_AROUND = 41  # bytes of each `bytes`, and of the place where it is
_POINTS, _POINTS_AT_MOST = 0xC000, 0x4000
_QUESTION = _POINTER.pack(_POINTS | _HEADER.size)
_REFRESH_S, _RETRY_S, _EXPIRE_S = 7200, 1800, 86_400


class Edns(NamedTuple):
    """What the OPT record of a question says. `largest` is in bytes."""

    largest: int
    version: int


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it came. `asked` are its bytes, whose name has the case of whoever asks."""

    id: int
    flags: int
    asked: bytes
    question: Question
    edns: Edns | None

    @property
    def may_go_on(self) -> bool:
        """Whether somebody else may be asked for the answer (RD)."""
        return bool(self.flags & _DESIRED)

    @property
    def limit(self) -> int:
        """How many bytes an answer over UDP may have."""
        if self.edns is None:
            return _SMALLEST_UDP
        return min(max(self.edns.largest, _SMALLEST_UDP), LARGEST_UDP)


class Unreadable(Exception):
    """A message that is no question. `answer` are the bytes to be sent for it; empty for silence."""

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__()
        self.answer = answer


def failure(message: bytes) -> bytes:
    """What is said to a question that could not be answered because of a mistake of ours."""
    if len(message) < _HEADER.size or message[2] & _RESPONSE >> 8:
        return b""
    id, flags, *_ = _HEADER.unpack_from(message)
    return _refusal(id, flags, Rcode.SERVFAIL)


def read(message: bytes) -> Query:
    """Raises Unreadable."""
    if len(message) < _HEADER.size:
        raise Unreadable
    id, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if flags & _RESPONSE:
        raise Unreadable  # to answer it would make two servers talk for ever
    if flags & _OPCODE:
        raise Unreadable(_refusal(id, flags, Rcode.NOTIMP))
    if questions != 1 or answers or authorities:
        raise Unreadable(_refusal(id, flags, Rcode.FORMERR))
    try:
        name, end = _name(message, _HEADER.size)
        type, of_class = _ASKED.unpack_from(message, end)
        end += _ASKED.size
        edns = _edns(message, end, additionals)
    except (IndexError, ValueError, TooShort):
        raise Unreadable(_refusal(id, flags, Rcode.FORMERR)) from None
    asked = message[_HEADER.size : end]
    query = Query(id, flags, asked, Question(name, type), edns)
    if edns is not None and edns.version:
        raise Unreadable(written(query, Answer(Rcode.BADVERS, authoritative=False)))
    if of_class not in (_IN, _ANY_CLASS):
        raise Unreadable(written(query, Answer(Rcode.REFUSED, authoritative=False)))
    return query


def _name(message: bytes, start: int) -> tuple[Labels, int]:
    """The name of a question, and where it ends. Raises ValueError or IndexError.

    A question comes first, so there is nothing that its name could point to.
    """
    found, at = [], start
    while length := message[at]:
        label = message[at + 1 : at + 1 + length]
        if length > _LONGEST_LABEL or len(label) < length:
            raise ValueError
        found.append(label.lower().decode("latin-1"))
        at += 1 + length
        if at - start > LONGEST_NAME - 1:
            raise ValueError
    return tuple(found), at + 1


def _edns(message: bytes, start: int, count: int) -> Edns | None:
    """What the additional records of a question say. Raises ValueError, IndexError or struct.error."""
    found, at = None, start
    for _ in range(count):
        at = _after_name(message, at)
        type, largest, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size + length
        if at > len(message):
            raise ValueError
        if type == Type.OPT:
            if found is not None:
                raise ValueError  # RFC 6891, 6.1.1
            found = Edns(largest, ttl >> 16 & 0xFF)
    return found


def _after_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


def _refusal(id: int, flags: int, rcode: Rcode) -> bytes:
    """An answer without the question, which could not be read."""
    kept = flags & (_OPCODE | _DESIRED)
    return _HEADER.pack(id, _RESPONSE | kept | rcode, 0, 0, 0, 0)


class Body(NamedTuple):
    """An answer whose records are bytes, each by itself. They fit behind any question of the same name."""

    rcode: Rcode
    authoritative: bool
    records: tuple[bytes, ...]
    authority: tuple[bytes, ...]
    additional: tuple[bytes, ...]
    #: Whether the records may stand in any order. Then all are of the same size.
    turns: bool

    @property
    def size(self) -> int:
        """What it takes, in bytes."""
        return sum(_AROUND + len(each) for each in (*self.records, *self.authority, *self.additional))


def encoded(name: Labels, answer: Answer) -> Body:
    """The records of an answer to a question about a name."""
    of_name = [each.data for each in answer.records if isinstance(each.data, Address) and each.owner == name]
    only = len(of_name) == len(answer.records)
    turns = only and len(of_name) > 1
    if only and name and not (answer.authority or answer.additional):
        # As nearly all answers. The only name is that of the question, which is always at the same place.
        records = tuple(
            _record(_QUESTION, data.type, record.ttl, data.packed)
            for record, data in zip(answer.records, of_name, strict=True)
        )
        return Body(answer.rcode, answer.authoritative, records, (), (), turns)
    writer = _Writer(name)
    records = tuple(writer.record(each) for each in answer.records if _can_be_written(each))
    if answer.records and not records:
        return Body(Rcode.SERVFAIL, answer.authoritative, (), (), (), turns=False)
    authority = tuple(writer.record(each) for each in answer.authority if _can_be_written(each))
    additional = tuple(writer.record(each) for each in answer.additional if _can_be_written(each))
    return Body(answer.rcode, answer.authoritative, records, authority, additional, turns)


def _can_be_written(record: Record) -> bool:
    """Whether all names of a record are names (2.3.4). Services can be described with others."""
    match record.data:
        case Srv(target=target) | Name(target=target):
            return _is_name(record.owner) and _is_name(target)
        case _:
            return _is_name(record.owner)


def _is_name(name: Labels) -> bool:
    sizes = [len(label) for label in name]
    fits = all(0 < size <= _LONGEST_LABEL for size in sizes) and sum(sizes) + len(sizes) < LONGEST_NAME
    return fits and max(map(max, name), default="") <= "\xff"


def _record(owner: bytes, type: int, ttl: int, data: bytes) -> bytes:
    return owner + _RECORD.pack(type, _IN, ttl, len(data)) + data


def written(query: Query, answer: Answer, limit: int = LARGEST_UDP) -> bytes:
    """An answer as a message of at most so many bytes."""
    reply = assembled(query, encoded(query.question.name, answer), limit)
    return reply.message(query.id.to_bytes(2))


class Reply(NamedTuple):
    """A message without its id: a head, records that may stand in any order, and a tail.

    The records in `turning` are of `each` bytes. So many bytes of them fit as `room` says.
    """

    head: bytes
    turning: bytes
    tail: bytes
    each: int
    room: int

    def message(self, id: bytes, turn: int = 0) -> bytes:
        """The message to whoever asked with this id. Each turn has another record in front."""
        if not self.turning:
            return id + self.head + self.tail
        first = turn * self.each % len(self.turning)
        front = self.turning[first : first + self.room]
        return b"".join((id, self.head, front, self.turning[: self.room - len(front)], self.tail))

    @property
    def size(self) -> int:
        """What it takes, in bytes."""
        return len(self.head) + len(self.turning) + len(self.tail)


def assembled(query: Query, body: Body, limit: int, *, recursion: bool = False) -> Reply:
    """A message of at most so many bytes. What does not fit is left out.

    If that is something that was asked for, the message says so (TC), and whoever asks comes again over TCP.
    """
    opt = _opt(query.edns, body.rcode) if query.edns is not None else b""
    room = limit - _HEADER.size - len(query.asked) - len(opt)
    answers, room, whole = _fitting(body.records, room)
    # Names point to names before them, so that nothing can stand behind what was left out.
    authority, room, all_of_it = _fitting(body.authority, room) if whole else ((), 0, False)
    additional, _, _ = _fitting(body.additional, room) if all_of_it else ((), 0, False)
    flags = _RESPONSE | query.flags & (_DESIRED | _CHECKING_DISABLED) | body.rcode & 0xF
    flags |= _AUTHORITATIVE * body.authoritative | _AVAILABLE * recursion | _TRUNCATED * (not whole)
    counts = len(answers), len(authority), len(additional) + (query.edns is not None)
    head = _WITHOUT_ID.pack(flags, 1, *counts) + query.asked
    tail = b"".join((*authority, *additional, opt))
    if not body.turns:
        return Reply(head + b"".join(answers), b"", tail, 0, 0)
    each = len(body.records[0])
    return Reply(head, b"".join(body.records), tail, each, each * len(answers))


def _fitting(records: tuple[bytes, ...], room: int) -> tuple[tuple[bytes, ...], int, bool]:
    """The first records that fit, the room that is left, and whether all fit."""
    needed = sum(map(len, records))
    if needed <= room:
        return records, room - needed, True
    kept = 0
    for each in records:
        if len(each) > room:
            break
        room -= len(each)
        kept += 1
    return records[:kept], room, False


def _opt(edns: Edns, rcode: Rcode) -> bytes:
    # DO is not set, because there are no signatures here (RFC 3225, 3).
    ttl = rcode >> 4 << 24
    return b"\0" + _RECORD.pack(Type.OPT, LARGEST_UDP, ttl, 0)


class _Writer:
    """Writes records behind a question about a name, with pointers to names that stand before (4.1.4)."""

    def __init__(self, name: Labels) -> None:
        self._at: dict[Labels, int] = {}
        self._end = _HEADER.size
        self._name(name)
        self._end += _ASKED.size

    def record(self, record: Record) -> bytes:
        owner = self._name(record.owner)
        self._end += _RECORD.size
        data = self._data(record.data)
        return _record(owner, record.data.type, record.ttl, data)

    def _data(self, data: Data) -> bytes:
        match data:
            case Address(packed):
                return self._plain(packed)
            case Srv(priority, weight, port, target):
                numbers = self._plain(_SRV.pack(priority, weight, port))
                return numbers + self._name(target, short=False)  # RFC 2782
            case Name(_, target):
                return self._name(target)
            case Other(_, wire):
                return self._plain(wire)
            case Text(text):
                return self._plain(bytes((len(text),)) + text)
            case Authority(server, mailbox, serial, minimum):
                names = self._name(server) + self._name(mailbox)
                numbers = _SOA.pack(serial, _REFRESH_S, _RETRY_S, _EXPIRE_S, minimum)
                return names + self._plain(numbers)

    def _plain(self, data: bytes) -> bytes:
        self._end += len(data)
        return data

    def _name(self, name: Labels, short: bool = True) -> bytes:
        parts = list[bytes]()
        for place in range(len(name)):
            rest = name[place:]
            known = self._at.get(rest)
            if known is not None and short:
                parts.append(_POINTER.pack(_POINTS | known))
                self._end += 2
                return b"".join(parts)
            if known is None and self._end < _POINTS_AT_MOST:
                self._at[rest] = self._end
            label = name[place].encode("latin-1")
            parts.append(bytes((len(label),)) + label)
            self._end += len(label) + 1
        self._end += 1
        return b"".join((*parts, b"\0"))
