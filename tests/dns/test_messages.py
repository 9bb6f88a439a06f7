"""Messages as bytes: nothing that comes in does harm, and others read what goes out."""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.messages import Unreadable, read, written
from pilothouse.dns.records import Address, Authority, Name, Other, Rcode, Record, Srv, Text, Type, labels

pytestmark = pytest.mark.quick

_LABEL = st.binary(min_size=1, max_size=20).map(lambda each: each.lower().decode("latin-1"))
_NAME = st.lists(_LABEL, max_size=6).map(tuple)
_DATA = st.one_of(
    st.binary(min_size=4, max_size=4).map(Address),
    st.binary(min_size=16, max_size=16).map(Address),
    st.builds(Srv, *[st.integers(0, 65535)] * 3, _NAME),
    st.builds(Name, st.sampled_from([Type.CNAME, Type.NS, Type.PTR]), _NAME),
    st.builds(Text, st.binary(max_size=255)),
    st.builds(Authority, _NAME, _NAME, *[st.integers(0, 2**32 - 1)] * 2),
    st.builds(Other, st.just(65280), st.binary(max_size=30)),
)
_RECORDS = st.lists(st.builds(Record, _NAME, st.integers(0, 2**31 - 1), _DATA), max_size=8).map(tuple)


def question(name: str = "payments.shop.svc.cluster.local.", **more) -> bytes:
    return dns.message.make_query(name, "A", **more).to_wire()


def answered(wire: bytes) -> dns.message.Message:
    with pytest.raises(Unreadable) as unreadable:
        read(wire)
    return dns.message.from_wire(unreadable.value.answer)


def _told(wire: bytes) -> bytes:
    """What is said of a message that is no question."""
    try:
        read(wire)
    except Unreadable as unreadable:
        return unreadable.answer
    return b""


def _names(name: tuple[str, ...]) -> dns.name.Name:
    return dns.name.Name([*(label.encode("latin-1") for label in name), b""])


@given(_NAME, _RECORDS, _RECORDS, _RECORDS)
def test_others_read_what_is_written(name, records, authority, additional):
    query = read(dns.message.make_query(_names(name), "A", use_edns=0).to_wire())
    assert query.question == Question(name, Type.A)
    wire = written(query, Answer(Rcode.NOERROR, records, authority, additional), limit=65_535)
    found = dns.message.from_wire(wire, one_rr_per_rrset=True)
    for section, wanted in ((found.answer, records), (found.authority, authority)):
        owners = [each.name for each in section]
        assert owners == [_names(each.owner) for each in wanted]
        assert [each.ttl for each in section] == [each.ttl for each in wanted]
        assert [each.rdtype for each in section] == [each.data.type for each in wanted]
    for rrset, record in zip(found.answer, records, strict=True):
        if isinstance(record.data, Srv):
            rdata = rrset[0]
            assert (rdata.priority, rdata.weight, rdata.port) == record.data[:3]
            assert rdata.target == _names(record.data.target)
        if isinstance(record.data, Address | Text | Other):
            assert rrset[0].to_wire().endswith(record.data[-1])


@given(st.binary(max_size=200))
def test_nothing_that_comes_in_is_more_than_unreadable(wire):
    assert len(_told(wire)) <= max(len(wire), 12)


@given(st.data())
def test_no_change_of_a_question_is_more_than_unreadable(data):
    wire = bytearray(question(use_edns=0))
    for _ in range(data.draw(st.integers(1, 5))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for each in (bytes(wire), bytes(wire[:cut])):
        assert len(_told(each)) <= len(each) + 11


def test_an_answer_is_not_answered():
    wire = bytearray(question())
    wire[2] |= 0x80
    with pytest.raises(Unreadable) as unreadable:
        read(bytes(wire))
    assert unreadable.value.answer == b""


@pytest.mark.parametrize("wire", [b"", b"\0" * 11])
def test_what_has_no_head_is_not_answered(wire):
    with pytest.raises(Unreadable) as unreadable:
        read(wire)
    assert unreadable.value.answer == b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x40" + b"a" * 64 + b"\0\0\1\0\1",  # a label of 64
        b"\xc0\x0c\0\1\0\1",  # a name that points to itself
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",  # a name of 257
        b"\3abc",
        b"\3abc\0\0\1",
    ],
)
def test_a_malformed_question_is_said_to_be_one(body):
    found = answered(struct.pack("!HHHHHH", 77, 0x0100, 1, 0, 0, 0) + body)
    assert (found.id, found.rcode()) == (77, dns.rcode.FORMERR)


def test_two_questions_are_malformed():
    assert (
        answered(struct.pack("!HHHHHH", 1, 0, 2, 0, 0, 0) + question()[12:] * 2).rcode() == dns.rcode.FORMERR
    )


def test_another_operation_is_not_implemented():
    wire = bytearray(question())
    wire[2] |= 5 << 3
    assert answered(bytes(wire)).rcode() == dns.rcode.NOTIMP


def test_two_records_of_edns_are_malformed():
    wire = bytearray(question(use_edns=0))
    wire[11] = 2
    assert answered(bytes(wire) + bytes(wire[-11:])).rcode() == dns.rcode.FORMERR


def test_a_later_version_of_edns_is_said_to_be_one():
    found = answered(question(use_edns=1))
    assert found.rcode() == dns.rcode.BADVERS
    assert found.edns == 0


def test_another_class_is_refused():
    wire = bytearray(question())
    wire[-1] = 3
    assert answered(bytes(wire)).rcode() == dns.rcode.REFUSED


def test_options_of_edns_are_read_over():
    option = dns.edns.CookieOption(b"12345678", b"")
    assert read(question(use_edns=0, options=[option], payload=4096)).limit == 1232


@pytest.mark.parametrize(
    ("payload", "limit"), [(None, 512), (0, 512), (512, 512), (1000, 1000), (65535, 1232)]
)
def test_how_much_fits_is_what_the_client_says_within_bounds(payload, limit):
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    assert read(question(**edns)).limit == limit


def test_the_case_of_the_question_is_kept():
    wire = question("PaYmEnTs.Shop.svc.cluster.local.")
    answer = Answer(records=(Record(labels("payments.shop.svc.cluster.local"), 5, Address(b"\1\2\3\4")),))
    found = dns.message.from_wire(written(read(wire), answer))
    assert found.question[0].name.to_text() == "PaYmEnTs.Shop.svc.cluster.local."
    assert found.answer[0].name.to_text() == "PaYmEnTs.Shop.svc.cluster.local."


def test_what_does_not_fit_is_cut_between_records_and_said():
    name = labels("cart.shop.svc.cluster.local")
    records = tuple(Record(name, 5, Address(bytes((10, 0, 0, each)))) for each in range(100))
    query = read(question("cart.shop.svc.cluster.local."))
    wire = written(query, Answer(records=records), query.limit)
    found = dns.message.from_wire(wire)
    assert len(wire) <= 512
    assert found.flags & dns.flags.TC
    assert 25 < len(found.answer[0]) < 100


def test_what_was_not_asked_for_is_left_out_without_a_word():
    name = labels("cart.shop.svc.cluster.local")
    additional = tuple(Record(name, 5, Address(bytes((10, 0, 0, each)))) for each in range(100))
    query = read(question("cart.shop.svc.cluster.local."))
    answer = Answer(records=additional[:1], additional=additional)
    found = dns.message.from_wire(written(query, answer, query.limit))
    assert not found.flags & dns.flags.TC
    assert found.additional


_LONG = ("a" * 64, "example")
_LONGER = ("a" * 60,) * 5


@pytest.mark.parametrize("name", [_LONG, _LONGER, ("a", "", "b"), ("\u4e2d", "example")])
def test_a_record_that_cannot_be_written_is_left_out(name):
    query = read(dns.message.make_query("_http._tcp.web.example.", "SRV").to_wire())
    owner = query.question.name
    good, bad = (Record(owner, 5, Srv(0, 50, 80, target)) for target in (("web", "example"), name))
    additional = tuple(
        Record(target, 5, Address(b"\x0a\x01\x07\x08")) for target in (("web", "example"), name)
    )
    found = dns.message.from_wire(written(query, Answer(records=(bad, good), additional=additional)))
    assert [str(rdata.target) for rrset in found.answer for rdata in rrset] == ["web.example."]
    assert len(found.additional) == 1
    # If nothing is left, it is no answer that there is nothing.
    assert dns.message.from_wire(written(query, Answer(records=(bad,)))).rcode() == dns.rcode.SERVFAIL
